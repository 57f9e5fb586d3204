//! `POST /v1/plans/{id}/recall`: withdraws a plan; with `{"edit": true}` a draft takes its place.

use axum::extract::{Extension, FromRequest as _, Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use herald_shared::db::control::Order;
use herald_shared::db::{self, copies};
use herald_shared::domain::ids::PlanRef;

use super::control::{obey, show};
use super::plans::plan_ref;
use super::{Route, copies as copying};
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::error::{Problem, Result};
use crate::extract::{Body, Id, Params, parse};
use crate::observe::Trace;
use crate::problems::Problems;

/// Where plans are recalled: with a copy to make it takes longer than other answers.
pub(crate) const RECALL: &str = "/v1/plans/{id}/recall";

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Method::POST, RECALL, Scope::PlansWrite, recall)]
}

async fn recall(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    params: Params,
    Extension(Trace(traceparent)): Extension<Trace>,
    request: Request,
) -> Result<Response> {
    params.finish()?;
    let edit = read(&app, request).await?;
    let plan = plan_ref(id)?;
    // In a commit of its own: it holds at once, and whoever settles what was under way need not wait for the copy.
    let answer = obey(&app, caller.tenant_id, plan, Order::Recall).await?;
    if !edit {
        return Ok(answer);
    }
    supersede(&app, &caller, plan, traceparent.as_deref()).await?;
    show(&app.db().await?, caller.tenant_id, plan).await
}

/// Whether a draft is to take the plan's place. A request without a body only recalls.
async fn read(app: &App, request: Request) -> Result<bool> {
    if !request.headers().contains_key(CONTENT_TYPE) {
        return Ok(false);
    }
    let bytes = Body::from_request(request, app).await?.bytes;
    if bytes.is_empty() {
        return Ok(false);
    }
    let document = parse(&bytes)?;
    let mut problems = Problems::default();
    let edit = document.root().object(&mut problems).map(|mut object| {
        let edit = object.take("edit").and_then(|field| field.boolean(&mut problems));
        object.finish(&mut problems);
        edit.unwrap_or(false)
    });
    edit.filter(|_| problems.is_empty()).ok_or_else(|| Problem::validation(problems))
}

/// Makes the draft that takes a recalled plan's place, unless there is one.
async fn supersede(app: &App, caller: &CallerRef, plan: PlanRef, traceparent: Option<&str>) -> Result<()> {
    let mut client = app.db().await?;
    if copies::successor(&client, caller.tenant_id, plan.id).await?.is_some() {
        return Ok(());
    }
    let transaction = client.transaction().await.map_err(db::Error::from)?;
    let draft = copying::make(app, &transaction, caller, plan, true, traceparent).await?;
    // Of two requests at once one makes it; the other's copy is undone.
    if copies::supersede(&transaction, plan.id, draft.id).await? {
        transaction.commit().await.map_err(db::Error::from)?;
    }
    Ok(())
}
