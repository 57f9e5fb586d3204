//! What mails lead to: the image that tells they were opened, and the way out of the mailing.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use herald_shared::db::reading::{self, Note};
use herald_shared::links::{Holder, Purpose};

use super::language::Words;
use super::{html, is_prefetch, opened, trouble};
use crate::App;
use crate::error::Result;

/// `GET /o/{token}.gif`. Always the image: what is wrong with a token is nobody's business who asks.
pub(super) async fn pixel(
    State(app): State<App>,
    method: Method,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    match fetched(&app, &method, &name, &headers).await {
        Ok(()) => super::image(),
        Err(problem) => problem.into_response(),
    }
}

async fn fetched(app: &App, method: &Method, name: &str, headers: &HeaderMap) -> Result<()> {
    let Some(token) = name.strip_suffix(".gif") else { return Err(super::nothing()) };
    let Some(holder) = opened(app, Purpose::Pixel, token).await? else { return Ok(()) };
    if method == Method::GET && !is_prefetch(headers) {
        let Holder { plan_id, no, channel } = holder;
        app.recorder.note(Note { plan_id, no, channel, answer: None, words: None }).await?;
    }
    Ok(())
}

/// `GET /u/{token}`: asks first, since scanners follow every link of a mail.
pub(super) async fn ask(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    match opened(&app, Purpose::Unsubscribe, &token).await {
        Ok(Some(_)) => super::html(StatusCode::OK, html::leave(Words::of(&headers, None))),
        Ok(None) => trouble(&headers, &super::nothing()),
        Err(problem) => trouble(&headers, &problem),
    }
}

/// `POST /u/{token}`: out, at once and without another question (RFC 8058). Whatever the body says: the token says it all.
pub(super) async fn unsubscribe(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    match leave(&app, &token).await {
        Ok(()) => super::html(StatusCode::OK, html::notice(Words::of(&headers, None), |words| words.left)),
        Err(problem) => trouble(&headers, &problem),
    }
}

async fn leave(app: &App, token: &str) -> Result<()> {
    let holder = opened(app, Purpose::Unsubscribe, token).await?.ok_or_else(super::nothing)?;
    if reading::unsubscribe(&app.db().await?, holder.plan_id, holder.no).await? {
        return Ok(());
    }
    Err(super::nothing())
}
