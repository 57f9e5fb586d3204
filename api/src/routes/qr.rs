//! `/v1/plans/{id}/qr`: the QR code of a plan's page, for posters and screens.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use herald_shared::db;

use super::Route;
use super::plans::plan_ref;
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Id, Params};
use crate::pages::{self, group};
use crate::qr::Format;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Method::GET, "/v1/plans/{id}/qr", Scope::PlansRead, picture)]
}

async fn picture(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    mut params: Params,
) -> Result<Response> {
    let format = params.parse("format", "svg or png").unwrap_or(Format::Svg);
    params.finish()?;
    let plan = plan_ref(id)?;
    let slots = db::plans::slots(&app.db().await?, caller.tenant_id, plan).await?;
    slots.ok_or_else(|| Problem::not_found("plan"))?;
    let links = pages::links(&app).await?.ok_or_else(|| {
        Problem::new(Kind::PlanState, "Pages have no address: ask the operator to set HERALD_PUBLIC_URL.")
    })?;
    let link = group::link(&links, plan.id);
    let drawn = format.draw(&link);
    let picture = drawn.ok_or_else(|| Problem::new(Kind::Internal, "The QR code cannot be drawn."))?;
    let link = HeaderValue::from_str(&link).expect("links have only characters that a header may have");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
        (HeaderName::from_static("x-page"), link),
    ];
    Ok((headers, picture).into_response())
}
