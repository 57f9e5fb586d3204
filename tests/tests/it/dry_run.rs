//! A dry run tells whom a plan would reach, by which account, at what price and until when, and changes nothing.

use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::start_mail;

/// Two by mail (one of them has left the mailing, one repeats the other), one by inbox alone, one by nothing.
fn body() -> Value {
    json!({
        "title": "Canary", "content": {"text": "canary"}, "draft": true, "reference": "canary-name",
        "channels": ["email", "inbox"], "mode": "first",
        "recipients": [
            {"key": "canary-a", "email": "canary-a@example.org"},
            {"key": "canary-b", "email": "canary-a@example.org"},
            {"email": "canary-left@example.org"},
            {"key": "canary-c"},
            {"phone": "+8613800138000"},
            {"key": "canary-d", "email": "canary-d@example.org"},
        ],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_will_be_and_changes_nothing() {
    let (system, tenant, server) = start_mail(Options::default()).await;
    tenant.inbox().await;
    let mail = tenant.http.get("/v1/accounts").await.expect(200).json()["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let limits = json!({"price": "0.045", "limits": {"per_second": 1, "concurrency": 2}});
    assert_eq!(tenant.http.patch(&format!("/v1/accounts/{mail}"), &limits).await.status, 200);
    let left = "INSERT INTO unsubscribed (tenant_id, address, plan_id, no) SELECT id, 'canary-left@example.org', 1, 1 FROM tenant";
    system.database.run(left).await;
    let told = tenant.http.post("/v1/plans?dry_run=true", &body()).await.expect(200).json();
    assert_eq!(system.database.number("SELECT count(*) FROM plan").await, 0, "nothing is left of it");
    assert_eq!(told["recipients"], json!({"total": 6, "duplicates": 0, "unreachable": 2}), "{told}");
    let [email, inbox] = told["channels"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((&email["first"], &email["reachable"]), (&json!(2), &json!(2)), "{told}");
    assert_eq!(email["suppressed"], json!({"duplicate": 1, "no_address": 2, "unsubscribed": 1}), "{told}");
    assert_eq!((&inbox["first"], &inbox["reachable"]), (&json!(2), &json!(4)), "{told}");
    assert_eq!(
        email["accounts"],
        json!([{"id": mail, "name": "mail", "share": 1.0, "usable": true}]),
        "{told}"
    );
    assert_eq!(
        (&email["price"]["first"], &told["price"]["at_most"]),
        (&json!("0.09"), &json!("0.09")),
        "{told}"
    );
    let time = |name: &str| told[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    let takes = time("ends_at").duration_since(time("starts_at")).as_secs_f64();
    assert!((2.0..2.5).contains(&takes), "two at one a second: {takes}");
    // The draft itself says the same, and does what was said.
    let made = tenant.http.post("/v1/plans", &body()).await.expect(201).json();
    let plan = Plan { id: made["id"].as_str().unwrap().to_owned(), body: made };
    let dry_run = format!("{}/dry-run", plan.path());
    let again = tenant.http.call(Method::POST, &dry_run, &[], None).await.expect(200).json();
    assert_eq!((&again["channels"], &again["recipients"]), (&told["channels"], &told["recipients"]));
    let taken = tenant.http.post("/v1/plans?dry_run=true", &body()).await.expect(409);
    assert_eq!(taken.header("location"), plan.path());
    let send = tenant.http.call(Method::POST, &format!("{}/send", plan.path()), &[], None).await;
    assert_eq!(send.status, 202, "{}", send.text);
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(
        (&finished["deliveries"]["sent"], &finished["recipients"]["unreachable"]),
        (&json!(4), &json!(2)),
        "{finished}"
    );
    assert_eq!(server.read(|received| received.mails), 2);
    let late = tenant.http.call(Method::POST, &dry_run, &[], None).await.expect(409).json();
    assert_eq!(late["type"], "urn:herald:problem:plan-state");
    assert_eq!(tenant.http.post("/v1/plans?dry_run=maybe", &body()).await.status, 422);
    system.finish().await;
}
