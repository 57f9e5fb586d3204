//! `GET /v1/recipients/template`: an empty sheet with the titles an upload understands.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::accept::titles;
use crate::error::Result;
use crate::export::{Format, Words, Writer};
use crate::extract::{Language, Params};

pub(super) async fn template(language: Language, mut params: Params) -> Result<Response> {
    let format = params.parse::<Format>("format", "xlsx or csv").unwrap_or(Format::Xlsx);
    params.finish()?;
    let sheet = Words(language).pick("Recipients", "收件人");
    let bytes = Writer::new(format, sheet, &titles(language == Language::Chinese)).finish();
    let file = format!("attachment; filename=\"herald-recipients.{}\"", format.ending());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag())),
        (header::VARY, HeaderValue::from_static("accept-language")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&file).expect("endings are letters")),
    ];
    Ok((headers, bytes).into_response())
}
