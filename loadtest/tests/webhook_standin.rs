//! The webhook stand-in against reqwest: good requests are recorded, wrong ones refused, scripts act.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use herald_loadtest::standins::webhook::{self, Action, Behaviour, Handle, Key, Options, sign};

const LIMIT: Duration = Duration::from_secs(10);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Post {
    id: &'static str,
    timestamp: i64,
    body: String,
    kind: &'static str,
    signature: Option<String>,
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn good(id: &'static str) -> Post {
    let body = format!(r#"{{"id":"{id}","text":"hi"}}"#);
    Post { id, timestamp: now(), body, kind: "application/json", signature: None }
}

fn client() -> reqwest::Client {
    // A second test may have installed it already.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::new()
}

async fn post(server: &Handle, path: &str, post: Post) -> reqwest::Result<reqwest::Response> {
    let key = Key::parse(SECRET).unwrap();
    let signature =
        post.signature.unwrap_or_else(|| sign(&key, post.id, post.timestamp, post.body.as_bytes()));
    client()
        .post(server.url(path))
        .header("content-type", post.kind)
        .header("webhook-id", post.id)
        .header("webhook-timestamp", post.timestamp)
        .header("webhook-signature", signature)
        .body(post.body)
        .send()
        .await
}

async fn start() -> Handle {
    let keys = vec![Key::parse(SECRET).unwrap()];
    webhook::start(Options { keys, ..Options::default() }).await.unwrap()
}

#[tokio::test]
async fn good_requests_are_recorded() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let seen = Arc::clone(&seen);
        Arc::new(move |arrival: &webhook::Arrival<'_>| seen.lock().unwrap().push(arrival.id.to_owned()))
    };
    let keys = vec![Key::parse(SECRET).unwrap()];
    let options = Options { keys, observer: Some(observer), ..Options::default() };
    let server = webhook::start(options).await.unwrap();
    for id in ["a", "b", "b"] {
        assert_eq!(post(&server, "/hook?x=1", good(id)).await.unwrap().status(), 200);
    }
    server.wait_for(|received| received.connections.now == 0, LIMIT).await.unwrap();
    let received = server.received();
    assert_eq!((received.requests, received.accepted), (3, 3));
    assert_eq!((received.by_id["b"].count, received.by_path["/hook"].count), (2, 3));
    assert_eq!(received.accepted_by_id["b"].count, 2);
    assert_eq!(received.first[0].json().unwrap()["text"], "hi");
    assert_eq!(received.first[0].header("webhook-id"), Some("a"));
    assert_eq!(received.violations, [""; 0]);
    assert_eq!(*seen.lock().unwrap(), ["a", "b", "b"]);
}

#[tokio::test]
async fn wrong_requests_are_refused_and_recorded() {
    let server = start().await;
    let cases = [
        (Post { signature: Some("v1,AAAA".to_owned()), ..good("a") }, 401),
        (Post { timestamp: now() - 301, ..good("a") }, 401),
        (Post { kind: "text/plain", ..good("a") }, 415),
        (Post { id: "a.b", ..good("a.b") }, 400),
        (Post { body: "{\"id\":\"a\"".to_owned(), ..good("a") }, 400),
        (Post { body: "{\"id\":\"b\"}".to_owned(), ..good("a") }, 400),
    ];
    let count = cases.len();
    for (wrong, status) in cases {
        assert_eq!(post(&server, "/", wrong).await.unwrap().status(), status);
    }
    assert_eq!(client().get(server.url("/")).send().await.unwrap().status(), 405);
    let received = server.received();
    assert_eq!((received.requests, received.violations.len()), (0, count + 1));
}

#[tokio::test]
async fn scripts_act_per_path_and_are_used_up() {
    let server = start().await;
    server.script_for("/busy", Behaviour::throttle(429, 7).times(1));
    server.script(Behaviour::status(500).times(1));
    let busy = post(&server, "/busy", good("a")).await.unwrap();
    assert_eq!((busy.status().as_u16(), busy.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(post(&server, "/other", good("b")).await.unwrap().status(), 500);
    assert_eq!(post(&server, "/busy", good("a")).await.unwrap().status(), 200);
    let received = server.received();
    assert_eq!((received.requests, received.accepted, received.by_id["a"].count), (3, 1, 2));
    assert_eq!(received.answers[&429], 1);
}

#[tokio::test]
async fn drops_leave_what_they_should() {
    let server = start().await;
    for (action, requests, accepted) in [
        (Action::DropBeforeBody, 0, 0),
        (Action::DropAfterBody { accepted: false }, 1, 0),
        (Action::DropAfterBody { accepted: true }, 1, 1),
    ] {
        server.reset();
        server.script(Behaviour::new(action.clone()).times(1));
        let error = post(&server, "/", good("a")).await.unwrap_err();
        assert!(error.is_request(), "{action:?}: {error}");
        let received = server.received();
        assert_eq!((received.requests, received.accepted), (requests, accepted), "{action:?}");
    }
    assert_eq!(post(&server, "/", good("a")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn stalls_hold_the_answer_back() {
    let server = start().await;
    let silence = Duration::from_millis(80);
    for action in [Action::StallBeforeBody(silence), Action::StallAfterBody(silence)] {
        server.script(Behaviour::new(action).times(1));
        let before = Instant::now();
        assert_eq!(post(&server, "/", good("a")).await.unwrap().status(), 200);
        assert!(before.elapsed() >= silence);
    }
}

#[tokio::test]
async fn stopped_server_is_gone() {
    let server = start().await;
    let url = server.url("/");
    let address = server.addr();
    let held = tokio::net::TcpStream::connect(address).await.unwrap();
    server.wait_for(|received| received.connections.now == 1, LIMIT).await.unwrap();
    drop(server);
    let mut byte = [0];
    held.readable().await.unwrap();
    assert!(!matches!(held.try_read(&mut byte), Ok(1..)));
    assert!(client().get(url).send().await.is_err());
}
