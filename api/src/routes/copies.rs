//! `POST /v1/plans/{id}/copy`: a plan as a new draft, of its own number.

use axum::extract::{Extension, FromRequest as _, Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use deadpool_postgres::Transaction;
use herald_shared::db;
use herald_shared::db::copies::{self, Begun, Copy};
use herald_shared::domain::ids::PlanRef;
use jiff::Timestamp;
use uuid::Uuid;

use super::Route;
use super::keep::{Keep, Kept};
use super::plans::plan_ref;
use super::remind::ERASED;
use crate::auth::{CallerRef, Scope};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, IdempotencyKey, Params, parse};
use crate::observe::Trace;
use crate::problems::Problems;
use crate::{App, views};

/// Where plans are copied: a large one takes longer than other answers.
pub(crate) const COPY: &str = "/v1/plans/{id}/copy";
const ROUTE: &str = "POST /v1/plans/{id}/copy";

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Method::POST, COPY, Scope::PlansWrite, copy)]
}

async fn copy(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    params: Params,
    IdempotencyKey(key): IdempotencyKey,
    Extension(Trace(traceparent)): Extension<Trace>,
    request: Request,
) -> Result<Response> {
    params.finish()?;
    let (with_people, keep) = read(&app, &caller, id, key, request).await?;
    let plan = plan_ref(id)?;
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(&app, &transaction).await? {
        return answer;
    }
    let draft = make(&app, &transaction, &caller, plan, with_people, traceparent.as_deref()).await?;
    let found = db::plans::views(&transaction, caller.tenant_id, &[draft.id]).await?;
    let view = found.first().ok_or_else(|| Problem::not_found("plan"))?;
    let text = serde_json::to_string(&views::plan(view)).expect("a plan can be written as JSON");
    let location = format!("/v1/plans/{}", draft.uuid());
    keep.created(&app, transaction, &location, text).await
}

/// Whether the people are wanted, and the key. A request without a body wants everything.
async fn read(
    app: &App,
    caller: &CallerRef,
    id: Uuid,
    key: Option<String>,
    request: Request,
) -> Result<(bool, Keep)> {
    let bytes = match request.headers().contains_key(CONTENT_TYPE) {
        true => Body::from_request(request, app).await?.bytes,
        false => "{}".into(),
    };
    let document = parse(&bytes)?;
    let mut problems = Problems::default();
    let with_people = document.root().object(&mut problems).map(|mut object| {
        let people = object.take("recipients").and_then(|field| field.boolean(&mut problems));
        object.finish(&mut problems);
        people.unwrap_or(true)
    });
    let with_people =
        with_people.filter(|_| problems.is_empty()).ok_or_else(|| Problem::validation(problems))?;
    // The same words about another plan are another request.
    let whole = format!("[\"{id}\", {}]", document.text());
    let whole = parse(whole.as_bytes())?;
    Ok((with_people, Keep::new(caller, ROUTE, key, &whole)))
}

/// Makes the copy in the caller's transaction; people are copied in pieces, each of which is answered in time.
pub(super) async fn make(
    app: &App,
    db: &Transaction<'_>,
    caller: &CallerRef,
    plan: PlanRef,
    with_people: bool,
    traceparent: Option<&str>,
) -> Result<PlanRef> {
    let copy = match copies::begin(db, caller.tenant_id, plan, Timestamp::now(), traceparent).await? {
        Begun::Yes(copy) => copy,
        Begun::Unknown => return Err(Problem::not_found("plan")),
        Begun::Erased => return Err(Problem::new(Kind::PlanState, ERASED)),
    };
    db::approval::edited(db, copy.draft.id, caller.key_id).await?;
    let mut after = if with_people { 0 } else { copy.people };
    while after < copy.people {
        after = in_time(app, piece(db, &copy, after)).await?;
    }
    if with_people {
        in_time(app, async { Ok(copies::counted(db, &copy).await?) }).await?;
    }
    Ok(copy.draft)
}

async fn piece(db: &Transaction<'_>, copy: &Copy, after: i32) -> Result<i32> {
    Ok(copies::people(db, copy, after).await?)
}

async fn in_time<T>(app: &App, asked: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(app.deadline, asked).await.unwrap_or_else(|_| Err(db::Error::Deadline.into()))
}
