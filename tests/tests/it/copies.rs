//! Copies: a plan as a new draft, with its people or without.

use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON};
use reqwest::Method;
use serde_json::{Value, json};

use crate::alone::escalation::World;

fn plan_of(body: Value) -> Plan {
    Plan { id: body["id"].as_str().unwrap().to_owned(), body }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_a_draft_of_its_own_that_goes_out_like_the_first() {
    let world = World::start(Options::default()).await;
    let http = &world.tenant.http;
    let tiers = json!([{"channels": ["wecom"], "until": "read", "wait": "1s"}, {"channels": ["email", "webhook"], "mode": "first"}]);
    let mut body = world.body(3, tiers);
    body["reference"] = "canary-reference".into();
    body["metadata"] = json!({"ticket": "42"});
    body["max_late"] = "2h".into();
    let first = world.tenant.send(&body).await;
    world.tenant.until(&first, "finished", SOON).await;
    // A reminder is nothing of the copy's.
    let remind = json!({"who": "unread", "channels": ["webhook"]});
    let asked = http.post(&format!("{}/remind", first.path()), &remind).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    world.tenant.until(&first, "finished", SOON).await;
    let path = format!("{}/copy", first.path());
    // With no body at all, and once under one key.
    let key = [("idempotency-key", "canary-once")];
    let made = http.call(Method::POST, &path, &key, None).await.expect(201);
    let again = http.call(Method::POST, &path, &key, None).await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &made.text));
    let copy = plan_of(made.json());
    assert_eq!(made.header("location"), copy.path());
    let (old, new) = (world.tenant.plan(&first).await, world.tenant.plan(&copy).await);
    for same in ["title", "tiers", "priority", "on_unknown", "metadata", "max_late"] {
        assert_eq!(old[same], new[same], "{same}");
    }
    assert_eq!(
        (&new["status"], &new["reference"], &new["expires_at"]),
        (&json!("draft"), &Value::Null, &Value::Null)
    );
    assert_ne!(old["number"], new["number"]);
    let reach = &new["recipients"];
    assert_eq!(
        (&reach["total"], &reach["pending"], &reach["read"]),
        (&json!(3), &json!(3), &json!(0)),
        "{new}"
    );
    let sent = http.post(&format!("{}/send", copy.path()), &json!({})).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    world.tenant.until(&copy, "finished", SOON).await;
    assert_eq!(world.results(&copy).await, ["sent", "sent", "sent"]);
    world.chat.read(|received| assert_eq!(received.deliveries, 6));
    world.mail.read(|received| assert_eq!(received.mails, 6));
    // Without people, of a plan that was recalled.
    let recalled = http.post(&format!("{}/recall", first.path()), &json!({})).await;
    assert_eq!(recalled.status, 200, "{}", recalled.text);
    let empty = plan_of(http.post(&path, &json!({"recipients": false})).await.expect(201).json());
    assert_eq!(world.tenant.plan(&empty).await["recipients"]["total"], 0);
    let one = json!({"recipients": [world.person(9)]});
    let added = http.post(&format!("{}/recipients", empty.path()), &one).await;
    assert_eq!(added.status, 200, "{}", added.text);
    let sent = http.post(&format!("{}/send", empty.path()), &json!({})).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    world.tenant.until(&empty, "finished", SOON).await;
    let wrong = http.post(&path, &json!({"recipients": "all", "title": "x"})).await.expect(422);
    assert_eq!(wrong.pointers(), ["/recipients", "/title"]);
    let nobody = format!("/v1/plans/{}/copy", uuid::Uuid::now_v7());
    assert_eq!(http.post(&nobody, &json!({})).await.status, 404);
    world.system.finish().await;
}
