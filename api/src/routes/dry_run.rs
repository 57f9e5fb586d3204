//! `POST /v1/plans/{id}/dry-run` and `POST /v1/plans?dry_run=true`: whom a plan would reach, by which account, at what price, until when.
//! A body is written like a draft in a transaction that is rolled back, so both are looked at by the same statements.

mod told;

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use deadpool_postgres::GenericClient;
use herald_shared::db;
use herald_shared::domain::ids::PlanRef;
use herald_shared::domain::reach::reach;
use herald_shared::domain::{FirstTiers, Lane, PlanStatus, Steps};
use jiff::Timestamp;

use self::told::{Facts, Told};
use super::Route;
use super::plans::{now, plan_ref, reference_taken};
use crate::App;
use crate::accept::{Draft, Original, Request};
use crate::auth::{CallerRef, Scope};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Id, Params};

/// Ids of plans that are only rehearsed: the uppermost there are, which no plan will ever get.
const REHEARSED: std::ops::Range<i64> = (1 << 36) - (1 << 30)..(1 << 36);

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Method::POST, "/v1/plans/{id}/dry-run", Scope::PlansRead, stored)]
}

/// Of a plan that has not gone out.
async fn stored(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<Response> {
    params.finish()?;
    let db = app.db().await?;
    Ok(Json(look(&db, caller.tenant_id, plan_ref(id)?).await?).into_response())
}

/// Of a body. Nothing of it is left.
pub(super) async fn rehearse(app: &App, caller: &CallerRef, draft: Draft) -> Result<Response> {
    let (key_id, tenant_id) = (caller.key_id, caller.tenant_id);
    let draft = Draft { held: true, ..draft };
    let reference = draft.reference.clone();
    let request = Request { key_id, tenant_id, route: "", idempotency: None, traceparent: None, draft };
    let created_at = Timestamp::from_millisecond(now().as_millisecond()).unwrap_or_default();
    let (plan, ..) = request.into_plan(fastrand::i64(REHEARSED), created_at);
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if !db::accept::rehearse(&transaction, &plan).await? {
        let first =
            db::plans::named(&transaction, tenant_id, reference.as_deref().unwrap_or_default()).await?;
        return Err(first.map_or_else(|| Problem::unavailable("Try again.", 1), reference_taken));
    }
    let told = look(&transaction, tenant_id, PlanRef::new(created_at, plan.id)).await?;
    transaction.rollback().await.map_err(db::Error::from)?;
    Ok(Json(told).into_response())
}

/// Looks at a plan as it is stored.
async fn look(db: &impl GenericClient, tenant_id: i64, plan: PlanRef) -> Result<Told> {
    let views = db::plans::views(db, tenant_id, &[plan.id]).await?;
    let view = views.first().filter(|view| view.plan == plan).ok_or_else(|| Problem::not_found("plan"))?;
    let before =
        [PlanStatus::Draft, PlanStatus::AwaitingApproval, PlanStatus::Rejected, PlanStatus::Scheduled];
    if !before.contains(&view.status) {
        let detail = format!("The plan is {}; a dry run is for what has not gone out yet.", view.status);
        return Err(Problem::new(Kind::PlanState, detail));
    }
    let content = db::plans::content(db, tenant_id, plan).await?.ok_or_else(|| Problem::not_found("plan"))?;
    let original = Original::new(view, content).map_err(|detail| Problem::new(Kind::PlanState, detail))?;
    let steps = Steps::of(&view.tiers, view.lane, view.terms.repeat.unwrap_or(0));
    let slots = steps.slots(&view.tiers);
    let mut kinds: Vec<&'static str> = slots.iter().map(|slot| slot.channel().address_kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mailing_of = (view.lane != Lane::Urgent).then_some(tenant_id);
    let people = db::dry_run::people(db, plan.id, &kinds, mailing_of).await?;
    let (reaches, unreachable) = reach(&slots, FirstTiers::of(&view.tiers, &steps), &people);
    let facts = Facts {
        view,
        steps,
        general: original.is_general(),
        unreachable,
        carriers: db::dry_run::carriers(db, tenant_id).await?,
        waiting: db::dry_run::waiting(db, tenant_id, view.lane.code()).await?,
        now: now(),
    };
    Ok(facts.told(&reaches))
}
