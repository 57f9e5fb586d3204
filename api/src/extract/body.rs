//! Reading a body in bounded time and memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{BodyDataStream, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::App;
use crate::error::{Kind, Problem, Result};
use crate::json::Document;

/// Largest body. 10,000 recipients with 1 kB of variables each are about 12 MB.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of bodies being read or processed at once. A body takes up to four times its size until it is written, and the
/// process is to stay below 150 MB.
const BUDGET_BYTES: usize = 24 * 1024 * 1024;
/// Permits are whole kilobytes.
const UNIT: usize = 1024;
/// Longest wait for room.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// A refused body is read to its end if it has no more than this and takes no longer than that.
const DRAINED_BYTES: usize = 4 * MAX_BODY_BYTES;
const DRAIN: Duration = Duration::from_secs(3);
/// Longest time a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(20);

/// Room for bodies, shared by all requests.
pub struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Budget(Arc::new(Semaphore::new(BUDGET_BYTES / UNIT)))
    }
}

impl Budget {
    /// Waits for room for `bytes`.
    ///
    /// # Errors
    /// 503 when there is none within 2 s.
    async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let permit = self.0.clone().acquire_many_owned(units);
        match tokio::time::timeout(ROOM_WAIT, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Problem::unavailable("Too many large requests at once; try again.", 1)),
        }
    }
}

/// The JSON of a body.
///
/// # Errors
/// 400 with what is wrong and where.
pub fn parse(bytes: &[u8]) -> Result<Document<'_>> {
    Document::parse(bytes).map_err(|detail| Problem::new(Kind::MalformedBody, detail))
}

/// A whole JSON body.
pub struct Body {
    /// Its bytes, not parsed yet.
    pub bytes: Bytes,
    /// Its share of the [`Budget`]; keep it as long as what was made of the body is in memory.
    pub room: Room,
}

/// A share of the [`Budget`], given back when dropped.
pub struct Room(#[expect(dead_code, reason = "held, never read")] Vec<OwnedSemaphorePermit>);

/// How large a body may be.
pub struct Most {
    /// Bytes.
    pub bytes: usize,
    /// What whoever has more can do.
    pub advice: &'static str,
}

/// Of JSON.
const JSON: Most = Most { bytes: MAX_BODY_BYTES, advice: "split the audience over several plans" };

impl FromRequest<App> for Body {
    type Rejection = Problem;
    async fn from_request(request: Request, app: &App) -> Result<Self> {
        whole(request, app, &JSON, declared_json).await
    }
}

/// A whole body of whatever kind `check` lets through.
///
/// # Errors
/// What `check` says; 408, 413, 503 where it does not arrive, is too large, or finds no room.
pub async fn whole(
    request: Request,
    app: &App,
    most: &Most,
    check: impl FnOnce(&Request) -> Result<()>,
) -> Result<Body> {
    let length = check(&request).and_then(|()| declared_length(&request, most));
    let waits = request.headers().contains_key(EXPECT);
    let mut stream = request.into_body().into_data_stream();
    let read = async {
        match length {
            Ok(length) => read(&mut stream, length, &app.bodies, most).await,
            Err(problem) => Err(problem),
        }
    };
    let body = tokio::time::timeout(ARRIVAL, read).await.unwrap_or_else(|_| {
        let detail = format!("The body did not arrive within {} s.", ARRIVAL.as_secs());
        Err(Problem::new(Kind::BodyTimeout, detail))
    });
    if body.is_err() && !waits {
        drain(stream).await;
    }
    body
}

/// Reads what is left of a refused body, within limits. A connection closed with unread bytes is reset, and the
/// client would see that instead of the answer. (Who sent `Expect: 100-continue` has not sent its body yet.)
pub async fn drain(mut stream: BodyDataStream) {
    let read_all = async {
        let mut left = DRAINED_BYTES;
        while let Some(Ok(chunk)) = stream.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    };
    // A client slower than this may see a reset.
    drop(tokio::time::timeout(DRAIN, read_all).await);
}

fn declared_json(request: &Request) -> Result<()> {
    let declared =
        request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = declared.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(Kind::NotJson, "Send JSON with the header Content-Type: application/json."))
}

fn declared_length(request: &Request, most: &Most) -> Result<Option<usize>> {
    let header = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = header.and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > most.bytes) { Err(most.exceeded()) } else { Ok(length) }
}

impl Most {
    fn exceeded(&self) -> Problem {
        let detail = format!("A body may have {} MB; {}.", self.bytes / 1024 / 1024, self.advice);
        Problem::new(Kind::BodyTooLarge, detail)
    }
}

/// Reads chunk by chunk. With a declared length the room is taken first and the buffer made once; without, both grow.
async fn read(
    stream: &mut BodyDataStream,
    declared: Option<usize>,
    budget: &Budget,
    most: &Most,
) -> Result<Body> {
    let mut room = Vec::new();
    if let Some(length) = declared {
        room.push(budget.take(length).await?);
    }
    let mut taken = declared.unwrap_or(0);
    let mut bytes = Vec::with_capacity(taken);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Problem::new(Kind::MalformedBody, "The body broke off."))?;
        if bytes.len() + chunk.len() > most.bytes {
            return Err(most.exceeded());
        }
        if bytes.len() + chunk.len() > taken {
            let more = chunk.len().max(64 * UNIT);
            room.push(budget.take(more).await?);
            taken += more;
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Body { bytes: bytes.into(), room: Room(room) })
}
