//! Tenants never see each other, route by route.

use herald_api::routes::{Route, table};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::plans::plan;
use crate::server::{Server, json_body, send};

#[tokio::test]
async fn another_tenant_s_things_do_not_exist() {
    let server = Server::start().await;
    let account = server.inbox_account().await;
    let accepted = server.post("/v1/plans", &plan(json!({ "reference": "mine" }))).await.json();
    let plan_id = accepted["id"].as_str().unwrap();
    let delivery =
        server.get(&format!("/v1/plans/{plan_id}/deliveries")).await.json()["items"][0]["id"].clone();
    let key = server.get("/v1/keys").await.json()["items"][0]["id"].clone();
    server.sql("INSERT INTO inbox_message (tenant_id, owner, plan_id, slot, no) SELECT tenant_id, 'a', id, 26, 1 FROM plan").await;
    let message = server.get("/v1/inbox/a").await.json()["items"][0]["id"].clone();
    let other = server.other_tenant().await;
    let call = |method: Method, path: &str| {
        server.client.request(method, format!("{}{path}", server.url)).bearer_auth(&other)
    };
    let mut tried = 0;
    // An edit is read before the plan is looked for, and the other tenant has no account: tests/it/routes.rs has both.
    let edits = |route: &Route| route.method == Method::PUT && route.path == "/v1/plans/{id}";
    for route in table().iter().filter(|route| route.path.contains("{id}") && !edits(route)) {
        let id = match route.path {
            path if path.starts_with("/v1/plans") => plan_id,
            path if path.starts_with("/v1/deliveries") => delivery.as_str().unwrap(),
            path if path.starts_with("/v1/accounts") => account["id"].as_str().unwrap(),
            path if path.starts_with("/v1/keys") => key.as_str().unwrap(),
            path if path.starts_with("/v1/inbox") => message.as_str().unwrap(),
            // None of these was made: the whole-system test of the routes has some.
            path if ["/v1/subscriptions", "/v1/templates", "/v1/policies", "/v1/files"]
                .iter()
                .any(|own| path.starts_with(own)) =>
            {
                "019bd2a2-1f00-7b3c-9a44-0d1e2f3a4b5c"
            }
            path => panic!("{path} is not covered: add its id here"),
        };
        let path = route.path.replace("{id}", id).replace("{owner}", "a");
        let request = call(route.method.clone(), &path);
        let request = with_body(route, request);
        let answer = send(request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem().as_str()),
            (404, "not-found"),
            "{} {path}",
            route.method
        );
        tried += 1;
    }
    assert!(tried >= 8, "{tried} routes");
    for list in ["/v1/plans", "/v1/plans?reference=mine", "/v1/accounts", "/v1/inbox/a"] {
        assert_eq!(send(call(Method::GET, list)).await.json()["items"], json!([]), "{list}");
    }
    let keys = send(call(Method::GET, "/v1/keys")).await.json();
    assert_eq!(keys["items"].as_array().unwrap().len(), 1, "their own");
    assert_eq!(
        server.get(&format!("/v1/accounts/{}", account["id"].as_str().unwrap())).await.json()["order"],
        1
    );
    assert_eq!(server.get("/v1/inbox/a").await.json()["items"].as_array().unwrap().len(), 1);
}

/// With what the route takes.
fn with_body(route: &Route, request: RequestBuilder) -> RequestBuilder {
    let body = match (route.method.as_str(), route.path) {
        ("POST", "/v1/plans/{id}/recipients") => {
            return request.header("content-type", "text/csv").body("key\na\n");
        }
        (_, "/v1/deliveries/{id}/resolve") => json!({ "to": "sent" }),
        ("PATCH", "/v1/accounts/{id}") => json!({ "order": 7 }),
        ("PATCH", _) => json!({ "enabled": false }),
        ("POST", "/v1/plans/{id}/remind") => json!({ "who": "unread" }),
        ("POST", "/v1/plans/{id}/preview" | "/v1/plans/{id}/render") => json!({ "to": { "key": "a" } }),
        ("POST", "/v1/plans/{id}/reject") => json!({ "comment": "no" }),
        ("POST", "/v1/subscriptions/{id}/replay") => json!({ "from": "2026-11-21T00:00:00Z" }),
        ("POST", "/v1/templates/{id}/copy" | "/v1/policies/{id}/copy") => json!({ "name": "copy" }),
        ("PUT", "/v1/templates/{id}") => json!({ "title": "a", "content": { "text": "a" } }),
        ("PUT", "/v1/policies/{id}") => json!({ "tiers": [{ "channels": ["inbox"] }] }),
        ("POST", "/v1/plans/{id}/copy" | "/v1/plans/{id}/recall" | "/v1/templates/{id}/preview") => json!({}),
        _ => return request,
    };
    json_body(request, &body)
}

#[tokio::test]
async fn names_references_and_keys_of_tenants_do_not_meet() {
    let server = Server::start().await;
    server.inbox_account().await;
    let other = server.other_tenant().await;
    let call = |path: &str, body: &serde_json::Value| {
        let request = server.client.post(format!("{}{path}", server.url)).bearer_auth(&other);
        send(json_body(request.header("idempotency-key", "same"), body))
    };
    let mine = json_body(
        server.request(Method::POST, "/v1/plans").header("idempotency-key", "same"),
        &plan(json!({ "reference": "r" })),
    );
    assert_eq!(send(mine).await.status, 202);
    let body = plan(json!({ "reference": "r" }));
    assert_eq!(call("/v1/plans", &body).await.status, 422, "the other tenant has no account");
    let account = json!({ "name": "inbox", "channel": "inbox", "provider": "inbox" });
    assert_eq!(call("/v1/accounts", &account).await.status, 201);
    let theirs = call("/v1/plans", &body).await;
    assert_eq!((theirs.status.as_u16(), theirs.header("idempotent-replayed")), (202, ""));
}
