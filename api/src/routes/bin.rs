//! The bin: `POST /v1/plans/{id}/bin` and `/restore`, `DELETE /v1/plans/{id}`; and `POST /v1/plans/batch`, the same and other orders for
//! many plans.

mod batch;

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use herald_shared::db;
use herald_shared::db::bin::{Move, Moved, Purged};
use herald_shared::domain::PlanStatus;
use herald_shared::domain::ids::PlanRef;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Route;
use super::control::show;
use super::plans::plan_ref;
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Id, Params};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/v1/plans/{id}/bin", Scope::PlansWrite, bin),
        Route::new(Method::POST, "/v1/plans/{id}/restore", Scope::PlansWrite, restore),
        Route::new(Method::DELETE, super::PLAN, Scope::PlansWrite, purge),
        Route::new(Method::POST, "/v1/plans/batch", Scope::PlansWrite, batch::batch),
    ]
}

async fn bin(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<Response> {
    params.finish()?;
    let (db, plan) = (app.db().await?, plan_ref(id)?);
    put(&db, caller.tenant_id, plan, Move::Bin(app.retention.bin)).await?;
    show(&db, caller.tenant_id, plan).await
}

async fn restore(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<Response> {
    params.finish()?;
    let (db, plan) = (app.db().await?, plan_ref(id)?);
    put(&db, caller.tenant_id, plan, Move::Restore).await?;
    show(&db, caller.tenant_id, plan).await
}

async fn put(db: &db::Client, tenant_id: i64, plan: PlanRef, to: Move) -> Result<()> {
    match db::bin::put(db, tenant_id, plan, to).await? {
        Moved::Yes(()) => Ok(()),
        Moved::No(status) => {
            let hint = match status {
                PlanStatus::AwaitingApproval => "reject or recall it first",
                _ => "stop or recall it first",
            };
            let detail = format!("The plan is {status}: {hint}; the bin takes what is not on its way.");
            Err(Problem::new(Kind::PlanState, detail))
        }
        Moved::Unknown => Err(Problem::not_found("plan")),
    }
}

/// What was taken away for good.
#[derive(Serialize)]
struct Gone {
    id: Uuid,
    number: String,
    recipients: i32,
    deliveries: i32,
    purged_at: Timestamp,
}

async fn purge(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<Response> {
    params.finish()?;
    let (db, plan) = (app.db().await?, plan_ref(id)?);
    let Purged { recipients, deliveries, at } = gone(&db, caller.tenant_id, plan).await?;
    let number = plan.number();
    Ok(Json(Gone { id, number, recipients, deliveries, purged_at: at }).into_response())
}

async fn gone(db: &db::Client, tenant_id: i64, plan: PlanRef) -> Result<Purged> {
    match db::bin::purge(db, tenant_id, plan).await? {
        Moved::Yes(purged) => Ok(purged),
        Moved::No(_) => {
            let detail = "Only what is in the bin can be purged: POST /v1/plans/{id}/bin first.";
            Err(Problem::new(Kind::PlanState, detail))
        }
        Moved::Unknown => Err(Problem::not_found("plan")),
    }
}
