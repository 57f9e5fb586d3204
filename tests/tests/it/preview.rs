//! What one person would get, shown and sent to somebody beforehand; the plan itself is as it was.

use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON};
use serde_json::json;

use crate::support::start_mail;

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_goes_to_its_sender_as_one_recipient_would_get_it_and_counts_nowhere() {
    let (system, tenant, server) = start_mail(Options::default()).await;
    tenant.inbox().await;
    let body = json!({
        "title": "Canary bill for {{ month }}", "content": {"text": "canary {{ name }} {{ month }}", "html": "<p>{{ name }}</p>"},
        "channels": ["email", "inbox"], "draft": true,
        "recipients": [
            {"key": "canary-a", "name": "Anna", "email": "canary-a@example.org", "variables": {"month": "May"}},
            {"key": "canary-b", "name": "<Bert>", "email": "canary-b@example.org", "variables": {"month": "June"}},
        ],
    });
    let made = tenant.http.post("/v1/plans", &body).await.expect(201).json();
    let plan = Plan { id: made["id"].as_str().unwrap().to_owned(), body: made };
    let people = tenant.http.all(&format!("{}/recipients", plan.path())).await;
    let bert = people.iter().find(|person| person["key"] == "canary-b").unwrap()["id"].clone();
    // Shown: the first, one of them, somebody else.
    let render = format!("{}/render", plan.path());
    let shown = tenant.http.post(&render, &json!({})).await.expect(200).json();
    assert_eq!(shown["channels"][0]["subject"], "Canary bill for May", "{shown}");
    let shown = tenant.http.post(&render, &json!({"recipient": bert})).await.expect(200).json();
    assert_eq!(
        shown["channels"],
        json!([
            {"channel": "email", "tiers": [1], "subject": "Canary bill for June", "text": "canary <Bert> June", "html": "<p>&lt;Bert&gt;</p>"},
            {"channel": "inbox", "tiers": [1], "subject": "Canary bill for June", "text": "canary <Bert> June", "html": "<p>&lt;Bert&gt;</p>"},
        ])
    );
    let me = json!({"key": "canary-me", "email": "canary-me@example.org", "variables": {"month": "July"}});
    let shown = tenant.http.post(&render, &json!({"to": me})).await.expect(200).json();
    assert_eq!((&shown["recipient"], &shown["channels"][1]["text"]), (&json!(null), &json!("canary  July")));
    // Sent: to me, as Bert.
    let preview = format!("{}/preview", plan.path());
    let asked = json!({"to": me, "as": bert});
    let sent = tenant.http.post_with_key(&preview, "k", &asked).await.expect(202).json();
    assert_eq!((&sent["preview_of"], &sent["recipients"]["total"]), (&json!(plan.id), &json!(1)), "{sent}");
    let again = tenant.http.post_with_key(&preview, "k", &asked).await.expect(202);
    assert_eq!((&again.json()["id"], again.header("idempotent-replayed")), (&sent["id"], "true"));
    let small = Plan { id: sent["id"].as_str().unwrap().to_owned(), body: sent };
    assert_eq!(tenant.until(&small, "finished", SOON).await["deliveries"]["sent"], 2);
    assert_eq!(server.read(|received| received.mails), 1);
    assert_eq!(server.read(|received| received.by_recipient["canary-me@example.org"].count), 1);
    let inbox = tenant.http.all("/v1/inbox/canary-me").await;
    assert_eq!(
        (&inbox[0]["title"], &inbox[0]["text"]),
        (&json!("[Preview] Canary bill for June"), &json!("canary <Bert> June"))
    );
    // The plan is the draft it was.
    let after = tenant.plan(&plan).await;
    assert_eq!(after, plan.body);
    for (asked, pointer) in [
        (json!({}), "/to"),
        (json!({"to": {"phone": "+8613800138000", "variables": {"month": "x"}}}), "/to"),
        (json!({"to": "canary@example.org"}), "/to"),
        (json!({"to": me, "as": plan.id}), "/as"),
        (json!({"to": me, "as": 7}), "/as"),
    ] {
        let refused = tenant.http.post(&preview, &asked).await.expect(422);
        assert_eq!(refused.pointers(), [pointer], "{asked}: {}", refused.text);
    }
    system.finish().await;
}
