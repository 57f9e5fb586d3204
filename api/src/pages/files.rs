//! `GET /m/{token}/files/{n}`: a file of a message, to whoever may see its page.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream};
use herald_shared::db::files::{self, File};

use super::trouble;
use super::visit::{Opened, open};
use crate::App;
use crate::error::{Problem, Result};
use crate::files::disposition;

/// Bytes read at once: somebody on a slow line keeps no more of a file in memory, and no connection to the database.
const PIECE: usize = 256 * 1024;

pub(super) async fn file(
    State(app): State<App>,
    Path((token, n)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    match hand_out(&app, &token, &n, &headers).await {
        Ok(response) => response,
        Err(problem) => trouble(&headers, &problem),
    }
}

async fn hand_out(app: &App, token: &str, n: &str, headers: &HeaderMap) -> Result<Response> {
    let (holder, page) = match open(app, token, headers, "../../").await? {
        Opened::Page(holder, page) => (holder, page),
        Opened::Instead(response) => return Ok(response),
    };
    let place = n.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).ok_or_else(super::nothing)?;
    if place >= page.shown.content.attachments.len() {
        return Err(super::nothing());
    }
    let file = {
        let db = app.db().await?;
        let mut all = files::of_plan(&db, holder.plan_id).await?;
        if place >= all.len() {
            return Err(super::nothing());
        }
        all.swap_remove(place)
    };
    // Before anything is said of it: what cannot be read is told as such.
    let first = piece(app, &file, 0).await?;
    let kind = HeaderValue::from_str(&file.media_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_LENGTH, HeaderValue::from(file.size)),
        (CONTENT_DISPOSITION, disposition(&file.name)),
        // Should a browser show it all the same.
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    Ok((headers, Body::from_stream(pieces(app.clone(), file, first))).into_response())
}

/// The file piece by piece, at the pace of whoever takes it. It breaks off when it is erased meanwhile.
fn pieces(
    app: App,
    file: File,
    first: Bytes,
) -> impl Stream<Item = std::result::Result<Bytes, std::io::Error>> + Send {
    stream::unfold((app, file, 0, Some(first)), async |(app, file, from, next)| {
        let bytes = match next {
            Some(first) => first,
            None if from >= file.size => return None,
            None => match piece(&app, &file, from).await {
                Ok(bytes) => bytes,
                Err(_) => {
                    let broken = std::io::Error::other("the file cannot be read any more");
                    // Nothing after it: the length that was told is not reached.
                    let end = file.size;
                    return Some((Err(broken), (app, file, end, None)));
                }
            },
        };
        let from = from + bytes.len();
        Some((Ok(bytes), (app, file, from, None)))
    })
}

async fn piece(app: &App, file: &File, from: usize) -> Result<Bytes> {
    let asked = async { Ok::<_, Problem>(files::piece(&app.db().await?, file.id, from, PIECE).await?) };
    let read = tokio::time::timeout(app.deadline, asked).await;
    let read = read.unwrap_or_else(|_| Err(herald_shared::db::Error::Deadline.into()))?;
    let bytes = read.filter(|bytes| !bytes.is_empty()).ok_or_else(super::erased)?;
    Ok(bytes.into())
}
