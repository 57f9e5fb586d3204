//! Targets that must not be called: by a name that leads there, at send; in an account, at POST.

use herald_loadtest::standins::{smtp, webhook};
use herald_tests::{Options, SOON};
use serde_json::json;

use crate::support::{mail, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_resolves_to_a_private_address_is_refused_at_send() {
    let server = webhook::start(webhook::Options::default()).await.unwrap();
    // A network that is allowed, but not the one `localhost` is in.
    let (system, tenant) = start(Options::default().env("HERALD_ALLOW_NETS", "10.99.0.0/16")).await;
    tenant.webhook(webhook::Key::random().text()).await;
    let port = server.addr().port();
    let mut body = mail(
        [format!("https://localhost:{port}/canary"), format!("http://localhost:{port}/canary")]
            .map(|url| json!({"url": url}))
            .to_vec(),
    );
    body["channels"] = json!(["webhook"]);
    let plan = tenant.send(&body).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["failed"], 2, "{finished}");
    for delivery in tenant.deliveries(&plan).await {
        assert_eq!(
            (&delivery["reason"], &delivery["attempts"]),
            (&json!("target_refused"), &json!(1)),
            "{delivery}"
        );
    }
    assert_eq!(server.read(|received| received.connections.total), 0, "nobody was called");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_at_a_private_address_is_refused_before_anything_is_dialled() {
    let server = smtp::start(smtp::Options::default()).await.unwrap();
    let (system, tenant) = start(Options::default().env("HERALD_ALLOW_NETS", "10.99.0.0/16")).await;
    for host in ["169.254.169.254", "127.0.0.1", "[::1]", "0x7f000001", "localhost"] {
        let settings =
            json!({"host": host, "port": server.addr().port(), "tls": "none", "from": "canary@example.org"});
        let body = json!({"name": "mail", "channel": "email", "provider": "smtp", "settings": settings});
        let answer = tenant.http.post("/v1/accounts", &body).await.expect(422);
        assert_eq!(answer.pointers(), ["/settings/host"], "{host}: {}", answer.text);
    }
    assert_eq!(server.read(|received| received.connections.total), 0, "nobody was called");
    assert_eq!(system.database.number("SELECT count(*) FROM account").await, 0);
    system.finish().await;
}
