//! API keys and the master key.

use herald_loadtest::standins::smtp;
use herald_tests::{Options, SOON, wait_until};
use serde_json::{Value, json};

use crate::support::{mail, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    let (system, tenant) = start(Options::default()).await;
    let made = tenant
        .http
        .post("/v1/keys", &json!({"name": "canary key", "scopes": ["plans:read"]}))
        .await
        .expect(201)
        .json();
    let key = made["key"].as_str().unwrap();
    let user = tenant.http.with_key(key);
    assert_eq!(user.get("/v1/plans").await.status, 200);
    let listed = tenant.http.all("/v1/keys").await;
    assert_eq!(listed.len(), 2, "the first key of the tenant, and this one");
    assert!(!serde_json::to_string(&listed).unwrap().contains(key));
    let stored = system.database.rows("SELECT k::text FROM api_key k", &[]).await;
    assert!(
        stored.iter().all(|row| !row.get::<_, String>(0).contains(key)),
        "the database does not hold the key"
    );
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(tenant.http.delete(&path).await.status, 204);
    assert_eq!(user.get("/v1/plans").await.status, 401, "at once, in the process that revoked it");
    let listed = tenant.http.all("/v1/keys").await;
    assert!(listed.iter().any(|key| key["id"] == made["id"] && key["revoked_at"].is_string()), "{listed:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_over_its_rate_is_told_to_wait() {
    let (system, tenant) = start(Options::default()).await;
    let body = json!({"name": "canary slow", "scopes": ["plans:read"], "rate_per_second": 3});
    let made = tenant.http.post("/v1/keys", &body).await.expect(201).json();
    let slow = tenant.http.with_key(made["key"].as_str().unwrap());
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(slow.get("/v1/plans").await);
    }
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty() && refused.len() < 12, "{} of 12 refused", refused.len());
    for answer in refused {
        assert_eq!(
            (answer.header("retry-after"), answer.header("content-type")),
            ("1", "application/problem+json")
        );
    }
    assert_eq!(tenant.http.get("/v1/plans").await.status, 200, "others are not affected");
    wait_until("the slow key may go on", SOON, async || slow.get("/v1/plans").await.status == 200).await;
    system.finish().await;
}

const NEW_KEY: &str = "t2:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_can_be_changed_while_everything_goes_on_working() {
    let login = || smtp::Credentials { username: "canary-user".into(), password: "canary-password".into() };
    let server =
        smtp::start(smtp::Options { auth: Some(login()), ..smtp::Options::default() }).await.unwrap();
    let (mut system, mut tenant) = start(Options::default()).await;
    let settings = json!({"host": "127.0.0.1", "port": server.addr().port(), "tls": "none", "from": "canary@example.org"});
    let secret = json!({"username": "canary-user", "password": "canary-password"});
    let body = json!({"name": "mail", "channel": "email", "provider": "smtp", "settings": settings, "secret": secret});
    let account = tenant.account(body).await;
    let sealed = "SELECT string_agg(encode(secret, 'escape'), '') FROM account";
    let before: String = system.database.rows(sealed, &[]).await[0].get(0);
    assert!(!before.contains("canary"), "the secret is stored sealed");
    let both = format!("{NEW_KEY},{}", herald_tests::system::MASTER_KEY);
    for ring in [both.as_str(), NEW_KEY] {
        if ring == NEW_KEY {
            let printed: Value = serde_json::from_str(&system.command(&["rekey"]).unwrap()).unwrap();
            // Settings: the idempotency key and the key of the links.
            assert_eq!((&printed["accounts"], &printed["settings"]), (&json!(1), &json!(2)), "{printed}");
            let again: Value = serde_json::from_str(&system.command(&["rekey"]).unwrap()).unwrap();
            assert_eq!((&again["accounts"], &again["settings"]), (&json!(0), &json!(0)), "{again}");
        }
        system.set_env("HERALD_MASTER_KEY", ring);
        system.restart().await;
        tenant.http = tenant.http.at(&system.client(None).await);
        let verify = format!("/v1/accounts/{account}/verify");
        let verified = tenant.http.call(reqwest::Method::POST, &verify, &[], None).await;
        assert_eq!(verified.status, 200, "{}", verified.text);
        let plan = tenant.send(&mail(["canary-1@example.org"])).await;
        tenant.until(&plan, "finished", SOON).await;
    }
    server.read(|received| {
        assert!(received.mails == 2 && received.first.iter().all(|mail| mail.authenticated))
    });
    system.set_env("HERALD_MASTER_KEY", herald_tests::system::MASTER_KEY);
    let refused = system.command(&["rekey"]).unwrap_err().to_string();
    assert!(refused.contains("t2"), "it says which key is missing: {refused}");
    system.finish().await;
}
