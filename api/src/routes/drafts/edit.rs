//! `PUT /v1/plans/{id}` writes a draft anew, `GET /v1/plans/{id}/content` tells what would have to be written to leave it as it is.

use axum::Json;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use deadpool_postgres::Transaction;
use herald_shared::db;
use herald_shared::db::drafts::Held;
use herald_shared::domain::PlanStatus;
use herald_shared::domain::ids::PlanRef;
use jiff::Timestamp;

use super::super::plans::{Reading, plan_ref, reference_taken};
use super::held;
use crate::accept::{Draft, Request, Revision};
use crate::auth::CallerRef;
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, Params, entity_tag, may_change};
use crate::{App, views};

/// A draft that has more people than one request can name is looked at like an upload: one at a time and process.
const LARGE: i32 = 10_000;

pub(super) async fn edit(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    params: Params,
    headers: HeaderMap,
    Body { bytes, room }: Body,
) -> Result<Response> {
    params.finish()?;
    let plan = plan_ref(id)?;
    let reading = Reading { app: &app, tenant_id: caller.tenant_id, bytes, digest: false, edits: true };
    let (draft, _) = reading.run().await?;
    // Whoever may not see the plan learns nothing of it from what is wrong with the body.
    let mut db = app.db().await?;
    let status = db::control::status(&db, caller.tenant_id, plan).await?;
    may_be_edited(status.ok_or_else(|| Problem::not_found("plan"))?)?;
    let draft = draft.map_err(|refused| Problem::validation(refused.problems))?;
    let reference = draft.reference.clone();
    let edit = Edit { app: &app, caller: &caller, plan, headers: &headers };
    if let Err(error) = edit.run(&mut db, draft).await? {
        return Err(refusal(&db, caller.tenant_id, reference.as_deref(), error).await);
    }
    drop(room);
    let views = db::plans::views(&db, caller.tenant_id, &[plan.id]).await?;
    let view = views.first().ok_or_else(|| Problem::not_found("plan"))?;
    Ok((StatusCode::OK, [(ETAG, entity_tag(view.epoch))], Json(views::plan(view))).into_response())
}

/// A reference that another plan has is the one thing only the database knows.
async fn refusal(db: &db::Client, tenant_id: i64, reference: Option<&str>, error: db::Error) -> Problem {
    if let (Some("plan_reference"), Some(reference)) = (error.constraint(), reference)
        && let Ok(Some(first)) = db::plans::named(db, tenant_id, reference).await
    {
        return reference_taken(first);
    }
    error.into()
}

fn may_be_edited(status: PlanStatus) -> Result<()> {
    match status {
        PlanStatus::Draft | PlanStatus::Rejected | PlanStatus::AwaitingApproval => Ok(()),
        _ => {
            let detail = format!(
                "The plan is {status}; only a draft can be edited, or a plan that waits for approval or was rejected."
            );
            Err(Problem::new(Kind::PlanState, detail))
        }
    }
}

/// One edit.
struct Edit<'a> {
    app: &'a App,
    caller: &'a CallerRef,
    plan: PlanRef,
    headers: &'a HeaderMap,
}

impl Edit<'_> {
    /// Writes it; the inner error is the database's refusal of the commit as a whole.
    async fn run(&self, db: &mut db::Client, draft: Draft) -> Result<Result<(), db::Error>> {
        let transaction = db.transaction().await.map_err(db::Error::from)?;
        let held = held(&transaction, self.caller.tenant_id, self.plan).await?;
        may_be_edited(held.status)?;
        if !may_change(self.headers, held.epoch) {
            let detail =
                "The plan was changed after it was read: read it again, and send its new ETag as If-Match.";
            return Err(Problem::new(Kind::Outdated, detail));
        }
        self.keeps_its_name(&held, &draft)?;
        let kept = draft.recipients.is_empty();
        if kept {
            self.look_at_people(&transaction, &held, &draft).await?;
        }
        let written = async {
            let plan = self.new_plan(draft, &held);
            db::edit::replace(&transaction, &plan).await?;
            if !kept {
                db::edit::replace_people(&transaction, &plan).await?;
            }
            // Whatever was decided about what it was before is void.
            db::approval::edited(&transaction, self.plan.id, self.caller.key_id).await?;
            Ok(transaction.commit().await?)
        };
        Ok(written.await)
    }

    /// As a new plan of the same identity.
    fn new_plan(&self, mut draft: Draft, held: &Held) -> db::accept::NewPlan {
        // Whoever edited it before may not approve it either.
        draft.terms.authors =
            held.terms.authors.iter().copied().filter(|key| *key != self.caller.key_id).collect();
        let (key_id, tenant_id) = (self.caller.key_id, self.caller.tenant_id);
        let route = "PUT /v1/plans/{id}";
        let request = Request { key_id, tenant_id, route, idempotency: None, traceparent: None, draft };
        let created_at = Timestamp::from_millisecond(self.plan.created_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        request.into_plan(self.plan.id, created_at).0
    }

    /// A reference is a plan's for good: it may be given late, not changed.
    fn keeps_its_name(&self, held: &Held, draft: &Draft) -> Result<()> {
        let (Some(own), Some(given)) = (&held.reference, &draft.reference) else { return Ok(()) };
        if own == given {
            return Ok(());
        }
        let mut problems = crate::problems::Problems::default();
        problems
            .add("/reference", "names the plan for good and cannot be changed: leave it out or repeat it");
        Err(Problem::validation(problems))
    }

    /// People who stay must fit what is said to them now.
    async fn look_at_people(&self, db: &Transaction<'_>, held: &Held, draft: &Draft) -> Result<()> {
        let unreadable = |detail| Problem::new(Kind::Internal, detail);
        let Some(mut revision) = Revision::of(held, self.plan, draft).map_err(unreadable)? else {
            return Ok(());
        };
        let _turn = match held.recipients > LARGE {
            true => Some(super::upload::turn(self.app).await?),
            false => None,
        };
        let mut after = 0;
        loop {
            let people = db::drafts::people(db, held, after).await?;
            let Some((last, _)) = people.last() else { break };
            after = *last;
            let look = |(no, person): &_| Some((*no, revision.look(*no, person)?));
            let changed: Vec<_> = people.iter().filter_map(look).collect();
            if !changed.is_empty() {
                db::edit::correct(db, held, &changed).await?;
            }
            // Others on this thread have requests, too.
            tokio::task::yield_now().await;
        }
        let problems = revision.problems();
        if problems.is_empty() { Ok(()) } else { Err(Problem::validation(problems)) }
    }
}

/// What a sensitive plan says is its recipients' business.
pub(in super::super) fn not_sensitive(view: &db::plans::View) -> Result<()> {
    if !view.terms.sensitive {
        return Ok(());
    }
    let detail =
        "The plan is sensitive: what it says is shown to its recipients only. PUT writes a draft of it anew.";
    Err(Problem::new(Kind::PlanState, detail))
}

pub(super) async fn content(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    params: Params,
) -> Result<Response> {
    params.finish()?;
    let plan = plan_ref(id)?;
    let db = app.db().await?;
    let views = db::plans::views(&db, caller.tenant_id, &[plan.id]).await?;
    let view = views.first().filter(|view| view.plan == plan).ok_or_else(|| Problem::not_found("plan"))?;
    not_sensitive(view)?;
    let content = db::plans::content(&db, caller.tenant_id, plan).await?;
    let content = content.ok_or_else(|| Problem::not_found("plan"))?;
    Ok(([(ETAG, entity_tag(view.epoch))], Json(views::content(view, &content))).into_response())
}
