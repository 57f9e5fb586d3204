//! `Idempotency-Key`: taking it from the request, repeating a kept answer.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::error::{Problem, Result};
use crate::problems::Problems;

/// The key, if the request has one: 1..255 printable ASCII characters.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(IdempotencyKey(None)) };
        let text = value.to_str().ok().filter(|text| (1..=255).contains(&text.len()));
        match text.filter(|text| text.bytes().all(|b| (b' '..=b'~').contains(&b))) {
            Some(text) if values.next().is_none() => Ok(IdempotencyKey(Some(text.to_owned()))),
            _ => Err(refusal()),
        }
    }
}

fn refusal() -> Problem {
    let mut problems = Problems::default();
    problems.header("Idempotency-Key", "must be given once, with 1 to 255 printable ASCII characters");
    Problem::validation(problems)
}

/// The first answer again, marked as such. `None` when it is damaged.
#[must_use]
pub fn replay(status: i16, location: Option<&str>, body: String) -> Option<Response> {
    let status = u16::try_from(status).ok().and_then(|code| StatusCode::from_u16(code).ok())?;
    let json = HeaderValue::from_static("application/json");
    let mut response = (status, [(header::CONTENT_TYPE, json)], body).into_response();
    let headers = response.headers_mut();
    headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    if let Some(location) = location.filter(|location| !location.is_empty()) {
        headers.insert(header::LOCATION, HeaderValue::from_str(location).ok()?);
    }
    Some(response)
}
