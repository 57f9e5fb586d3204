//! What recipients see: their pages, their answers, the images that tell of reading, and the way out of a mailing.
//!
//! Nobody here has a key: the token in the path is the secret, and it opens one message to one person. That is why these forms
//! need no protection against forged requests: whoever can name the token may answer anyway. Where somebody must be let in first
//! (`gate`), the cookie that says so is SameSite=Lax.
//! docs/READING.md says how reading is told from link previews.

mod answer;
mod approve;
mod code;
mod cookie;
mod files;
mod gate;
pub(crate) mod group;
mod html;
mod language;
mod limit;
mod mail;
mod plain;
mod recorder;
mod visit;

use axum::extract::DefaultBodyLimit;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use herald_shared::db::reading::Page;
use herald_shared::domain::PlanStatus;
use herald_shared::links::{Holder, LinkKey, Links, Purpose};

use crate::App;
use crate::error::{Kind, Problem, Result};
use crate::routes::Route;
use language::Words;
pub use limit::PageLimiter;
pub(crate) use recorder::{Recorder, recorder};

/// Bytes an answer may have, form and all.
const MAX_ANSWER: usize = 16 * 1024;
/// The smallest image there is: one transparent pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

pub(crate) fn routes() -> Vec<Route> {
    let small = DefaultBodyLimit::max(MAX_ANSWER);
    vec![
        Route::open("/m/{token}", visit::page),
        Route::open("/m/{token}/seen.gif", visit::image),
        Route::open("/m/{token}/files/{n}", files::file),
        Route::open_to(Method::POST, "/m/{token}/acknowledge", answer::acknowledge).layer(small),
        Route::open_to(Method::POST, "/m/{token}/code", gate::ask).layer(small),
        Route::open_to(Method::POST, "/m/{token}/enter", gate::enter).layer(small),
        Route::open_to(Method::POST, "/m/{token}/forget", gate::forget).layer(small),
        Route::open("/q/{token}", group::page),
        Route::open_to(Method::POST, "/q/{token}/code", group::ask).layer(small),
        Route::open_to(Method::POST, "/q/{token}/enter", group::enter).layer(small),
        Route::open("/a/{token}", approve::page),
        Route::open_to(Method::POST, "/a/{token}", approve::decide).layer(small),
        Route::open("/o/{image}", mail::pixel),
        Route::open("/u/{token}", mail::ask),
        Route::open_to(Method::POST, "/u/{token}", mail::unsubscribe).layer(small),
    ]
}

/// Whom a token stands for, if it is one of ours and does not come too often; bad ones never reach the database.
async fn opened(app: &App, purpose: Purpose, token: &str) -> Result<Option<Holder>> {
    let Some(holder) = link_key(app).await?.open(purpose, token) else { return Ok(None) };
    app.page_limiter.take(holder)?;
    Ok(Some(holder))
}

/// The link key, read once.
async fn link_key(app: &App) -> Result<std::sync::Arc<LinkKey>> {
    if let Some(key) = app.links.known() {
        return Ok(key);
    }
    app.links.key(&app.db().await?).await.map_err(|error| {
        tracing::error!(error = %format!("{error:#}"), "the link key cannot be read");
        Problem::unavailable("Pages cannot be opened at this moment; try again.", 5)
    })
}

/// Makes recipients' links; `None`: pages have no address.
pub(crate) async fn links(app: &App) -> Result<Option<Links>> {
    let Some(base) = app.links.base.clone() else { return Ok(None) };
    Ok(Some(Links::new(link_key(app).await?, base)))
}

/// A recipient's page, where there is one to show.
enum Found {
    Page(Box<Page>),
    /// The plan was recalled.
    Withdrawn,
    /// Its content is erased.
    Erased,
    /// The plan is in the bin.
    Closed,
    /// No such recipient, or the plan never went out.
    Nothing,
}

async fn find(app: &App, holder: Holder) -> Result<Found> {
    let page = herald_shared::db::reading::page(&app.db().await?, holder.plan_id, holder.no).await?;
    Ok(match page {
        Some(page) if page.status == PlanStatus::Recalled => Found::Withdrawn,
        Some(page) if page.erased => Found::Erased,
        Some(page) if page.closed && page.status.went_out() => Found::Closed,
        Some(page) if page.status.went_out() => Found::Page(Box::new(page)),
        _ => Found::Nothing,
    })
}

/// An HTML answer. Nothing in it can run or load from elsewhere, nobody keeps it, and links from it do not tell where they were.
fn html(status: StatusCode, text: String) -> Response {
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    let mut set =
        |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(CONTENT_TYPE, "text/html; charset=utf-8");
    set(CONTENT_SECURITY_POLICY, html::policy());
    set(REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("x-robots-tag"), "noindex, nofollow, noarchive");
    response
}

fn image() -> Response {
    let mut response = PIXEL.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    response
}

/// A page for a person instead of a problem for a program.
fn trouble(headers: &HeaderMap, problem: &Problem) -> Response {
    let (_, _, status) = problem.kind.describe();
    let words = Words::of(headers, None);
    let text = match problem.kind {
        Kind::NotFound => html::notice(words, |words| words.unknown),
        Kind::Closed => html::notice(words, |words| words.closed),
        Kind::Withdrawn => html::notice(words, |words| words.withdrawn),
        Kind::Erased => html::notice(words, |words| words.erased),
        _ => html::notice(words, |words| words.later),
    };
    let mut response = html(status, text);
    if matches!(problem.kind, Kind::RateLimited | Kind::Unavailable) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// There is no such message, or no such person.
fn nothing() -> Problem {
    Problem::new(Kind::NotFound, "This link leads to no message.")
}

fn closed() -> Problem {
    Problem::new(Kind::Closed, "This message is not available at present.")
}

fn withdrawn() -> Problem {
    Problem::new(Kind::Withdrawn, "The sender has withdrawn this message.")
}

fn erased() -> Problem {
    Problem::new(Kind::Erased, "The content of this message has been erased.")
}

/// Whether a browser fetched this before anybody asked for it.
fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].iter().any(|name| {
        headers.get(*name).is_some_and(|value| {
            let value = value.as_bytes().to_ascii_lowercase();
            value.starts_with(b"prefetch") || value.starts_with(b"preview")
        })
    })
}
