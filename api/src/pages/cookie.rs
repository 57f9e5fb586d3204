//! Cookies of pages: each for one page, out of the reach of scripts.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::App;

/// A cookie for what is below `path`, kept for so many seconds (0: it goes).
pub(super) fn set(app: &App, (name, value): (&str, &str), path: &str, kept: u32) -> Option<HeaderValue> {
    let (below, secure) = match &app.links.base {
        Some(base) => (base.path(), if base.is_https() { "; Secure" } else { "" }),
        None => ("", ""),
    };
    let text = format!("{name}={value}; Path={below}{path}; Max-Age={kept}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).ok()
}

/// What a browser sends back under a name.
pub(super) fn all<'a>(headers: &'a HeaderMap, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|cookies| cookies.split(';')).filter_map(move |cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        (name == wanted).then_some(value)
    })
}
