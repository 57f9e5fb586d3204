//! `/openapi.json` and `/docs`: the contract, for programs and for people. Neither needs anything from the network.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The `OpenAPI` 3.1 document, as served.
pub const OPENAPI: &str = include_str!("../openapi.json");
const PAGE: &str = include_str!("../docs.html");

/// Only the page's own script and style run: they are named by their hashes.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; connect-src 'self'; script-src '{}'; style-src '{}'; base-uri 'none'; frame-ancestors 'none'",
        hash(between("<script>", "</script>")),
        hash(between("<style>", "</style>")),
    );
    HeaderValue::from_str(&policy).expect("hashes are base64")
});

/// Serves [`OPENAPI`].
pub async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], OPENAPI)
}

/// Serves the page that shows it.
pub async fn page() -> impl IntoResponse {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    ([(header::CONTENT_TYPE, html), (header::CONTENT_SECURITY_POLICY, POLICY.clone())], PAGE)
}

fn between(open: &str, close: &str) -> &'static str {
    let start = PAGE.find(open).map_or(0, |at| at + open.len());
    let end = PAGE[start..].find(close).map_or(start, |at| start + at);
    &PAGE[start..end]
}

fn hash(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    format!("sha256-{}", STANDARD.encode(digest))
}
