//! `/v1/plans/{id}/render` shows what one person would get, `/v1/plans/{id}/preview` sends it to somebody beforehand.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use herald_shared::db;
use herald_shared::db::accept::NewRecipient;
use herald_shared::db::plans::View;
use herald_shared::domain::Content;
use herald_shared::domain::ids::{self, PlanRef};
use herald_shared::links::TOKEN_LENGTH;
use serde::Serialize;
use uuid::Uuid;

use super::Route;
use super::drafts::edit::not_sensitive;
use super::plans::{answer, now, plan_ref};
use crate::accept::{Asked, Original, Part, Request};
use crate::auth::{CallerRef, Scope};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, IdempotencyKey, Params, parse};
use crate::observe::Trace;
use crate::problems::Problems;
use crate::{App, digest};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/v1/plans/{id}/render", Scope::PlansRead, render),
        Route::new(Method::POST, PREVIEW.1, Scope::PlansWrite, preview),
    ]
}

/// Method with path, and path.
const PREVIEW: (&str, &str) = ("POST /v1/plans/{id}/preview", "/v1/plans/{id}/preview");

/// What one person would get.
#[derive(Serialize)]
struct Shown {
    /// The recipient it is for; `null`: somebody given with the request.
    recipient: Option<Uuid>,
    channels: Vec<Part>,
}

async fn render(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    params: Params,
    Body { bytes, .. }: Body,
) -> Result<Response> {
    params.finish()?;
    let document = parse(&bytes)?;
    let asked = Asked::read(&document, "recipient", &app.net).map_err(Problem::validation)?;
    let db = app.db().await?;
    let plan = plan_ref(id)?;
    let (view, content) = stored(&db, caller.tenant_id, plan).await?;
    let (recipient, person) = match asked {
        Asked { to: Some(_), recipient: Some(_) } => {
            return Err(wrong("/recipient", "is given beside to: give one of the two"));
        }
        Asked { to: Some(to), recipient: None } => (None, to),
        Asked { to: None, recipient: Some(id) } => {
            (Some(id), recipient_of(&db, plan, id, "/recipient").await?)
        }
        Asked { to: None, recipient: None } => {
            let first = db::drafts::person_at(&db, plan.id, 1).await?;
            let first = first.ok_or_else(|| wrong("/to", "is required while the plan has no recipients"))?;
            (Some(ids::recipient_uuid(plan, 1)), first)
        }
    };
    let original = Original::new(&view, content).map_err(unusable)?;
    let base = app.links.base.as_ref().map_or("https://", |base| base.as_str());
    // As long as a real one, and nobody's.
    let link = format!("{base}/m/{}", "x".repeat(TOKEN_LENGTH));
    let channels = original.parts(&person, &link).map_err(Problem::validation)?;
    Ok(Json(Shown { recipient, channels }).into_response())
}

async fn preview(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    params: Params,
    IdempotencyKey(key): IdempotencyKey,
    Extension(Trace(traceparent)): Extension<Trace>,
    Body { bytes, .. }: Body,
) -> Result<Response> {
    params.finish()?;
    let document = parse(&bytes)?;
    let asked = Asked::read(&document, "as", &app.net).map_err(Problem::validation)?;
    let plan = plan_ref(id)?;
    // The plan is part of what an Idempotency-Key stands for.
    let hash = digest::of(&format!("[\"{id}\",{}]", document.text()));
    let chosen = app.choices.current(&app, caller.tenant_id).await?;
    let draft = {
        let db = app.db().await?;
        let (view, content) = stored(&db, caller.tenant_id, plan).await?;
        let to = asked.to.ok_or_else(|| wrong("/to", "is required: a recipient, as in POST /v1/plans"))?;
        let of = match asked.recipient {
            Some(id) => Some(recipient_of(&db, plan, id, "/as").await?),
            None => None,
        };
        let original = Original::new(&view, content).map_err(unusable)?;
        original.preview(to, of, &chosen, now()).map_err(Problem::validation)?
    };
    let request = Request {
        key_id: caller.key_id,
        tenant_id: caller.tenant_id,
        route: PREVIEW.0,
        idempotency: key.map(|key| (key, hash)),
        traceparent,
        draft,
    };
    answer(app.batcher.submit(request).await?)
}

/// A plan with what it says.
async fn stored(db: &db::Client, tenant_id: i64, plan: PlanRef) -> Result<(View, Content)> {
    let views = db::plans::views(db, tenant_id, &[plan.id]).await?;
    let view = views.into_iter().find(|view| view.plan == plan).ok_or_else(|| Problem::not_found("plan"))?;
    not_sensitive(&view)?;
    let content = db::plans::content(db, tenant_id, plan).await?.ok_or_else(|| Problem::not_found("plan"))?;
    Ok((view, content))
}

/// A recipient of `plan`, whom the caller may see because they may see the plan.
async fn recipient_of(db: &db::Client, plan: PlanRef, id: Uuid, at: &str) -> Result<NewRecipient> {
    let no = ids::parse(id).filter(|packed| packed.plan == plan && packed.slot == 0 && packed.no > 0);
    let found = match no {
        Some(packed) => db::drafts::person_at(db, plan.id, packed.no).await?,
        None => None,
    };
    found.ok_or_else(|| wrong(at, "is no recipient of this plan: take an id of its list of recipients"))
}

fn wrong(at: &str, detail: &str) -> Problem {
    let mut problems = Problems::default();
    problems.add(at, detail);
    Problem::validation(problems)
}

fn unusable(detail: String) -> Problem {
    Problem::new(Kind::PlanState, detail)
}
