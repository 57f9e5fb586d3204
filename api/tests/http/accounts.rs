//! Accounts.

use herald_api::commands;
use herald_shared::secrets::KeyRing;
use reqwest::Method;
use serde_json::{Value, json};

use crate::plans::plan;
use crate::server::{Server, json_body, send};

fn hook(changes: Value) -> Value {
    let mut body = json!({
        "name": "hook", "channel": "webhook", "provider": "webhook", "settings": { "timeout_ms": 5000 },
        "secret": { "signing_key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" },
        "limits": { "per_second": 50, "concurrency": 4 }, "order": 2, "price": "0.045",
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn an_account_is_made_changed_and_deleted() {
    let server = Server::start().await;
    let made = server.post("/v1/accounts", &hook(json!({}))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let account = made.json();
    assert_eq!(
        (&account["state"], &account["reason"], &account["has_secret"]),
        (&json!("ok"), &Value::Null, &json!(true))
    );
    assert_eq!(account["limits"], json!({ "per_second": 50, "concurrency": 4 }));
    assert_eq!(account["capabilities"]["batch"], 1);
    let path = made.header("location").to_owned();
    let patch = json!({ "name": "hooks", "settings": { "timeout_ms": 9000 }, "limits": { "per_second": null, "per_day": 7 }, "order": 1 });
    let changed = send(json_body(server.request(Method::PATCH, &path), &patch)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let seen = server.get(&path).await.json();
    assert_eq!(seen, changed.json());
    assert_eq!(
        (&seen["name"], &seen["settings"]["timeout_ms"], &seen["order"]),
        (&json!("hooks"), &json!(9000), &json!(1))
    );
    assert_eq!(seen["limits"], json!({ "per_day": 7, "concurrency": 4 }));
    assert_eq!(server.get("/v1/accounts").await.json()["items"], json!([seen]));
    assert_eq!(send(server.request(Method::POST, &format!("{path}/verify"))).await.status, 200);
    assert_eq!(send(server.request(Method::DELETE, &path)).await.status, 204);
    assert_eq!(server.get(&path).await.status, 404);
    assert_eq!(
        server.post("/v1/accounts", &hook(json!({ "name": "hooks" }))).await.status,
        201,
        "the name is free again"
    );
}

#[tokio::test]
async fn secrets_go_in_and_never_come_out() {
    let server = Server::start().await;
    let made = server.post("/v1/accounts", &hook(json!({}))).await;
    let path = made.header("location").to_owned();
    let texts = [made.text, server.get(&path).await.text, server.get("/v1/accounts").await.text];
    assert!(texts.iter().all(|text| !text.contains("whsec_")));
    let client = server.pool.get().await.unwrap();
    let row = client.query_one("SELECT secret, account::text FROM account", &[]).await.unwrap();
    assert!(!row.get::<_, String>(1).contains("whsec_"));
    assert!(!row.get::<_, Vec<u8>>(0).is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_an_account_is_pointed_at() {
    let server = Server::start().await;
    let smtp = |settings: Value| json!({ "name": "m", "channel": "email", "provider": "smtp", "settings": settings });
    for (body, pointer) in [
        (hook(json!({ "provider": "carrier" })), "/provider"),
        (hook(json!({ "channel": "email" })), "/provider"),
        (hook(json!({ "settings": { "timeout": 1 } })), "/settings/timeout"),
        (hook(json!({ "secret": {} })), "/secret/signing_key"),
        (hook(json!({ "limits": { "per_second": 0 } })), "/limits/per_second"),
        (hook(json!({ "limits": { "per_hour": 1 } })), "/limits/per_hour"),
        (hook(json!({ "price": "1e3" })), "/price"),
        (hook(json!({ "order": 0 })), "/order"),
        (hook(json!({ "name": "a\r\nb" })), "/name"),
        (
            smtp(json!({ "host": "127.0.0.1", "port": 25, "tls": "none", "from": "a@example.org" })),
            "/settings/host",
        ),
        (
            smtp(json!({ "host": "169.254.169.254", "port": 25, "tls": "none", "from": "a@example.org" })),
            "/settings/host",
        ),
    ] {
        let answer = server.post("/v1/accounts", &body).await;
        assert_eq!(answer.status, 422, "{body} {}", answer.text);
        let errors = answer.json()["errors"].clone();
        assert!(
            errors.as_array().unwrap().iter().any(|error| error["pointer"] == pointer),
            "{body}: {errors}"
        );
    }
    assert_eq!(server.get("/v1/accounts").await.json()["items"], json!([]));
}

#[tokio::test]
async fn names_are_unique_and_making_can_be_repeated() {
    let server = Server::start().await;
    let again = || {
        let request = server.request(Method::POST, "/v1/accounts").header("idempotency-key", "a");
        send(json_body(request, &hook(json!({}))))
    };
    let answers = futures_util::future::join_all((0..6).map(|_| again())).await;
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.text), (201, &answers[0].text));
    }
    let taken = server.post("/v1/accounts", &hook(json!({}))).await;
    assert_eq!((taken.status.as_u16(), taken.problem().as_str()), (409, "name-taken"));
    let other = server.post("/v1/accounts", &hook(json!({ "name": "other" }))).await;
    let rename =
        json_body(server.request(Method::PATCH, other.header("location")), &json!({ "name": "hook" }));
    assert_eq!(send(rename).await.problem(), "name-taken");
}

#[tokio::test]
async fn a_disabled_account_is_stored_unverified_and_not_used() {
    let server = Server::start().await;
    let body = json!({ "name": "in", "channel": "inbox", "provider": "inbox", "enabled": false });
    let made = server.post("/v1/accounts", &body).await;
    assert_eq!(made.status, 201);
    assert_eq!((&made.json()["state"], &made.json()["reason"]), (&json!("down"), &json!("not verified yet")));
    assert_eq!(server.post("/v1/plans", &plan(json!({}))).await.status, 422);
    let on = json_body(server.request(Method::PATCH, made.header("location")), &json!({ "enabled": true }));
    assert_eq!(send(on).await.json()["state"], "ok");
    assert_eq!(server.post("/v1/plans", &plan(json!({}))).await.status, 202);
}

#[tokio::test]
async fn an_account_in_use_stays() {
    let server = Server::start().await;
    let account = server.inbox_account().await;
    assert_eq!(server.post("/v1/plans", &plan(json!({}))).await.status, 202);
    let path = format!("/v1/accounts/{}", account["id"].as_str().unwrap());
    let kept = send(server.request(Method::DELETE, &path)).await;
    assert_eq!((kept.status.as_u16(), kept.problem().as_str()), (409, "in-use"));
    assert_eq!(server.get(&path).await.status, 200);
    server.sql("DELETE FROM job").await;
    assert_eq!(send(server.request(Method::DELETE, &path)).await.status, 204);
}

#[tokio::test]
async fn a_scheduled_plan_keeps_the_last_account_of_its_channel() {
    let server = Server::start().await;
    let account = server.inbox_account().await;
    let later = plan(json!({ "send_at": "2099-01-01T00:00:00Z" }));
    assert_eq!(server.post("/v1/plans", &later).await.status, 202);
    let path = format!("/v1/accounts/{}", account["id"].as_str().unwrap());
    assert_eq!(send(server.request(Method::DELETE, &path)).await.status, 409);
    let second = json!({ "name": "second", "channel": "inbox", "provider": "inbox" });
    assert_eq!(server.post("/v1/accounts", &second).await.status, 201);
    assert_eq!(send(server.request(Method::DELETE, &path)).await.status, 204, "there is another");
}

#[tokio::test]
async fn secrets_survive_a_change_of_the_master_key() {
    let server = Server::start().await;
    let made = server.post("/v1/accounts", &hook(json!({}))).await;
    let verify = format!("{}/verify", made.header("location"));
    let new = KeyRing::generate().replace("k1:", "k2:");
    let both = format!("{new},{}", server.master_key);
    let ask = |url: String| send(server.client.post(format!("{url}{verify}")).bearer_auth(&server.key));
    assert_ne!(ask(server.beside(&new).await).await.status, 200, "the new key alone opens nothing yet");
    let report = commands::rekey(&server.common(&both)).await.unwrap();
    assert_eq!(report["accounts"], 1);
    assert_eq!(commands::rekey(&server.common(&both)).await.unwrap()["accounts"], 0, "repeatable");
    assert_eq!(ask(server.beside(&new).await).await.status, 200, "now it does: keys, pepper and secret");
}
