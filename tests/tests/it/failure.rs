//! Providers that refuse, defer, stall and vanish.

use std::time::Duration;

use herald_loadtest::standins::smtp::{self, Action, Behaviour, Credentials, Stage};
use herald_loadtest::standins::webhook;
use herald_tests::{Options, SOON, wait_until};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{assert_correct, duplicates, mail, start, start_mail};

const TO: &str = "canary-1@example.org";

fn outcomes(delivery: &Value) -> Vec<&str> {
    delivery["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["outcome"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_fails_at_once_with_the_reason() {
    let (system, tenant, server) = start_mail(Options::default()).await;
    server.script_for(TO, Behaviour::refuse("550 5.1.1 no such user canary-1@example.org"));
    let plan = tenant.send(&mail([TO, "canary-2@example.org"])).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!((&finished["deliveries"]["failed"], &finished["deliveries"]["sent"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&finished["recipients"]["unreachable"], &finished["recipients"]["reached"]),
        (&json!(1), &json!(1))
    );
    let failed = tenant.http.all(&format!("{}/deliveries?status=failed", plan.path())).await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["reason"], "invalid_address");
    let delivery =
        tenant.http.get(&format!("/v1/deliveries/{}", failed[0]["id"].as_str().unwrap())).await.json();
    assert_eq!(outcomes(&delivery), ["permanent"]);
    assert_eq!(delivery["attempts"][0]["code"], "550 5.1.1");
    let detail = delivery["attempts"][0]["detail"].as_str().unwrap();
    assert!(
        detail.contains("no such user") && !detail.contains('@'),
        "the provider's words without the address: {detail}"
    );
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_mail_is_tried_again_under_the_same_message_id() {
    let (system, tenant, server) = start_mail(Options::default()).await;
    server.script_for(TO, Behaviour::defer(2, "451 4.3.0 try later"));
    let plan = tenant.send(&mail([TO])).await;
    tenant.until(&plan, "finished", SOON).await;
    let delivery = tenant.delivery(&plan).await;
    assert_eq!(delivery["status"], "sent");
    assert_eq!(outcomes(&delivery), ["transient", "transient", "sent"]);
    let numbers: Vec<i64> =
        delivery["attempts"].as_array().unwrap().iter().map(|a| a["number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    server.read(|received| assert_eq!((received.mails, received.by_message_id.len()), (1, 1)));
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_capped() {
    let (system, tenant, server) = start_mail(Options::default().env("HERALD_MAX_ATTEMPTS", "3")).await;
    server.script(Behaviour::unavailable());
    let plan = tenant.send(&mail([TO])).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["failed"], 1);
    let delivery = tenant.delivery(&plan).await;
    assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("failed"), &json!("exhausted")));
    assert_eq!(outcomes(&delivery), ["transient", "transient", "transient"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_sent_before_expires_at_expires() {
    let options = Options::default().env("HERALD_MAX_ATTEMPTS", "100").env("HERALD_BACKOFF_BASE_MS", "500");
    let (system, tenant, server) = start_mail(options).await;
    server.script_for(TO, Behaviour::refuse("451 4.3.0 try later"));
    let mut body = mail([TO, "canary-2@example.org"]);
    body["expires_at"] = (Timestamp::now() + SignedDuration::from_secs(3)).to_string().into();
    let plan = tenant.send(&body).await;
    let expired = tenant.until(&plan, "expired", SOON).await;
    assert_eq!(expired["recipients"]["total"], 2);
    wait_until("the delivery is expired", SOON, async || {
        tenant.plan(&plan).await["deliveries"]["expired"] == 1
    })
    .await;
    let plan_now = tenant.plan(&plan).await;
    assert_eq!(plan_now["deliveries"]["sent"], 1, "{plan_now}");
    assert_eq!(plan_now["recipients"]["cancelled"], 1, "{plan_now}");
    let late = tenant.http.all(&format!("{}/deliveries?status=expired", plan.path())).await;
    assert_eq!(late[0]["reason"], "expired");
    system.finish().await;
}

/// A plan whose mail is taken by the server, which then vanishes without a word.
async fn dropped_after_the_dot(on_unknown: &str) -> (Value, Value, u64, u64) {
    let (system, tenant, server) = start_mail(Options::default()).await;
    server.script_for(TO, Behaviour::drop_after_dot(true).times(1));
    let mut body = mail([TO]);
    body["on_unknown"] = on_unknown.into();
    let plan = tenant.send(&body).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    let delivery = tenant.delivery(&plan).await;
    let (mails, twice) = (server.read(|received| received.mails), duplicates(&server));
    system.finish().await;
    (finished, delivery, mails, twice)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_sent_again_under_resend() {
    let (finished, delivery, mails, twice) = dropped_after_the_dot("resend").await;
    assert_eq!(finished["deliveries"]["sent"], 1, "{finished}");
    assert_eq!(outcomes(&delivery), ["unknown", "sent"]);
    assert_eq!((mails, twice), (2, 1), "the provider had it, and could tell by the Message-ID");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_left_alone_under_hold() {
    let (finished, delivery, mails, twice) = dropped_after_the_dot("hold").await;
    assert_eq!(finished["deliveries"]["unknown"], 1, "{finished}");
    assert_eq!(finished["recipients"]["unknown"], 1, "{finished}");
    assert_eq!(outcomes(&delivery), ["unknown"]);
    assert_eq!((mails, twice), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_reply_is_waited_for_and_is_not_an_attempt() {
    let key = webhook::Key::random();
    let server = webhook::start(webhook::Options { keys: vec![key.clone()], ..webhook::Options::default() })
        .await
        .unwrap();
    // More throttle replies than a delivery has attempts.
    server.script(webhook::Behaviour::throttle(429, 1).times(2));
    let (system, tenant) = start(Options::default().env("HERALD_MAX_ATTEMPTS", "1")).await;
    tenant.webhook(key.text()).await;
    let mut body = mail([json!({"key": "canary-1", "url": server.url("/canary")})]);
    body["channels"] = json!(["webhook"]);
    let plan = tenant.send(&body).await;
    tenant.until(&plan, "finished", SOON).await;
    let delivery = tenant.delivery(&plan).await;
    assert_eq!(delivery["status"], "sent");
    assert_eq!(outcomes(&delivery), ["sent"]);
    server.read(|received| {
        assert_eq!(received.answers.get(&429), Some(&2));
        let times = received.by_id.values().next().unwrap();
        let least = Duration::from_secs(2);
        assert!(
            times.last_at - times.first_at >= least,
            "Retry-After was not kept: {:?}",
            times.last_at - times.first_at
        );
    });
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_stop_the_account_and_correcting_them_finishes_the_plan() {
    let login = |password: &str| Credentials { username: "canary-user".into(), password: password.into() };
    let good = smtp::start(smtp::Options { auth: Some(login("canary-good")), ..smtp::Options::default() })
        .await
        .unwrap();
    let (mut system, tenant) = start(Options::default()).await;
    system.expect_error("an account is out of use");
    let settings =
        json!({"host": "127.0.0.1", "port": good.addr().port(), "tls": "none", "from": "canary@example.org"});
    let secret = |password: &str| json!({"username": "canary-user", "password": password});
    let body = json!({"name": "mail", "channel": "email", "provider": "smtp", "settings": settings, "secret": secret("canary-bad")});
    let refused = tenant.http.post("/v1/accounts", &body).await.expect(422);
    assert_eq!(refused.pointers(), ["/secret/password"]);
    assert!(refused.text.contains("535") && !refused.text.contains("canary-bad"), "{}", refused.text);
    let account = tenant.account(json!({"name": "mail", "channel": "email", "provider": "smtp", "settings": settings, "secret": secret("canary-good")})).await;
    // The provider changes its mind after the account was verified.
    good.script(Behaviour::new(Stage::Auth, Action::Reply("535 5.7.8 authentication failed".to_owned())));
    let plan = tenant.send(&mail([TO])).await;
    let path = format!("/v1/accounts/{account}");
    wait_until("the account is down", SOON, async || tenant.http.get(&path).await.json()["state"] == "down")
        .await;
    let down = tenant.http.get(&path).await.json();
    assert!(down["reason"].as_str().unwrap().contains("535"), "{down}");
    assert_eq!(tenant.plan(&plan).await["status"], "running");
    assert_eq!(tenant.http.patch(&path, &json!({"secret": secret("canary-worse")})).await.status, 422);
    good.clear_scripts();
    let corrected =
        tenant.http.patch(&path, &json!({"secret": secret("canary-good")})).await.expect(200).json();
    assert_eq!(corrected["state"], "ok", "{corrected}");
    tenant.until(&plan, "finished", SOON).await;
    assert_eq!(outcomes(&tenant.delivery(&plan).await), ["sent"], "refused credentials are no attempt");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhooks_answer_decides_and_its_id_stays_the_same() {
    let key = webhook::Key::random();
    let server = webhook::start(webhook::Options { keys: vec![key.clone()], ..webhook::Options::default() })
        .await
        .unwrap();
    let (system, tenant) = start(Options::default()).await;
    tenant.webhook(key.text()).await;
    server.script_for("/canary-gone", webhook::Behaviour::status(410));
    server.script_for("/canary-flaky", webhook::Behaviour::status(500).times(2));
    server.script_for("/canary-moved", webhook::Behaviour::status(302));
    server.script_for(
        "/canary-silent",
        webhook::Behaviour::new(webhook::Action::DropAfterBody { accepted: true }).times(1),
    );
    server.script_for("/canary-early", webhook::Behaviour::new(webhook::Action::DropBeforeBody).times(1));
    let paths =
        ["/canary-good", "/canary-gone", "/canary-flaky", "/canary-moved", "/canary-silent", "/canary-early"];
    let mut body = mail(paths.map(|path| json!({"key": path, "url": server.url(path)})).to_vec());
    body["channels"] = json!(["webhook"]);
    let plan = tenant.send(&body).await;
    tenant.until(&plan, "finished", SOON).await;
    let found: Vec<Value> = tenant.deliveries(&plan).await;
    let ends: Vec<(&str, &str)> =
        found.iter().map(|d| (d["status"].as_str().unwrap(), d["reason"].as_str().unwrap_or(""))).collect();
    let (sent, refused) = (("sent", ""), ("failed", "rejected"));
    assert_eq!(ends, [sent, refused, sent, refused, sent, sent]);
    let attempts: Vec<i64> = found.iter().map(|d| d["attempts"].as_i64().unwrap()).collect();
    assert_eq!(attempts, [1, 1, 3, 1, 2, 2]);
    server.read(|received| {
        assert_eq!(received.violations, Vec::<String>::new());
        for (delivery, seen) in found.iter().zip([1, 1, 3, 1, 2, 1]) {
            let id = delivery["id"].as_str().unwrap();
            assert_eq!(received.by_id[id].count, seen, "requests with the webhook-id {id}");
        }
    });
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_trace_reaches_the_workers_log() {
    let (system, tenant, server) = start_mail(Options::default()).await;
    server.script(Behaviour::refuse("550 5.1.1 no such user"));
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let body = mail([TO]).to_string().into_bytes();
    let accepted =
        tenant.http.call(reqwest::Method::POST, "/v1/plans", &[("traceparent", trace)], Some(body)).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let trace_id = &trace[3..35];
    wait_until("the worker names the trace", SOON, async || system.workers[0].output().contains(trace_id))
        .await;
    assert!(system.api.output().contains(trace_id));
    wait_until("it is over", SOON, async || {
        system.database.number("SELECT count(*) FROM plan WHERE status = 6").await == 1
    })
    .await;
    system.finish().await;
}
