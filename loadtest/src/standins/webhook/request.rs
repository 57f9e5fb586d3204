//! One request: checked, scripted, recorded, answered.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Request as HttpRequest, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::listener::Peer;
use super::received::{Arrival, Received, Request};
use super::script::Action;
use super::{Shared, signature};

/// Largest body taken; the specification advises under 20 kB.
const MAX_BODY_BYTES: usize = 1_000_000;

/// How far `webhook-timestamp` may be from now, Standard Webhooks "Verifying signatures".
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Why a request is wrong.
struct Wrong(StatusCode, &'static str);

/// The one field the stand-in looks at.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: HttpRequest<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    match shared.take(head.uri.path(), true) {
        Some(Action::StallBeforeBody(silence)) => tokio::time::sleep(silence).await,
        Some(_) => return cut(&peer),
        None => {}
    }
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return shared.refuse(&Wrong(StatusCode::PAYLOAD_TOO_LARGE, "body too large or cut off"));
    };
    let at = Instant::now();
    let id = match check(&shared, &head.method, &head.headers, &body) {
        Ok(id) => id,
        Err(wrong) => return shared.refuse(&wrong),
    };
    let arrival = Arrival { path: head.uri.path(), id, body: &body, at };
    shared.record(&arrival, &head.headers);
    let _busy = Busy::new(&shared);
    match shared.take(arrival.path, false) {
        Some(Action::Answer { status, retry_after }) => shared.say(&arrival, status, retry_after),
        Some(Action::StallAfterBody(silence)) => {
            shared.received.update(|received| received.accept(id, at));
            tokio::time::sleep(silence).await;
            shared.received.update(|received| received.answered(200));
            StatusCode::OK.into_response()
        }
        Some(Action::DropAfterBody { accepted }) => {
            if accepted {
                shared.received.update(|received| received.accept(id, at));
            }
            cut(&peer)
        }
        Some(Action::StallBeforeBody(_) | Action::DropBeforeBody) | None => shared.say(&arrival, 200, None),
    }
}

/// Counts a request among those at once, until it is answered or its connection has ended.
struct Busy<'a>(&'a Shared);

impl<'a> Busy<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.received.update(Received::begin);
        Busy(shared)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.received.update(|received| received.at_once -= 1);
    }
}

/// The answer is never seen: the stream fails before it is written.
fn cut(peer: &Peer) -> Response {
    peer.cut.cancel();
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

impl Shared {
    fn take(&self, path: &str, before_body: bool) -> Option<Action> {
        let action = self.scripts.take(path, before_body)?;
        self.received.update(|received| received.scripted += 1);
        Some(action)
    }

    fn refuse(&self, wrong: &Wrong) -> Response {
        let Wrong(status, what) = *wrong;
        self.received.update(|received| received.violated(status.as_u16(), what));
        (status, what).into_response()
    }

    fn record(&self, arrival: &Arrival<'_>, headers: &HeaderMap) {
        if let Some(observer) = &self.observer {
            observer(arrival);
        }
        self.received.update(|received| {
            received.arrived(arrival);
            if received.keeps_more() {
                received.first.push(kept(arrival, headers));
            }
        });
    }

    fn say(&self, arrival: &Arrival<'_>, status: u16, retry_after: Option<String>) -> Response {
        self.received.update(|received| {
            received.answered(status);
            if (200..300).contains(&status) {
                received.accept(arrival.id, arrival.at);
            }
        });
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match retry_after {
            Some(value) => (status, [(header::RETRY_AFTER, value)]).into_response(),
            None => status.into_response(),
        }
    }
}

fn kept(arrival: &Arrival<'_>, headers: &HeaderMap) -> Request {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Request {
        path: arrival.path.to_owned(),
        id: arrival.id.to_owned(),
        headers: headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: arrival.body.to_vec(),
        at: arrival.at,
    }
}

/// The `webhook-id` of a request that is right in every respect.
fn check<'a>(
    shared: &Shared,
    method: &Method,
    headers: &'a HeaderMap,
    body: &Bytes,
) -> Result<&'a str, Wrong> {
    if method != Method::POST {
        return Err(Wrong(StatusCode::METHOD_NOT_ALLOWED, "only POST"));
    }
    let kind = header(headers, "content-type")?;
    if kind.split(';').next().is_none_or(|kind| !kind.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type is not application/json"));
    }
    let id = header(headers, "webhook-id")?;
    if id.is_empty() || id.contains('.') {
        return Err(Wrong(StatusCode::BAD_REQUEST, "webhook-id is empty or has a dot"));
    }
    let timestamp = header(headers, "webhook-timestamp")?
        .parse::<i64>()
        .map_err(|_| Wrong(StatusCode::BAD_REQUEST, "webhook-timestamp is no number of seconds"))?;
    if unix_now().abs_diff(timestamp) > TOLERANCE.as_secs() {
        return Err(Wrong(StatusCode::UNAUTHORIZED, "webhook-timestamp is over 5 minutes off"));
    }
    let signatures = header(headers, "webhook-signature")?;
    if !shared.keys.is_empty() && !signature::verify(&shared.keys, id, timestamp, body, signatures) {
        return Err(Wrong(StatusCode::UNAUTHORIZED, "webhook-signature is wrong"));
    }
    let envelope: Envelope<'_> = serde_json::from_slice(body)
        .map_err(|_| Wrong(StatusCode::BAD_REQUEST, "body is no JSON object with an id"))?;
    if envelope.id != id {
        return Err(Wrong(StatusCode::BAD_REQUEST, "id in the body is not the webhook-id"));
    }
    Ok(id)
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Wrong> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or(Wrong(
        StatusCode::BAD_REQUEST,
        match name {
            "content-type" => "no Content-Type",
            "webhook-id" => "no webhook-id",
            "webhook-timestamp" => "no webhook-timestamp",
            _ => "no webhook-signature",
        },
    ))
}

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
