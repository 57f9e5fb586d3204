//! Drafts: `PUT /v1/plans/{id}` writes one anew, `POST /v1/plans/{id}/recipients` takes people in, also into plans that were sent;
//! `POST /v1/plans/{id}/send` lets them go out.

pub(super) mod edit;
mod list;
mod send;
mod target;
mod template;
mod upload;
mod workbook;

use axum::http::Method;
use herald_shared::db;
use herald_shared::db::drafts::Held;
use herald_shared::domain::PlanStatus;
use herald_shared::domain::ids::PlanRef;

use super::Route;
use crate::App;
use crate::auth::Scope;
use crate::error::{Kind, Problem, Result};

/// Where audiences stream in.
pub(crate) const UPLOAD: &str = "/v1/plans/{id}/recipients";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::PUT, super::PLAN, Scope::PlansWrite, edit::edit),
        Route::new(Method::GET, "/v1/plans/{id}/content", Scope::PlansRead, edit::content),
        Route::new(Method::POST, UPLOAD, Scope::PlansWrite, upload::upload),
        Route::new(Method::GET, "/v1/recipients/template", Scope::PlansWrite, template::template),
        Route::new(Method::POST, "/v1/plans/{id}/send", Scope::PlansWrite, send::send),
    ]
}

/// Holds a plan's row until the transaction ends.
async fn held(db: &deadpool_postgres::Transaction<'_>, tenant_id: i64, plan: PlanRef) -> Result<Held> {
    match db::drafts::hold(db, tenant_id, plan).await {
        Err(error) if error.is_locked() => {
            let detail =
                "Another request is changing this plan, perhaps an upload: try again when it has ended.";
            Err(Problem::new(Kind::InProgress, detail).retry_after(1))
        }
        held => match held?.ok_or_else(|| Problem::not_found("plan"))? {
            Held { binned: true, .. } => Err(super::control::binned()),
            held => Ok(held),
        },
    }
}

/// After a refusal: waits until the transaction that was given up has ended. Its rollback is only on its way when it is dropped, and
/// whoever tries again at once, over another connection, would find the draft still held.
async fn let_go(app: &App, db: &db::Client) {
    // The answer is the refusal, whatever becomes of this.
    drop(tokio::time::timeout(app.deadline, db.batch_execute("")).await);
}

/// Holds a draft until the transaction ends; `verb`: what cannot be done with any other plan.
async fn hold(
    db: &deadpool_postgres::Transaction<'_>,
    tenant_id: i64,
    plan: PlanRef,
    verb: &str,
) -> Result<Held> {
    let held = held(db, tenant_id, plan).await?;
    if held.status == PlanStatus::Draft {
        return Ok(held);
    }
    let detail = format!("The plan is {}; only a draft can be {verb}.", held.status);
    Err(Problem::new(Kind::PlanState, detail))
}
