//! API keys: scopes, rates, revocation.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Server, json_body, send};

async fn make(server: &Server, scopes: Value, rate: u32) -> Value {
    let body = json!({ "name": "k", "scopes": scopes, "rate_per_second": rate });
    let answer = server.post("/v1/keys", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn without_a_valid_key_nothing_is_told() {
    let server = Server::start().await;
    let url = format!("{}/v1/plans", server.url);
    let none = send(server.client.get(&url)).await;
    assert_eq!((none.status.as_u16(), none.problem().as_str()), (401, "unauthorized"));
    assert!(none.header("www-authenticate").starts_with("Bearer"));
    let unknown = format!("hk_{}", "A".repeat(43));
    for wrong in ["", "x", unknown.as_str(), &server.key[..40]] {
        assert_eq!(send(server.client.get(&url).bearer_auth(wrong)).await.status, 401, "{wrong}");
    }
    let basic = server.client.get(&url).header("authorization", format!("Basic {}", server.key));
    assert_eq!(send(basic).await.status, 401);
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say() {
    let server = Server::start().await;
    let key = make(&server, json!(["plans:read", "keys:write"]), 100).await;
    let secret = key["key"].as_str().unwrap();
    let call = |method: Method, path: &str| {
        server.client.request(method, format!("{}{path}", server.url)).bearer_auth(secret)
    };
    assert_eq!(send(call(Method::GET, "/v1/plans")).await.status, 200);
    for (method, path) in [
        (Method::POST, "/v1/plans"),
        (Method::GET, "/v1/accounts"),
        (Method::POST, "/v1/accounts"),
        (Method::GET, "/v1/inbox/a"),
        (Method::GET, "/v1/keys"),
    ] {
        let answer = send(call(method, path)).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (403, "forbidden"), "{path}");
    }
    let more = json!({ "name": "more", "scopes": ["plans:read", "accounts:read"] });
    assert_eq!(
        send(json_body(call(Method::POST, "/v1/keys"), &more)).await.status,
        403,
        "nobody gives what they lack"
    );
}

#[tokio::test]
async fn keys_are_shown_once_and_listed_without_their_text() {
    let server = Server::start().await;
    let key = make(&server, json!(["plans:read"]), 7).await;
    let secret = key["key"].as_str().unwrap();
    assert!(secret.starts_with(key["prefix"].as_str().unwrap()));
    let list = server.get("/v1/keys").await;
    assert!(!list.text.contains(secret));
    let items = list.json();
    let item = &items["items"][1];
    assert_eq!(
        (&item["id"], &item["rate_per_second"], &item["scopes"]),
        (&key["id"], &json!(7), &json!(["plans:read"]))
    );
    for bad in [json!({}), json!({ "name": "x", "scopes": [] }), json!({ "name": "x", "scopes": ["all"] })] {
        assert_eq!(server.post("/v1/keys", &bad).await.status, 422, "{bad}");
    }
}

#[tokio::test]
async fn a_revoked_key_stops_at_once() {
    let server = Server::start().await;
    let key = make(&server, json!(["plans:read"]), 100).await;
    let call = || {
        send(server.client.get(format!("{}/v1/plans", server.url)).bearer_auth(key["key"].as_str().unwrap()))
    };
    assert_eq!(call().await.status, 200);
    let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
    assert_eq!(send(server.request(Method::DELETE, &path)).await.status, 204);
    assert_eq!(call().await.status, 401);
    assert_eq!(send(server.request(Method::DELETE, &path)).await.status, 204, "repeatable");
    let revoked = server.get("/v1/keys").await.json();
    assert!(revoked["items"][1]["revoked_at"].is_string());
}

#[tokio::test]
async fn a_key_over_its_rate_is_told_when_to_come_back() {
    let server = Server::start().await;
    let key = make(&server, json!(["plans:read"]), 2).await;
    let call = || {
        send(server.client.get(format!("{}/v1/plans", server.url)).bearer_auth(key["key"].as_str().unwrap()))
    };
    let answers = futures_util::future::join_all((0..10).map(|_| call())).await;
    let limited: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(limited.len() >= 6, "{} of 10", limited.len());
    assert_eq!(limited[0].problem(), "rate-limited");
    assert_eq!(limited[0].header("retry-after"), "1");
    assert_eq!(server.get("/v1/plans").await.status, 200, "other keys are not concerned");
}

#[tokio::test]
async fn making_a_key_can_be_repeated() {
    let server = Server::start().await;
    let body = json!({ "name": "k", "scopes": ["plans:read"] });
    let again =
        || send(json_body(server.request(Method::POST, "/v1/keys").header("idempotency-key", "k1"), &body));
    let answers = futures_util::future::join_all((0..8).map(|_| again())).await;
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.text), (201, &answers[0].text));
    }
    assert_eq!(server.get("/v1/keys").await.json()["items"].as_array().unwrap().len(), 2);
    let client = server.pool.get().await.unwrap();
    let kept: String = client.query_one("SELECT body FROM idempotency", &[]).await.unwrap().get(0);
    assert!(!kept.contains("hk_"), "the kept answer is sealed");
}
