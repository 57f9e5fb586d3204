//! HTTP itself: paths, methods, bodies, outages.

use reqwest::{Body, Method};
use serde_json::json;

use crate::plans::plan;
use crate::server::{Server, json_body, send, without_database};

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let server = Server::start().await;
    let json = |path: &str, text: &str| {
        server.request(Method::POST, path).header("content-type", "application/json").body(text.to_owned())
    };
    for (request, status, word) in [
        (server.request(Method::GET, "/nowhere"), 404, "not-found"),
        (server.request(Method::GET, "/v1/plans/not-an-id"), 404, "not-found"),
        (server.request(Method::GET, "/v1/plans/00000000-0000-0000-0000-000000000000"), 404, "not-found"),
        (server.request(Method::PUT, "/v1/plans"), 405, "method-not-allowed"),
        (server.request(Method::DELETE, "/healthz"), 405, "method-not-allowed"),
        (server.request(Method::POST, "/v1/plans").body("{}"), 415, "not-json"),
        (json("/v1/plans", "{\"title\":"), 400, "malformed-body"),
        (json("/v1/plans", ""), 400, "malformed-body"),
        (json("/v1/plans", "[]"), 422, "validation"),
        (json("/v1/accounts", "nonsense"), 400, "malformed-body"),
        (json("/v1/keys", "{}"), 422, "validation"),
        (server.request(Method::GET, "/v1/inbox/%ff"), 422, "validation"),
    ] {
        let answer = send(request).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, word), "{}", answer.text);
        assert_eq!(answer.header("allow").is_empty(), status != 405, "{:?}", answer.headers);
    }
}

#[tokio::test]
async fn a_body_of_twenty_megabytes_is_refused_declared_or_not() {
    let server = Server::start().await;
    let huge = vec![b' '; 20 * 1024 * 1024];
    let post = || server.request(Method::POST, "/v1/plans").header("content-type", "application/json");
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> =
        huge.chunks(1 << 20).map(|chunk| Ok(chunk.to_vec())).collect();
    let streamed = Body::wrap_stream(futures_util::stream::iter(chunks));
    let unknown = server.client.post(format!("{}/v1/plans", server.url)).bearer_auth("hk_none");
    for (request, status) in
        [(post().body(huge.clone()), 413), (post().body(streamed), 413), (unknown.body(huge.clone()), 401)]
    {
        assert_eq!(send(request).await.status, status);
    }
    server.inbox_account().await;
    assert_eq!(server.post("/v1/plans", &plan(json!({}))).await.status, 202, "and nothing is harmed");
}

#[tokio::test]
async fn many_large_bodies_wait_their_turn_or_come_back_later() {
    let server = Server::start().await;
    server.inbox_account().await;
    let people: Vec<_> = (0..6_000)
        .map(|n| json!({ "key": format!("p{n}"), "variables": { "x": "y".repeat(1_000) } }))
        .collect();
    let body = plan(json!({ "recipients": people }));
    let answers = futures_util::future::join_all((0..8).map(|_| server.post("/v1/plans", &body))).await;
    for answer in &answers {
        assert!(matches!(answer.status.as_u16(), 202 | 503), "{} {}", answer.status, answer.text);
        assert!(answer.status == 202 || !answer.header("retry-after").is_empty());
    }
    assert!(answers.iter().any(|answer| answer.status == 202));
}

#[tokio::test]
async fn without_its_database_the_api_says_so_and_stays() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let url = without_database().await;
    let client = reqwest::Client::new();
    let key = format!("hk_{}", "A".repeat(43));
    let away =
        send(json_body(client.post(format!("{url}/v1/plans")).bearer_auth(key), &plan(json!({})))).await;
    assert_eq!((away.status.as_u16(), away.problem().as_str()), (503, "unavailable"));
    assert!(!away.header("retry-after").is_empty());
    assert_eq!(send(client.get(format!("{url}/healthz"))).await.status, 200);
    let ready = send(client.get(format!("{url}/readyz"))).await;
    assert_eq!((ready.status.as_u16(), ready.json()["ready"].as_bool()), (503, Some(false)));
}

#[tokio::test]
async fn the_open_pages_need_no_key_and_metrics_count_by_template() {
    let server = Server::start().await;
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"] {
        assert_eq!(send(server.client.get(format!("{}{path}", server.url))).await.status, 200, "{path}");
    }
    let docs = send(server.client.get(format!("{}/docs", server.url))).await;
    assert!(docs.header("content-security-policy").contains("script-src 'sha256-"));
    server.inbox_account().await;
    let accepted = server.post("/v1/plans", &plan(json!({ "priority": "urgent" }))).await;
    server.get(accepted.header("location")).await;
    let metrics = server.get("/metrics").await.text;
    for line in [
        "herald_plans_accepted_total{priority=\"urgent\"} 1",
        "herald_http_requests_total{method=\"POST\",route=\"/v1/plans\",status=\"202\"} 1",
        "herald_http_requests_total{method=\"GET\",route=\"/v1/plans/{id}\",status=\"200\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    assert!(metrics.contains("herald_db_pool_wait_seconds_count"));
    assert!(metrics.contains("herald_http_request_duration_seconds_bucket"));
}

#[tokio::test]
async fn the_trace_of_a_request_is_kept_with_its_plan() {
    let server = Server::start().await;
    server.inbox_account().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = server.request(Method::POST, "/v1/plans").header("traceparent", trace);
    assert_eq!(send(json_body(request, &plan(json!({})))).await.status, 202);
    let row = server.pool.get().await.unwrap().query_one("SELECT traceparent FROM plan", &[]).await.unwrap();
    assert_eq!(row.get::<_, Option<String>>(0).as_deref(), Some(trace));
}

#[tokio::test]
async fn a_request_in_hand_is_finished_when_the_process_stops() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::start().await;
    server.inbox_account().await;
    let body = plan(json!({})).to_string();
    let (first, rest) = body.split_at(body.len() / 2);
    let host = server.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let head = format!(
        "POST /v1/plans HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        server.key,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The interim answer shows that the handler reads the body, so the request is in hand.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100 Continue"));
    stream.write_all(first.as_bytes()).await.unwrap();
    server.stop();
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 Accepted"), "{answer}");
}
