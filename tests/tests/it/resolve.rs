//! Unknown deliveries: what a person makes of them.

use herald_loadtest::standins::webhook::{self, Action, Behaviour};
use herald_tests::tenant::Plan;
use herald_tests::{Answer, Options, SOON, System, Tenant, wait_until};
use serde_json::{Value, json};

use crate::support::start;

/// A receiver that takes every message and never says so.
async fn silent(tenant: &Tenant) -> webhook::Handle {
    let key = webhook::Key::random();
    let server = webhook::start(webhook::Options { keys: vec![key.clone()], ..webhook::Options::default() })
        .await
        .unwrap();
    server.script(Behaviour::new(Action::DropAfterBody { accepted: true }));
    tenant.webhook(key.text()).await;
    server
}

/// A plan under `hold` whose outcomes are all unknown, and its deliveries.
async fn unknown(tenant: &Tenant, hooks: &webhook::Handle, channels: Value) -> (Plan, Vec<Value>) {
    let people: Vec<Value> =
        (0..4).map(|no| json!({"key": format!("canary-{no}"), "url": hooks.url("/canary")})).collect();
    let body = json!({"title": "Canary", "content": {"text": "canary"}, "channels": channels, "recipients": people, "on_unknown": "hold"});
    let plan = tenant.send(&body).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["unknown"], 4, "{finished}");
    let found = tenant.http.all(&format!("{}/deliveries?status=unknown", plan.path())).await;
    assert_eq!(found.len(), 4);
    (plan, found)
}

async fn resolve(tenant: &Tenant, delivery: &Value, to: &str) -> Answer {
    let path = format!("/v1/deliveries/{}/resolve", delivery["id"].as_str().unwrap());
    tenant.http.post(&path, &json!({"to": to})).await
}

async fn counts(tenant: &Tenant, plan: &Plan) -> (Value, Value) {
    let plan = tenant.plan(plan).await;
    (plan["recipients"].clone(), plan["deliveries"].clone())
}

/// Until nothing is left of a sweep that a resolve set off.
async fn until_jobs_are_gone(system: &System) {
    wait_until("no job is left", SOON, async || {
        system.database.number("SELECT count(*) FROM job").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_delivery_is_resolved_to_sent_to_failed_or_sent_again() {
    let (system, tenant) = start(Options::default()).await;
    let hooks = silent(&tenant).await;
    let (plan, found) = unknown(&tenant, &hooks, json!(["webhook"])).await;
    let sent = resolve(&tenant, &found[0], "sent").await.expect(200).json();
    assert_eq!((&sent["status"], sent["sent_at"].is_string()), (&json!("sent"), true), "{sent}");
    let failed = resolve(&tenant, &found[1], "failed").await.expect(200).json();
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &json!("timeout")), "{failed}");
    let (people, _) = counts(&tenant, &plan).await;
    assert_eq!(
        (&people["reached"], &people["unreachable"], &people["unknown"]),
        (&json!(1), &json!(1), &json!(2))
    );
    assert_eq!(tenant.plan(&plan).await["status"], "finished", "nothing goes out again");
    hooks.clear_scripts();
    let again = resolve(&tenant, &found[2], "resend").await.expect(200).json();
    assert_eq!(again["attempts"].as_array().unwrap().len(), 1, "{again}");
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 2, "{finished}");
    let id = found[2]["id"].as_str().unwrap();
    let detail = tenant.http.get(&format!("/v1/deliveries/{id}")).await.expect(200).json();
    let outcomes: Vec<&Value> =
        detail["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, [&json!("unknown"), &json!("sent")]);
    assert_eq!(hooks.read(|received| received.by_id[id].count), 2);
    for delivery in &found[..3] {
        let refused = resolve(&tenant, delivery, "sent").await.expect(409).json();
        assert_eq!(refused["type"], "urn:herald:problem:delivery-state");
    }
    assert_eq!(resolve(&tenant, &found[3], "lost").await.status, 422);
    let path = |delivery: &Value| format!("/v1/deliveries/{}/resolve", delivery["id"].as_str().unwrap());
    let body = json!({"to": "sent"});
    let first = tenant.http.post_with_key(&path(&found[3]), "k", &body).await.expect(200);
    let again = tenant.http.post_with_key(&path(&found[3]), "k", &body).await.expect(200);
    assert_eq!((&first.text, again.header("idempotent-replayed")), (&again.text, "true"));
    assert_eq!(tenant.http.post_with_key(&path(&found[0]), "k", &body).await.status, 422, "another delivery");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_resolves() {
    let (system, tenant) = start(Options::default()).await;
    let hooks = silent(&tenant).await;
    let (plan, found) = unknown(&tenant, &hooks, json!(["webhook"])).await;
    hooks.clear_scripts();
    for delivery in &found {
        let tries = (0..8).map(|no| {
            let (http, path) =
                (tenant.http.clone(), format!("/v1/deliveries/{}/resolve", delivery["id"].as_str().unwrap()));
            let body = json!({"to": if no % 2 == 0 { "resend" } else { "failed" }});
            tokio::spawn(async move { http.post(&path, &body).await.status })
        });
        let mut statuses = Vec::new();
        for answer in tries.collect::<Vec<_>>() {
            statuses.push(answer.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    }
    tenant.until(&plan, "finished", SOON).await;
    let (_, deliveries) = counts(&tenant, &plan).await;
    assert_eq!(deliveries["unknown"], 0);
    assert_eq!(deliveries["sent"].as_u64().unwrap() + deliveries["failed"].as_u64().unwrap(), 4);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_of_two_channels_is_counted_by_what_is_left() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let hooks = silent(&tenant).await;
    let body = |owner: Value| {
        json!({"title": "Canary", "content": {"text": "canary"}, "channels": ["webhook", "inbox"], "on_unknown": "hold",
            "recipients": [{"url": hooks.url("/canary"), "ids": owner}]})
    };
    let with_inbox = tenant.send(&body(json!({"inbox": "canary-owner"}))).await;
    let without = tenant.send(&body(json!({}))).await;
    for (plan, before, after) in [(&with_inbox, "reached", "reached"), (&without, "unknown", "unreachable")] {
        tenant.until(plan, "finished", SOON).await;
        assert_eq!(counts(&tenant, plan).await.0[before], 1);
        let found = tenant.http.all(&format!("{}/deliveries?status=unknown", plan.path())).await;
        assert_eq!(resolve(&tenant, &found[0], "failed").await.status, 200);
        let (people, _) = counts(&tenant, plan).await;
        assert_eq!((&people[after], &people["unknown"]), (&json!(1), &json!(0)), "{people}");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_recalled_plan_goes_out_again() {
    let (system, tenant) = start(Options::default()).await;
    let hooks = silent(&tenant).await;
    let (plan, found) = unknown(&tenant, &hooks, json!(["webhook"])).await;
    let recalled = tenant.http.post(&format!("{}/recall", plan.path()), &json!({})).await;
    assert_eq!(recalled.status, 200);
    let refused = resolve(&tenant, &found[0], "resend").await.expect(409).json();
    assert_eq!(refused["type"], "urn:herald:problem:plan-state");
    assert_eq!(resolve(&tenant, &found[0], "sent").await.status, 200);
    assert_eq!(tenant.plan(&plan).await["status"], "recalled");
    until_jobs_are_gone(&system).await;
    system.finish().await;
}
