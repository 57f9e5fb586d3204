//! What failed for good: listed over all plans, and sent again.

use herald_loadtest::standins::webhook::{self, Behaviour};
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, Tenant};
use serde_json::{Value, json};

use crate::support::start;

/// A receiver that refuses on one path and is broken on another.
async fn broken(tenant: &Tenant) -> (webhook::Handle, String) {
    let key = webhook::Key::random();
    let server = webhook::start(webhook::Options { keys: vec![key.clone()], ..webhook::Options::default() })
        .await
        .unwrap();
    server.script_for("/refuses", Behaviour::status(400));
    server.script_for("/broken", Behaviour::status(500));
    let account = tenant.webhook(key.text()).await;
    (server, account)
}

/// A plan to so many people on each path.
async fn send(tenant: &Tenant, hooks: &webhook::Handle, paths: &[(&str, usize)]) -> Plan {
    let people: Vec<Value> = paths
        .iter()
        .flat_map(|(path, count)| (0..*count).map(move |no| (path, no)))
        .map(|(path, no)| json!({"key": format!("canary{path}-{no}"), "url": hooks.url(path)}))
        .collect();
    let plan = tenant
        .send(&json!({"title": "Canary", "content": {"text": "canary"}, "channels": ["webhook"], "recipients": people}))
        .await;
    tenant.until(&plan, "finished", SOON).await;
    plan
}

async fn listed(tenant: &Tenant, query: &str) -> Vec<Value> {
    tenant.http.all(&format!("/v1/dead-letters?{query}")).await
}

async fn redrive(tenant: &Tenant, body: Value) -> Value {
    tenant.http.post("/v1/dead-letters/redrive", &body).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_by_reason_and_go_out_again() {
    let (mut system, tenant) = start(Options::default()).await;
    let (hooks, account) = broken(&tenant).await;
    let first = send(&tenant, &hooks, &[("/refuses", 3), ("/broken", 2), ("/works", 2)]).await;
    let second = send(&tenant, &hooks, &[("/broken", 1)]).await;
    let all = listed(&tenant, "channel=webhook").await;
    assert_eq!(all.len(), 6, "{all:?}");
    assert_eq!(all[0]["plan"], second.id.as_str(), "the newest plan first");
    let exhausted = listed(&tenant, "reason=exhausted").await;
    assert_eq!(exhausted.len(), 3);
    for letter in &exhausted {
        assert_eq!((&letter["attempts"], &letter["account"]), (&json!(4), &json!(account)), "{letter}");
        assert!(letter["code"].as_str().unwrap().contains("500"), "{letter}");
    }
    let plan = format!("reason=exhausted&plan={}&account={account}", first.id);
    assert_eq!(listed(&tenant, &plan).await.len(), 2);
    assert_eq!(listed(&tenant, "failed_after=2099-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(listed(&tenant, "channel=email").await.len(), 0);
    let page = tenant.http.get("/v1/dead-letters?limit=4").await.expect(200).json();
    let rest = format!("/v1/dead-letters?limit=4&cursor={}", page["next_cursor"].as_str().unwrap());
    let rest = tenant.http.get(&rest).await.expect(200).json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (2, &Value::Null));
    // Another tenant has none, and cannot send these again.
    let stranger = system.tenant("canary-second").await;
    assert_eq!(listed(&stranger, "").await.len(), 0);
    let ids: Vec<&Value> = all.iter().map(|letter| &letter["id"]).collect();
    assert_eq!(
        redrive(&stranger, json!({"ids": ids})).await,
        json!({"redriven": 0, "not_possible": 6, "next_cursor": null})
    );
    hooks.clear_scripts();
    let told = redrive(&tenant, json!({"reason": "exhausted"})).await;
    assert_eq!(told, json!({"redriven": 3, "not_possible": 0, "next_cursor": null}));
    for (plan, sent, failed) in [(&first, 4, 3), (&second, 1, 0)] {
        let finished = tenant.until(plan, "finished", SOON).await;
        assert_eq!(
            (&finished["deliveries"]["sent"], &finished["deliveries"]["failed"]),
            (&json!(sent), &json!(failed)),
            "{finished}"
        );
    }
    let left = listed(&tenant, "").await;
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|letter| letter["reason"] == "rejected"), "{left:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_is_bounded_named_by_its_key_and_kept_from_plans_that_are_over() {
    let (system, tenant) = start(Options::default()).await;
    let (hooks, _) = broken(&tenant).await;
    let over = send(&tenant, &hooks, &[("/refuses", 2)]).await;
    let recalled = tenant.http.post(&format!("{}/recall", over.path()), &json!({})).await;
    assert_eq!(recalled.status, 200);
    let plan = send(&tenant, &hooks, &[("/refuses", 5), ("/works", 1)]).await;
    hooks.clear_scripts();
    assert_eq!(
        tenant.http.post("/v1/dead-letters/redrive", &json!({})).await.status,
        422,
        "not everything by accident"
    );
    let body = json!({"reason": "rejected", "limit": 3});
    let first = tenant.http.post_with_key("/v1/dead-letters/redrive", "k", &body).await.expect(200);
    let again = tenant.http.post_with_key("/v1/dead-letters/redrive", "k", &body).await.expect(200);
    assert_eq!((&first.text, again.header("idempotent-replayed")), (&again.text, "true"));
    assert_eq!((&first.json()["redriven"], &first.json()["not_possible"]), (&json!(3), &json!(0)));
    let cursor = &first.json()["next_cursor"];
    let rest = redrive(&tenant, json!({"reason": "rejected", "cursor": cursor})).await;
    assert_eq!(rest, json!({"redriven": 2, "not_possible": 2, "next_cursor": null}));
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 6, "{finished}");
    // Twice the same: what is sent stays sent.
    let ids: Vec<Value> =
        tenant.deliveries(&plan).await.iter().map(|delivery| delivery["id"].clone()).collect();
    assert_eq!(redrive(&tenant, json!({"ids": ids})).await["not_possible"], 6);
    assert_eq!(tenant.plan(&plan).await["status"], "finished");
    system.finish().await;
}
