//! Plans in their variety: later, to many, over several channels, the same one twice.

use herald_loadtest::standins::{smtp, webhook};
use herald_tests::{Options, SOON, wait_until};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{assert_correct, mail, start, start_mail};

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_plan_waits_for_its_time() {
    let (system, tenant, server) = start_mail(Options::default()).await;
    let send_at = Timestamp::now() + SignedDuration::from_millis(2500);
    let mut body = mail(["canary-1@example.org"]);
    body["send_at"] = send_at.to_string().into();
    let plan = tenant.send(&body).await;
    assert_eq!(plan.body["status"], "scheduled");
    let before = tenant.plan(&plan).await;
    assert_eq!((&before["status"], &before["started_at"]), (&json!("scheduled"), &Value::Null));
    assert_eq!(before["recipients"]["pending"], 1);
    assert_eq!(server.read(|received| received.mails), 0);
    let finished = tenant.until(&plan, "finished", SOON).await;
    let started: Timestamp = finished["started_at"].as_str().unwrap().parse().unwrap();
    let late = started.duration_since(send_at);
    assert!((0.0..5.0).contains(&late.as_secs_f64()), "started {late:#} after send_at");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_channel_gets_a_delivery_and_those_without_address_or_repeated_are_suppressed() {
    let key = webhook::Key::random();
    let hooks = webhook::start(webhook::Options { keys: vec![key.clone()], ..webhook::Options::default() })
        .await
        .unwrap();
    let (system, tenant, server) = start_mail(Options::default()).await;
    tenant.webhook(key.text()).await;
    let mut body = mail(json!([
        {"key": "canary-a", "name": "A", "email": "canary-a@example.org", "url": hooks.url("/canary-a")},
        {"key": "canary-b", "name": "A", "email": "canary-a@example.org"},
        {"key": "canary-c", "name": "C", "email": "canary-a@example.org"},
        {"key": "canary-d", "name": "D", "phone": "+8613800138000"},
        {"key": "canary-a", "name": "A", "email": "canary-a@example.org"},
    ]));
    body["channels"] = json!(["email", "webhook"]);
    let plan = tenant.send(&body).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    let recipients = &finished["recipients"];
    assert_eq!((&recipients["total"], &recipients["duplicates"]), (&json!(4), &json!(1)), "{finished}");
    // A got both, C the mail; B has what A has, at A's address; D has no address here.
    assert_eq!((&recipients["reached"], &recipients["unreachable"]), (&json!(2), &json!(2)), "{finished}");
    let counts = &finished["deliveries"];
    assert_eq!(
        (&counts["total"], &counts["sent"], &counts["suppressed"]),
        (&json!(8), &json!(3), &json!(5)),
        "{finished}"
    );
    let mut reasons: Vec<String> = Vec::new();
    for delivery in tenant.http.all(&format!("{}/deliveries?status=suppressed", plan.path())).await {
        reasons.push(format!(
            "{} {}",
            delivery["channel"].as_str().unwrap(),
            delivery["reason"].as_str().unwrap()
        ));
    }
    reasons.sort();
    let none = "webhook no_address";
    assert_eq!(reasons, ["email duplicate", "email no_address", none, none, none]);
    assert_eq!(server.read(|received| received.by_recipient["canary-a@example.org"].count), 2);
    assert_eq!(hooks.read(|received| received.accepted), 1);
    let people = tenant.http.all(&format!("{}/recipients", plan.path())).await;
    assert_eq!(people.len(), 4);
    assert!(
        !serde_json::to_string(&people).unwrap().contains("canary-a@example.org"),
        "addresses are masked"
    );
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_inline_recipients_are_expanded_and_all_arrive() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let people: Vec<Value> =
        (0..10_000).map(|no| json!({"key": format!("canary-{no}"), "variables": {"no": no}})).collect();
    let body = json!({"title": "Canary", "content": {"text": "canary {{ no }}"}, "channels": ["inbox"], "recipients": people});
    let plan = tenant.send(&body).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 10_000, "{finished}");
    assert_eq!(tenant.http.all("/v1/inbox/canary-9999").await[0]["text"], "canary 9999");
    assert_eq!(tenant.deliveries(&plan).await.len(), 10_000);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_duplicates_with_one_idempotency_key_make_exactly_one_plan() {
    let (system, tenant, server) = start_mail(Options::default()).await;
    let body = mail(["canary-1@example.org"]);
    let posts = (0..16).map(|_| {
        let (http, body) = (tenant.http.clone(), body.clone());
        tokio::spawn(async move { http.post_with_key("/v1/plans", "k-1", &body).await })
    });
    let mut answers = Vec::new();
    for post in posts.collect::<Vec<_>>() {
        answers.push(post.await.unwrap().expect(202));
    }
    let first: Vec<_> =
        answers.iter().filter(|answer| answer.header("idempotent-replayed") != "true").collect();
    assert_eq!(first.len(), 1, "one is the first, the others are marked as replays");
    for answer in &answers {
        assert_eq!((&answer.text, answer.header("location")), (&first[0].text, first[0].header("location")));
    }
    assert_eq!(system.database.number("SELECT count(*) FROM plan").await, 1);
    // The same JSON written otherwise is the same body; another body is not.
    let spaced = serde_json::to_string_pretty(&body).unwrap().into_bytes();
    let again = tenant
        .http
        .call(reqwest::Method::POST, "/v1/plans", &[("idempotency-key", "k-1")], Some(spaced))
        .await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (202, "true"), "{}", again.text);
    let other =
        tenant.http.post_with_key("/v1/plans", "k-1", &mail(["canary-2@example.org"])).await.expect(422);
    assert_eq!(other.json()["type"], "urn:herald:problem:key-reused");
    // A refused body does not use the key up.
    let refused = tenant.http.post_with_key("/v1/plans", "k-2", &json!({"title": "Canary"})).await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        tenant.http.post_with_key("/v1/plans", "k-2", &body).await.expect(202).header("idempotent-replayed"),
        ""
    );
    wait_until("both mails are there", SOON, async || server.read(|received| received.mails == 2)).await;
    wait_until("both are recorded", SOON, async || {
        system.database.number("SELECT count(*) FROM plan WHERE status = 6").await == 2
    })
    .await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_names_one_plan_for_good() {
    let (system, tenant, _server) = start_mail(Options::default()).await;
    let mut body = mail(["canary-1@example.org"]);
    body["reference"] = "canary-ticket".into();
    let plan = tenant.send(&body).await;
    let taken = tenant.http.post("/v1/plans", &body).await.expect(409);
    assert_eq!(taken.header("location"), plan.path());
    let found = tenant.http.all("/v1/plans?reference=canary-ticket").await;
    assert_eq!((found.len(), &found[0]["id"]), (1, &json!(plan.id)));
    tenant.until(&plan, "finished", SOON).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_starttls_with_credentials() {
    let identity = herald_loadtest::standins::identity::Identity::localhost();
    let auth = Some(smtp::Credentials { username: "canary-user".into(), password: "canary-password".into() });
    let server =
        smtp::start(smtp::Options { tls: smtp::Tls::StartTls(identity), auth, ..smtp::Options::default() })
            .await
            .unwrap();
    let (system, tenant) = start(Options::default()).await;
    let ca = herald_loadtest::standins::identity::LOCALHOST_CA_PEM;
    let settings = json!({"host": "localhost", "port": server.addr().port(), "tls": "starttls", "from": "canary@example.org", "ca_pem": ca});
    let secret = json!({"username": "canary-user", "password": "canary-password"});
    tenant.account(json!({"name": "mail", "channel": "email", "provider": "smtp", "settings": settings, "secret": secret})).await;
    let plan = tenant.send(&mail(["canary-1@example.org"])).await;
    tenant.until(&plan, "finished", SOON).await;
    server.read(|received| assert!(received.first[0].tls && received.first[0].authenticated));
    assert_correct(&server);
    system.finish().await;
}
