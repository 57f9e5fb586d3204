//! `/v1/plans/{id}/pause|resume|stop|escalate`: orders to a plan on its way. Each answers with the plan; all but `escalate`
//! change one row.

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use herald_shared::db;
use herald_shared::db::control::{Obeyed, Order};
use herald_shared::domain::PlanStatus;
use herald_shared::domain::ids::PlanRef;

use super::Route;
use super::plans::plan_ref;
use crate::auth::{CallerRef, Scope};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Id, Params};
use crate::{App, views};

pub(super) fn routes() -> Vec<Route> {
    let orders = [
        ("/v1/plans/{id}/pause", Order::Pause),
        ("/v1/plans/{id}/resume", Order::Resume),
        ("/v1/plans/{id}/stop", Order::Stop),
    ];
    let route = |(path, order)| {
        let handler = async move |State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params| {
            params.finish()?;
            obey(&app, caller.tenant_id, plan_ref(id)?, order).await
        };
        Route::new(Method::POST, path, Scope::PlansWrite, handler)
    };
    let mut routes: Vec<Route> = orders.into_iter().map(route).collect();
    routes.push(Route::new(Method::POST, "/v1/plans/{id}/escalate", Scope::PlansWrite, escalate));
    routes
}

/// Ends the waits that are under way now.
async fn escalate(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<Response> {
    params.finish()?;
    let plan = plan_ref(id)?;
    let db = app.db().await?;
    match db::control::status(&db, caller.tenant_id, plan).await? {
        None => Err(Problem::not_found("plan")),
        Some(PlanStatus::Running) => {
            db::escalate::now(&db, caller.tenant_id, plan).await?;
            show(&db, caller.tenant_id, plan).await
        }
        Some(status) => {
            let hint = if status == PlanStatus::Paused { " Resume it first." } else { "" };
            let detail = format!("The plan is {status}; one can be escalated that is running.{hint}");
            Err(Problem::new(Kind::PlanState, detail))
        }
    }
}

pub(super) async fn obey(app: &App, tenant_id: i64, plan: PlanRef, order: Order) -> Result<Response> {
    let db = app.db().await?;
    self::order(&db, tenant_id, plan, order).await?;
    show(&db, tenant_id, plan).await
}

/// Gives an order.
pub(super) async fn order(db: &db::Client, tenant_id: i64, plan: PlanRef, order: Order) -> Result<()> {
    match db::control::order(db, tenant_id, plan, order).await? {
        Obeyed::Yes => Ok(()),
        Obeyed::No(status) => Err(refusal(order, status)),
        Obeyed::Binned => Err(binned()),
        Obeyed::Unknown => Err(Problem::not_found("plan")),
    }
}

/// A plan as it is now.
pub(super) async fn show(db: &db::Client, tenant_id: i64, plan: PlanRef) -> Result<Response> {
    let found = db::plans::views(db, tenant_id, &[plan.id]).await?;
    let view = found.first().ok_or_else(|| Problem::not_found("plan"))?;
    Ok(Json(views::plan(view)).into_response())
}

/// Nothing is done to a plan in the bin.
pub(super) fn binned() -> Problem {
    Problem::new(
        Kind::PlanState,
        "The plan is in the bin: take it out with POST /v1/plans/{id}/restore first.",
    )
}

fn refusal(order: Order, status: PlanStatus) -> Problem {
    let verb = match order {
        Order::Pause => "paused",
        Order::Resume => "resumed",
        Order::Recall => "recalled",
        Order::Stop => "stopped",
    };
    let from: Vec<&str> = order.from().iter().map(|status| status.as_str()).collect();
    let hint = match status {
        PlanStatus::Draft => " Nothing of a draft goes out before it is sent.",
        _ if order == Order::Stop && status == PlanStatus::Finished => " Recall withdraws what was sent.",
        _ => "",
    };
    let detail = format!("The plan is {status}; one can be {verb} that is {}.{hint}", from.join(" or "));
    Problem::new(Kind::PlanState, detail)
}
