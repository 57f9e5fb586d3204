//! The webhook driver against a plain HTTP server: what arrives, what each answer means, and whom it refuses to call.

mod support;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use herald_channels::{Driver, NetPolicy};
use herald_shared::domain::ids::recipient_uuid;
use herald_shared::domain::{Channel, Class, Reason, Verdict};
use ring::hmac;
use serde_json::{Value, json};
use support::http_server::{Act, Server};
use support::{CA, Open, Shut, assert_sent, call, failed};

const KEYS: [&str; 2] = ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];

fn driver() -> Arc<dyn Driver> {
    driver_that_waits(30_000)
}

fn driver_that_waits(timeout_ms: u64) -> Arc<dyn Driver> {
    let secret = json!({"signing_key": format!("whsec_{} whsec_{}", KEYS[0], KEYS[1])});
    support::open("webhook", json!({"timeout_ms": timeout_ms, "ca_pem": CA}), secret)
}

async fn send(driver: &Arc<dyn Driver>, url: &str) -> Verdict {
    driver.send(&call(Channel::Webhook, 3, url), &Open::default()).await
}

fn answer(status: u16, headers: &'static str) -> Act {
    Act::Answer(status, headers, String::new())
}

#[tokio::test]
async fn the_receiver_gets_a_signed_complete_message() {
    let server = Server::start(false).await;
    let call = call(Channel::Webhook, 3, &server.url("http", "127.0.0.1"));
    assert_sent(&driver().send(&call, &Open::default()).await);
    let got = server.requests()[0].clone();
    assert_eq!(got.line, "POST /hook?x=1 HTTP/1.1");
    let header = |name: &str| got.headers.get(name).cloned().unwrap_or_default();
    let id = call.delivery(&call.to[0]).to_string();
    assert_eq!((header("webhook-id"), header("content-type")), (id.clone(), "application/json".to_owned()));
    let signed = [format!("{id}.{}.", header("webhook-timestamp")).as_bytes(), &got.body].concat();
    let expected = KEYS.map(|key| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key).unwrap());
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
    });
    assert_eq!(header("webhook-signature"), expected.join(" "));
    let mut body: Value = serde_json::from_slice(&got.body).unwrap();
    let sent_at = body.as_object_mut().unwrap().remove("sent_at").unwrap();
    assert!(sent_at.as_str().unwrap().ends_with('Z'));
    let plan = call.message.plan;
    let whole = json!({"id": id, "plan": plan.uuid(), "number": plan.number(), "title": "停水通知",
        "text": "Hello 李雷, room 301.", "html": null, "link": null, "page": null, "acknowledge": {"url": null, "options": ["Received"]}, "tier": 1, "reminder": null,
        "priority": "urgent", "recipient": {"id": recipient_uuid(plan, 3), "key": "E3", "name": "李雷"},
        "variables": {"room": "301"}, "metadata": {"ticket": "42"}});
    assert_eq!(body, whole);
}

#[tokio::test]
async fn answers_mean_what_their_status_says() {
    let server = Server::start(false).await;
    let driver = driver();
    let url = server.url("http", "127.0.0.1");
    let cases = [
        (answer(204, ""), None),
        (
            answer(302, "location: http://127.0.0.1:1/\r\n"),
            Some((Class::PermanentRecipient, Reason::Rejected, None)),
        ),
        (answer(410, ""), Some((Class::PermanentRecipient, Reason::Rejected, None))),
        (answer(429, "retry-after: 7\r\n"), Some((Class::RateLimited, Reason::Rejected, Some(7)))),
        (answer(503, "retry-after: 7\r\n"), Some((Class::RateLimited, Reason::Rejected, Some(7)))),
        (answer(503, ""), Some((Class::Transient, Reason::Rejected, None))),
        (answer(500, ""), Some((Class::Transient, Reason::Rejected, None))),
        (answer(408, ""), Some((Class::Transient, Reason::Rejected, None))),
        (Act::Answer(200, "", "x".repeat(1_000_000)), None),
        (Act::Close, Some((Class::Unknown, Reason::Timeout, None))),
    ];
    for (n, (act, expected)) in cases.into_iter().enumerate() {
        let what = format!("{act:.60?}");
        server.plan(act);
        let found = match send(&driver, &url).await {
            Verdict::Sent { .. } => None,
            other => {
                let failure = failed(other);
                Some((failure.class, failure.reason, failure.retry_after.as_ref().map(Duration::as_secs)))
            }
        };
        assert_eq!(found, expected, "{what}");
        assert_eq!(server.requests().len(), n + 1, "one request a call, nothing followed or repeated");
    }
}

