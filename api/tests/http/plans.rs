//! Accepting plans.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Server, json_body, send};

pub(crate) fn plan(changes: Value) -> Value {
    let mut plan = json!({
        "title": "Water", "content": { "text": "Hello {{ name }}" }, "channels": ["inbox"],
        "recipients": [{ "key": "a", "name": "Anna" }, { "key": "b" }],
    });
    for (name, value) in changes.as_object().unwrap() {
        plan[name] = value.clone();
    }
    plan
}

#[tokio::test]
async fn an_accepted_plan_can_be_looked_at() {
    let server = Server::start().await;
    server.inbox_account().await;
    let accepted =
        server.post("/v1/plans", &plan(json!({ "reference": "r-1", "metadata": { "ticket": "42" } }))).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let body = accepted.json();
    assert_eq!(accepted.header("location"), format!("/v1/plans/{}", body["id"].as_str().unwrap()));
    let seen = server.get(accepted.header("location")).await.json();
    for name in ["id", "number", "reference", "title", "status", "metadata", "created_at", "expires_at"] {
        assert_eq!(seen[name], body[name], "{name}");
    }
    assert_eq!(seen["status"], "running");
    assert_eq!(seen["metadata"], json!({ "ticket": "42" }));
    assert_eq!(seen["recipients"]["total"], 2);
    assert_eq!(seen["recipients"]["pending"], 2);
    assert_eq!(seen["deliveries"]["total"], 2);
    assert_eq!(seen["deliveries"]["queued"], 2, "born published");
}

#[tokio::test]
async fn a_plan_for_later_is_scheduled() {
    let server = Server::start().await;
    server.inbox_account().await;
    let accepted = server.post("/v1/plans", &plan(json!({ "send_at": "2099-01-01T08:00:00+08:00" }))).await;
    let seen = server.get(accepted.header("location")).await.json();
    for body in [accepted.json(), seen] {
        assert_eq!(body["status"], "scheduled");
        assert_eq!(body["send_at"], "2099-01-01T00:00:00Z");
        assert_eq!(body["started_at"], Value::Null);
        assert_eq!(body["deliveries"]["total"], 0);
    }
}

#[tokio::test]
async fn parallel_requests_with_one_key_make_one_plan() {
    let server = Server::start().await;
    server.inbox_account().await;
    let calls = (0..30).map(|n| {
        // The same JSON, spelt differently.
        let text = if n % 2 == 0 { plan(json!({})).to_string() } else { format!(" {:#} ", plan(json!({}))) };
        let request = server.request(Method::POST, "/v1/plans").header("idempotency-key", "one");
        send(request.header("content-type", "application/json").body(text))
    });
    let answers = futures_util::future::join_all(calls).await;
    let first = answers.iter().find(|answer| answer.header("idempotent-replayed").is_empty()).unwrap();
    for answer in &answers {
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!((&answer.text, answer.header("location")), (&first.text, first.header("location")));
    }
    let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed") == "true").count();
    assert_eq!(replayed, 29);
    assert_eq!(server.get("/v1/plans").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_used_for_another_body_is_refused_and_bad_answers_are_not_kept() {
    let server = Server::start().await;
    server.inbox_account().await;
    let send_with = |key: &'static str, body: Value| {
        send(json_body(server.request(Method::POST, "/v1/plans").header("idempotency-key", key), &body))
    };
    assert_eq!(send_with("k", plan(json!({ "title": "" }))).await.status, 422);
    assert_eq!(send_with("k", plan(json!({}))).await.status, 202, "a corrected body may use the key");
    let other = send_with("k", plan(json!({ "title": "Other" }))).await;
    assert_eq!((other.status.as_u16(), other.problem().as_str()), (422, "key-reused"));
    let worse = send_with("k", plan(json!({ "title": "" }))).await;
    assert_eq!(worse.problem(), "key-reused");
    for bad in ["", "ä", "a\tb", &"x".repeat(256)] {
        let request = server.request(Method::POST, "/v1/plans").header("idempotency-key", bad.as_bytes());
        let answer = send(json_body(request, &plan(json!({})))).await;
        assert_eq!(answer.status, 422, "{bad}");
        assert_eq!(answer.json()["errors"][0]["header"], "Idempotency-Key");
    }
}

#[tokio::test]
async fn a_repetition_counts_even_when_the_body_is_no_longer_good() {
    let server = Server::start().await;
    let account = server.inbox_account().await;
    let again = || {
        let request = server.request(Method::POST, "/v1/plans").header("idempotency-key", "once");
        send(json_body(request, &plan(json!({}))))
    };
    let first = again().await;
    let path = format!("/v1/accounts/{}", account["id"].as_str().unwrap());
    let off = json_body(server.request(Method::PATCH, &path), &json!({ "enabled": false }));
    assert_eq!(send(off).await.status, 200);
    assert_eq!(server.post("/v1/plans", &plan(json!({}))).await.status, 422, "no account any more");
    let second = again().await;
    assert_eq!((second.status, second.text), (first.status, first.text));
}

#[tokio::test]
async fn a_reference_is_taken_for_good() {
    let server = Server::start().await;
    server.inbox_account().await;
    let first = server.post("/v1/plans", &plan(json!({ "reference": "r" }))).await;
    let second = server.post("/v1/plans", &plan(json!({ "reference": "r", "title": "Other" }))).await;
    assert_eq!((second.status.as_u16(), second.problem().as_str()), (409, "reference-taken"));
    assert_eq!(second.header("location"), first.header("location"));
}

#[tokio::test]
async fn ten_thousand_recipients_are_accepted_in_one_request() {
    let server = Server::start().await;
    server.inbox_account().await;
    let people: Vec<Value> = (0..10_000)
        .map(|n| json!({ "key": format!("p{n}"), "variables": { "x": "y".repeat(200) } }))
        .collect();
    let accepted = server.post("/v1/plans", &plan(json!({ "recipients": people }))).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    assert_eq!(accepted.json()["recipients"]["total"], 10_000);
}

#[tokio::test]
async fn one_bad_plan_in_a_batch_harms_nobody() {
    let server = Server::start().await;
    server.inbox_account().await;
    // Ids come in order from a block; this row is in the way of the sixth plan.
    let taken = "INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expires_at, n_recipients, title, content, tiers)
                 VALUES (6, now(), 0, 4, 1, 0, '{26}', now() + interval '1 h', 1, 'in the way', '{}', '[]')";
    server.sql(taken).await;
    let body = plan(json!({}));
    let answers = futures_util::future::join_all((0..20).map(|_| server.post("/v1/plans", &body))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 19, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&500));
}

#[tokio::test]
async fn an_account_made_just_now_can_be_used_at_once() {
    let server = Server::start().await;
    assert_eq!(server.post("/v1/plans", &plan(json!({}))).await.status, 422);
    let beside = server.beside(&server.master_key).await;
    let body = json!({ "name": "inbox", "channel": "inbox", "provider": "inbox" });
    let made = server.client.post(format!("{beside}/v1/accounts")).bearer_auth(&server.key);
    assert_eq!(send(json_body(made, &body)).await.status, 201);
    assert_eq!(server.post("/v1/plans", &plan(json!({}))).await.status, 202, "made through another process");
}
