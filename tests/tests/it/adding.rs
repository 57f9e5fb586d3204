//! People added to a plan that was sent (rule 17): they start at tier 1 with clocks of their own, and everybody else goes on as before.

use herald_tests::tenant::Plan;
use herald_tests::{Answer, Options, SOON, Tenant, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::alone::escalation::{World, address, user};
use crate::support::start;

async fn add(tenant: &Tenant, plan: &Plan, people: Vec<Value>) -> Answer {
    tenant.http.post(&format!("{}/recipients", plan.path()), &json!({"recipients": people})).await
}

async fn order(tenant: &Tenant, plan: &Plan, verb: &str) -> Value {
    tenant.http.post(&format!("{}/{verb}", plan.path()), &json!({})).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_17_people_added_to_a_running_plan_have_clocks_of_their_own() {
    let world = World::start(Options::default()).await;
    let tiers = json!([{"channels": ["wecom"], "until": "read", "wait": "1h"}, {"channels": ["email"]}]);
    let plan = world.tenant.send(&world.body(2, tiers)).await;
    let waits = format!("SELECT count(next_at) FROM recipient WHERE plan_id = {}", plan.internal());
    wait_until("the waits have begun", SOON, async || world.system.database.number(&waits).await == 2).await;
    // The first two are at tier 2 before the others come.
    order(&world.tenant, &plan, "escalate").await;
    world.mail.wait_for(|received| received.mails == 2, SOON).await.unwrap();
    world.tenant.until(&plan, "finished", SOON).await;
    let told =
        add(&world.tenant, &plan, vec![world.person(2), world.person(3), world.person(4), world.person(4)])
            .await
            .expect(200)
            .json();
    let counts = (&told["rows"], &told["added"], &told["duplicates"], &told["recipients"]);
    assert_eq!(counts, (&json!(4), &json!(2), &json!(2), &json!(4)), "{told}");
    wait_until("their waits have begun", SOON, async || world.system.database.number(&waits).await == 2)
        .await;
    let now = world.tenant.plan(&plan).await;
    let state = (
        &now["status"],
        &now["recipients"]["total"],
        &now["recipients"]["waiting"],
        &now["recipients"]["duplicates"],
    );
    assert_eq!(state, (&json!("running"), &json!(4), &json!(2), &json!(2)), "{now}");
    let all = world.tenant.http.all(&format!("{}/recipients", plan.path())).await;
    let tiers: Vec<i64> = all.iter().map(|person| person["tier"].as_i64().unwrap()).collect();
    assert_eq!(tiers, [2, 2, 1, 1]);
    world.read(&plan, &[3]).await;
    order(&world.tenant, &plan, "escalate").await;
    world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(world.results(&plan).await, ["sent", "sent", "read", "sent"]);
    world.chat.read(|received| assert_eq!((received.deliveries, received.duplicates), (4, 0)));
    world.mail.read(|received| {
        assert_eq!(received.mails, 3);
        assert!(received.by_recipient.contains_key(&address(4)));
    });
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_17_a_finished_plan_runs_for_those_who_are_added_and_an_ended_one_takes_nobody() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let body = json!({"title": "Canary", "content": {"text": "canary {{ room }}"}, "channels": ["inbox"],
        "recipients": [{"key": "canary-1", "variables": {"room": "1"}}]});
    let plan = tenant.send(&body).await;
    tenant.until(&plan, "finished", SOON).await;
    // Its time is over: those who come now get the usual time.
    system.database.run("UPDATE plan SET expires_at = now() - interval '1 s'").await;
    let path = format!("{}/recipients", plan.path());
    let rows = "key,room\ncanary-1,1\ncanary-2,2\ncanary-3,\n";
    let csv = [("content-type", "text/csv")];
    let told = tenant.http.call(Method::POST, &path, &csv, Some(rows.into())).await.expect(200).json();
    let counts = (&told["added"], &told["duplicates"], &told["refused"], &told["recipients"]);
    assert_eq!(counts, (&json!(1), &json!(1), &json!(1), &json!(2)), "{told}");
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(
        (&finished["recipients"]["reached"], &finished["deliveries"]["sent"]),
        (&json!(2), &json!(2)),
        "{finished}"
    );
    // Twice under one key is once; what is wrong is told with its place, all of it.
    let more = json!({"recipients": [{"key": "canary-4", "variables": {"room": "4"}}]});
    let first = tenant.http.post_with_key(&path, "canary-once", &more).await.expect(200);
    let again = tenant.http.post_with_key(&path, "canary-once", &more).await.expect(200);
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &first.text));
    let wrong = vec![
        json!({"key": "canary-5"}),
        json!({"key": "canary-6", "email": "x", "variables": {"room": "6"}}),
    ];
    assert_eq!(add(&tenant, &plan, wrong).await.expect(422).pointers(), ["/recipients/1/email"]);
    let wrong = vec![json!({"key": "canary-5"}), json!({"key": "canary-1", "variables": {"room": "other"}})];
    assert_eq!(add(&tenant, &plan, wrong).await.expect(422).pointers(), ["/recipients/0"]);
    let wrong = vec![json!({"key": "canary-1", "variables": {"room": "other"}})];
    assert_eq!(add(&tenant, &plan, wrong).await.expect(422).pointers(), ["/recipients/0"]);
    tenant.until(&plan, "finished", SOON).await;
    order(&tenant, &plan, "recall").await;
    let refused =
        add(&tenant, &plan, vec![json!({"key": "canary-7", "variables": {"room": "7"}})]).await.expect(409);
    assert!(refused.text.contains("plan-state"), "{}", refused.text);
    assert_eq!(tenant.plan(&plan).await["recipients"]["total"], 3);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_17_thousands_are_added_while_the_plan_runs_and_settling_waits_for_none_of_it() {
    let world = World::start(Options::default().workers(2)).await;
    // Without answers everybody gets the same, a thousand in a call.
    let mut body = world.body(500, json!([{"channels": ["wecom"]}]));
    body.as_object_mut().unwrap().remove("acknowledgement");
    let plan = world.tenant.send(&body).await;
    let line =
        |no: usize| format!("{{\"key\": \"canary-{no}\", \"ids\": {{\"wecom\": \"{}\"}}}}\n", user(no));
    let lines: String = (1001..=7000).map(line).collect();
    let path = format!("{}/recipients", plan.path());
    let rows = [("content-type", "application/x-ndjson")];
    let told =
        world.tenant.http.call(Method::POST, &path, &rows, Some(lines.into())).await.expect(200).json();
    assert_eq!(told["added"], 6000, "{told}");
    let finished = world.tenant.until(&plan, "finished", SOON * 2).await;
    assert_eq!(
        (&finished["recipients"]["reached"], &finished["deliveries"]["sent"]),
        (&json!(6500), &json!(6500)),
        "{finished}"
    );
    world.chat.read(|received| assert_eq!((received.deliveries, received.duplicates), (6500, 0)));
    world.system.finish().await;
}