#[tokio::test]
async fn no_answer_in_time_is_unknown() {
    let server = Server::start(false).await;
    server.plan(Act::Stall);
    let failure = failed(send(&driver_that_waits(1000), &server.url("http", "127.0.0.1")).await);
    assert_eq!((failure.class, failure.reason), (Class::Unknown, Reason::Timeout));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_connection_serves_many_calls() {
    let server = Server::start(false).await;
    let driver = driver();
    for status in [200, 404, 500, 200] {
        server.plan(Act::Answer(status, "", "some words".to_owned()));
        send(&driver, &server.url("http", "127.0.0.1")).await;
    }
    assert_eq!((server.connections(), server.requests().len()), (1, 4));
}

#[tokio::test]
async fn nothing_is_sent_when_the_gate_is_shut() {
    let server = Server::start(false).await;
    let call = call(Channel::Webhook, 1, &server.url("http", "127.0.0.1"));
    assert_eq!(driver().send(&call, &Shut).await, Verdict::NotStarted);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn https_is_verified_against_the_name() {
    let server = Server::start(true).await;
    let driver = driver();
    assert_sent(&send(&driver, &server.url("https", "hooks.test")).await);
    for (scheme, host) in [("https", "other.test"), ("https", "127.0.0.1")] {
        let failure = failed(send(&driver, &server.url(scheme, host)).await);
        assert_eq!((failure.class, failure.code.as_str()), (Class::Transient, "connect"), "{host}");
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn whoever_cannot_be_connected_got_nothing() {
    let gone = Server::start(false).await.url("http", "127.0.0.1");
    for url in [gone.as_str(), "https://unknown.example/", "http://127.0.0.1:1/"] {
        let failure = failed(send(&driver(), url).await);
        assert_eq!((failure.class, failure.code.as_str()), (Class::Transient, "connect"), "{url}");
        assert!(!failure.detail.contains("127.0.0.1:1/"), "no URL in {}", failure.detail);
    }
}

#[tokio::test]
async fn the_inside_of_the_network_is_not_called() {
    let server = Server::start(false).await;
    let (driver, port) = (driver(), server.address.port());
    let mut refused = vec![
        "https://10.0.0.1/".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://2852039166/".to_owned(),
        "https://[::ffff:a9fe:a9fe]/".to_owned(),
        "https://metadata.test/".to_owned(),
        "https://inside.test/".to_owned(),
        "http://inside.test/".to_owned(),
        "http://public.test/".to_owned(),
        "http://1.1.1.1/".to_owned(),
        "ftp://public.test/".to_owned(),
    ];
    for url in refused.drain(..) {
        let failure = failed(send(&driver, &url).await);
        assert_eq!(
            (failure.class, failure.reason),
            (Class::PermanentRecipient, Reason::TargetRefused),
            "{url}"
        );
    }
    let secret = json!({"signing_key": format!("whsec_{}", KEYS[0])});
    let strict =
        support::open_with("webhook", support::account(json!({}), secret), NetPolicy::new(Vec::new()));
    for host in ["127.0.0.1", "localhost", "127.1", "[::1]"] {
        for scheme in ["http", "https"] {
            let failure = failed(send(&strict, &format!("{scheme}://{host}:{port}/")).await);
            assert_eq!(failure.reason, Reason::TargetRefused, "{scheme} {host}");
        }
    }
    assert_eq!(server.connections(), 0);
    assert_sent(&send(&driver, &server.url("http", "hooks.test")).await);
}

#[tokio::test]
async fn what_is_no_url_is_an_invalid_address() {
    for url in ["", "hello", "https://", "https://exa mple.org/"] {
        let failure = failed(send(&driver(), url).await);
        assert_eq!(
            (failure.class, failure.reason),
            (Class::PermanentRecipient, Reason::InvalidAddress),
            "{url}"
        );
    }
}
