//! The outermost layer: request id, trace, deadline, log line, metrics, and the finished form of every problem.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use tokio::time::timeout;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::App;
use crate::error::{Kind, Problem};
use crate::extract::preferred_wait;
use crate::routes::{COPY, OPS, PLAN, RECALL, UPLOAD};

/// Longest time to answer, and for the database to answer. What a client does not wait for any more, nobody should work on.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What copying a million people may take beyond everybody's deadline; each piece of it is answered in time.
const COPYING: Duration = Duration::from_secs(120);
/// Longest upload; its own limits are tighter.
const UPLOAD_DEADLINE: Duration = Duration::from_secs(20 * 60);

/// The W3C trace context a request came with, well-formed.
#[derive(Debug, Clone)]
pub struct Trace(pub Option<String>);

/// Wraps every request.
pub async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = Uuid::now_v7().to_string();
    let method = method_label(request.method());
    // Never the path itself: it holds ids and inbox owners.
    let route =
        request.extensions().get::<MatchedPath>().map_or("none".to_owned(), |path| path.as_str().to_owned());
    let trace = traceparent(request.headers());
    let trace_id = trace.as_deref().map_or("", |text| &text[3..35]).to_owned();
    let span = tracing::info_span!("request", request_id = id, trace_id, tenant = tracing::field::Empty);
    request.extensions_mut().insert(Trace(trace));
    let limit = deadline(&app, &route, &request);
    async {
        let answer =
            AssertUnwindSafe(timeout(limit, admitted(&app, &route, request, next))).catch_unwind().await;
        if matches!(answer, Ok(Err(_))) {
            // Whatever it waited for, its connection may be one whose server fell silent without closing it: the next one to
            // be handed that would wait as long. Connections are cheap.
            app.pool.retain(|_, _| false);
        }
        let response = finish(answer, &id, app.deadline);
        let status = response.status().as_u16();
        app.metrics.answered(&route, method, status, started);
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if OPS.contains(&route.as_str()) {
            tracing::debug!(method, route, status, ms, "answered");
        } else {
            tracing::info!(method, route, status, ms, "answered");
        }
        response
    }
    .instrument(span)
    .await
}

fn deadline(app: &App, route: &str, request: &Request) -> Duration {
    match (request.method(), route) {
        (&Method::POST, UPLOAD) => UPLOAD_DEADLINE,
        (&Method::POST, COPY | RECALL) => app.deadline + COPYING,
        (&Method::GET, PLAN) => {
            app.deadline + Duration::from_secs(preferred_wait(request.headers()).unwrap_or(0))
        }
        _ => app.deadline,
    }
}

/// Runs the request if there is room for one more; health and metrics always have room.
async fn admitted(app: &App, route: &str, request: Request, next: Next) -> Response {
    let room = app.requests.try_acquire();
    if room.is_err() && !OPS.contains(&route) {
        return Problem::unavailable("Too many requests at once; try again.", 1).into_response();
    }
    next.run(request).await
}

/// Panics inside a handler become a 500, a missed deadline a 503, and every problem names the request.
fn finish(
    answer: std::thread::Result<Result<Response, tokio::time::error::Elapsed>>,
    request_id: &str,
    deadline: Duration,
) -> Response {
    let response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            let detail = format!(
                "This took longer than {} s and was given up; with an Idempotency-Key it can be sent again safely.",
                deadline.as_secs()
            );
            Problem::unavailable(&detail, 1).into_response()
        }
        Err(_) => {
            Problem::new(Kind::Internal, "A fault in Herald; its log has the details under this request_id.")
                .into_response()
        }
    };
    let mut response = finish_problem(response, request_id);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn finish_problem(mut response: Response, request_id: &str) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return problem.answer(request_id);
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        // The router adds Allow around this layer.
        let detail = "This path exists, but not with this method; see Allow.";
        return Problem::new(Kind::MethodNotAllowed, detail).answer(request_id);
    }
    response
}

/// Reads `traceparent` (W3C Trace Context, version 00 and later versions' common part); a malformed one is ignored.
fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?.trim();
    let part = text.get(..55)?;
    let hex =
        |range: std::ops::Range<usize>| part[range].bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let dashes = [2, 35, 52].iter().all(|&at| part.as_bytes()[at] == b'-');
    let fits = part.is_ascii() && dashes && hex(0..2) && hex(3..35) && hex(36..52) && hex(53..55);
    let nonzero = |range: std::ops::Range<usize>| part[range].bytes().any(|b| b != b'0');
    let later = text.len() == 55 || (&part[..2] != "00" && text.as_bytes()[55] == b'-');
    (fits && &part[..2] != "ff" && nonzero(3..35) && nonzero(36..52) && later).then(|| part.to_owned())
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_str(text).unwrap());
        traceparent(&headers)
    }

    #[test]
    fn a_well_formed_traceparent_is_kept() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(read(good).as_deref(), Some(good));
        assert_eq!(read(&good.replace("00-4", "cc-4").replace("-01", "-01-what")).map(|t| t.len()), Some(55));
    }

    #[test]
    fn a_malformed_traceparent_is_ignored() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let bad = [
            "",
            "00",
            &good.to_uppercase(),
            &good.replace("00-4", "ff-4"),
            &good.replace('-', "_"),
            &format!("{good}-more"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ];
        for text in bad {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
