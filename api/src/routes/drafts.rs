//! Drafts: `POST /v1/plans/{id}/recipients` streams people in, `POST /v1/plans/{id}/send` lets them go out.

mod send;
mod template;
mod upload;
mod workbook;

use axum::http::Method;
use herald_shared::db;
use herald_shared::db::drafts::Held;
use herald_shared::domain::PlanStatus;
use herald_shared::domain::ids::PlanRef;

use super::Route;
use crate::auth::Scope;
use crate::error::{Kind, Problem, Result};

/// Where audiences stream in.
pub(crate) const UPLOAD: &str = "/v1/plans/{id}/recipients";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, UPLOAD, Scope::PlansWrite, upload::upload),
        Route::new(Method::GET, "/v1/recipients/template", Scope::PlansWrite, template::template),
        Route::new(Method::POST, "/v1/plans/{id}/send", Scope::PlansWrite, send::send),
    ]
}

/// Holds a draft until the transaction ends; `verb`: what cannot be done with any other plan.
async fn hold(
    db: &deadpool_postgres::Transaction<'_>,
    tenant_id: i64,
    plan: PlanRef,
    verb: &str,
) -> Result<Held> {
    let held = match db::drafts::hold(db, tenant_id, plan).await {
        Err(error) if error.is_locked() => {
            let detail =
                "Another request is changing this plan, perhaps an upload: try again when it has ended.";
            return Err(Problem::new(Kind::InProgress, detail).retry_after(1));
        }
        held => held?.ok_or_else(|| Problem::not_found("plan"))?,
    };
    if held.status == PlanStatus::Draft {
        return Ok(held);
    }
    let detail = format!("The plan is {}; only a draft can be {verb}.", held.status);
    Err(Problem::new(Kind::PlanState, detail))
}
