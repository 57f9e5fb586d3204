//! `keep`: what was said, and to whom, goes that long after the end; counts and what became of everybody stay.

use herald_tests::{Options, SOON, wait_until};
use serde_json::{Value, json};

use crate::support::start;

fn body(changes: &Value) -> Value {
    let mut body = json!({
        "title": "Canary", "content": {"text": "canary secret {{ room }} {{ link }}"}, "channels": ["inbox"],
        "recipients": [{"key": "canary-a", "name": "Canary Name", "variables": {"room": "canary-room"}}, {"key": "canary-b", "variables": {"room": "2"}}],
        "acknowledgement": {"options": ["Yes"], "other": true},
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_goes_when_its_time_is_over_and_the_counts_stay() {
    let (mut system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let kept = tenant.send(&body(&json!({}))).await;
    // The one after the other, so that the newest message is the second plan's.
    tenant.until(&kept, "finished", SOON).await;
    let plan = tenant.send(&body(&json!({"keep": "P30D"}))).await;
    assert_eq!((&plan.body["keep"], &kept.body["keep"]), (&json!("P30D"), &Value::Null));
    tenant.until(&plan, "finished", SOON).await;
    let messages = tenant.http.all("/v1/inbox/canary-a").await;
    let of_plan = messages[0]["text"].as_str().unwrap().rsplit_once("/m/").unwrap().1.trim().to_owned();
    let nobody = system.client(None).await;
    let answer = format!("/m/{of_plan}/acknowledge");
    assert_eq!(nobody.post(&answer, &json!({"option": "other", "text": "canary words"})).await.status, 200);
    let before = tenant.plan(&plan).await;
    let days = "SELECT count(*) FROM plan WHERE keep_until = finished_at + interval '720 hours' AND erased_at IS NULL";
    assert_eq!(system.database.number(days).await, 1, "of the one that says so, thirty days after its end");
    system.database.run("UPDATE plan SET terms = '{\"keep\": \"PT1S\"}' WHERE terms IS NOT NULL").await;
    wait_until("it is erased", SOON, async || {
        system.database.number("SELECT count(*) FROM plan WHERE erased_at IS NOT NULL").await == 1
    })
    .await;
    let left = format!(
        "SELECT count(*) FROM recipient r JOIN plan p ON p.id = r.plan_id
          WHERE p.id = {} AND (r.name IS NOT NULL OR r.addresses <> '{{}}' OR r.variables IS NOT NULL OR r.answer_text IS NOT NULL OR p.content <> '{{}}')",
        plan.internal()
    );
    assert_eq!(system.database.number(&left).await, 0);
    let mut after = tenant.plan(&plan).await;
    assert!(after["erased_at"].is_string(), "{after}");
    after.as_object_mut().unwrap().remove("erased_at");
    after["keep"] = before["keep"].clone();
    assert_eq!(after, before, "counts, answers and all the rest are as they were");
    let people = tenant.http.all(&format!("{}/recipients", plan.path())).await;
    assert!(
        people.iter().any(|person| person["answer"] == "other" && person["answer_text"].is_null()),
        "{people:?}"
    );
    assert_eq!(nobody.get(&format!("/m/{of_plan}")).await.status, 410);
    let messages = tenant.http.all("/v1/inbox/canary-a").await;
    assert_eq!(messages.len(), 1, "that of the other plan: {messages:?}");
    assert_eq!(tenant.plan(&kept).await["erased_at"], Value::Null);
    // Nothing of it can go out again.
    let client = system.database.connect().await.unwrap();
    let runs = format!("UPDATE plan SET status = 4, finished_at = NULL WHERE id = {}", plan.internal());
    assert!(client.batch_execute(&runs).await.is_err(), "the schema refuses it");
    for keep in ["0s", "P4000D", "soon"] {
        assert_eq!(
            tenant.http.post("/v1/plans", &body(&json!({"keep": keep}))).await.expect(422).pointers(),
            ["/keep"]
        );
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_may_keep_nothing_longer_than_it_says() {
    let (system, tenant) = start(Options::default().env("HERALD_KEEP_DAYS", "7")).await;
    tenant.inbox().await;
    let (silent, own) =
        (tenant.send(&body(&json!({}))).await, tenant.send(&body(&json!({"keep": "1h"}))).await);
    assert_eq!((&silent.body["keep"], &own.body["keep"]), (&json!("P7D"), &json!("PT1H")));
    tenant.until(&silent, "finished", SOON).await;
    tenant.until(&own, "finished", SOON).await;
    system.finish().await;
}
