//! `/v1/plans/{id}/events`: a plan's counts as they change (server-sent events).

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream};
use herald_shared::db;
use tokio::time::{Instant, timeout_at};

use super::Route;
use super::plans::plan_ref;
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::error::{Problem, Result};
use crate::extract::{Id, Params};
use crate::watch::{EventId, Listener, Seen};

/// A comment is sent when nothing else was for this long, so that proxies keep the connection and a client that is gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Longest stream: its key may have been revoked meanwhile. Clients come back by themselves, as after any loss of connection.
const LONGEST: Duration = Duration::from_secs(60 * 60);

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Method::GET, "/v1/plans/{id}/events", Scope::PlansRead, events)]
}

async fn events(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    headers: HeaderMap,
    params: Params,
) -> Result<Response> {
    params.finish()?;
    let mut listener = listen(&app, &caller, id).await?;
    // What we did not write ourselves is of no use.
    let known = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let first = listener.newest(known).await.ok_or_else(stopping)?;
    if first.ended && known.is_some_and(|known| known.digest == first.id.digest) {
        // It has the end. Browsers come back after an ended stream unless they are told so.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let stream = feed(listener, first, known);
    let stream = Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("still here"));
    // nginx buffers answers otherwise.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(([unbuffered], stream).into_response())
}

/// A listener to a plan of the caller's.
pub(super) async fn listen(app: &App, caller: &CallerRef, id: uuid::Uuid) -> Result<Listener> {
    let plan = plan_ref(id)?;
    let found = db::plans::slots(&app.db().await?, caller.tenant_id, plan).await?;
    found.ok_or_else(|| Problem::not_found("plan"))?;
    app.watches.listen(caller.key_id, caller.tenant_id, plan.id)
}

fn stopping() -> Problem {
    Problem::unavailable("This process is stopping; try again.", 1)
}

/// Where a stream is.
enum Place {
    First(Seen),
    After(EventId),
    Over,
}

/// `progress` for every state the client does not have, `end` for the last.
fn feed(
    listener: Listener,
    first: Seen,
    known: Option<EventId>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let place = match known {
        Some(known) if known.digest == first.id.digest => Place::After(known),
        _ => Place::First(first),
    };
    let until = Instant::now() + LONGEST;
    stream::unfold((listener, place), move |(mut listener, place)| async move {
        let seen = match place {
            Place::First(seen) => seen,
            Place::After(known) => timeout_at(until, listener.other(known)).await.ok()??,
            Place::Over => return None,
        };
        let next = if seen.ended { Place::Over } else { Place::After(seen.id) };
        Some((Ok(event(&seen)), (listener, next)))
    })
}

fn event(seen: &Seen) -> Event {
    let name = if seen.ended { "end" } else { "progress" };
    // When a process stops all its clients come back: not all at once.
    let back = Duration::from_millis(fastrand::u64(1_000..3_000));
    Event::default().event(name).id(seen.id.to_string()).retry(back).data(&*seen.counts)
}
