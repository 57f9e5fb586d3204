//! `POST /v1/plans/{id}/send`.

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use herald_shared::db;
use herald_shared::db::drafts::{Held, never};
use herald_shared::domain::approval::Approval;
use herald_shared::domain::ids::PlanRef;
use jiff::Timestamp;

use super::super::json_text;
use super::super::keep::{Keep, Kept};
use super::super::plans::plan_ref;
use super::{hold, let_go};
use crate::accept::approval::say;
use crate::accept::expiry;
use crate::auth::CallerRef;
use crate::error::{Kind, Problem, Result};
use crate::extract::{Id, IdempotencyKey, Params, parse};
use crate::observe::Trace;
use crate::{App, views};

pub(super) async fn send(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    params: Params,
    IdempotencyKey(key): IdempotencyKey,
    Extension(Trace(traceparent)): Extension<Trace>,
) -> Result<Response> {
    params.finish()?;
    let plan = plan_ref(id)?;
    let keep = {
        // No body: two requests differ in the plan they name.
        let same = format!("\"{id}\"");
        let document = parse(same.as_bytes())?;
        Keep::new(&caller, "POST /v1/plans/{id}/send", key, &document)
    };
    let mut db = app.db().await?;
    let sent = in_one(&app, &mut db, (&caller, plan), &keep, traceparent.as_deref()).await;
    if sent.is_err() {
        let_go(&app, &db).await;
    }
    sent
}

/// Sends it, or repeats the answer of the request that did, in one transaction.
async fn in_one(
    app: &App,
    db: &mut db::Client,
    (caller, plan): (&CallerRef, PlanRef),
    keep: &Keep,
    trace: Option<&str>,
) -> Result<Response> {
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(app, &transaction).await? {
        return answer;
    }
    let draft = hold(&transaction, caller.tenant_id, plan, "sent").await?;
    if draft.recipients == 0 {
        let detail = "The draft has no recipients: add them with POST /v1/plans/{id}/recipients.";
        return Err(Problem::new(Kind::PlanState, detail));
    }
    let times = times(&draft)?;
    let approval = approval(&transaction, &draft).await?;
    match &approval {
        Some(_) if app.links.base.is_none() => return Err(unpublished()),
        Some(approval) => {
            db::approval::ask(&transaction, &draft, times, trace, approval, caller.key_id).await?;
        }
        None => db::drafts::send(&transaction, &draft, times, trace).await?,
    }
    let found = db::plans::views(&transaction, caller.tenant_id, &[plan.id]).await?;
    let view = found.first().ok_or_else(|| Problem::not_found("plan"))?;
    let text = serde_json::to_string(&views::plan(view)).expect("a plan can be written as JSON");
    keep.complete(app, &transaction, 202, None, &text).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    app.metrics.accepted(draft.lane);
    if approval.is_some() {
        app.notices.due();
    }
    Ok((StatusCode::ACCEPTED, json_text(text)).into_response())
}

/// Who must agree first, by what the draft says and what its tenant has set.
async fn approval(db: &deadpool_postgres::Transaction<'_>, draft: &Held) -> Result<Option<Approval>> {
    let rules = db::approval::rules(db, draft.tenant_id).await?;
    let (people, channels) =
        (usize::try_from(draft.recipients).unwrap_or(0), draft.slots.iter().map(|slot| slot.channel()));
    let asked = rules.as_ref().is_some_and(|rules| rules.asks(people, channels, draft.lane));
    let (own, sender) = (draft.terms.approval.as_ref(), draft.terms.sender.as_ref());
    Approval::needed(own, rules.as_ref(), sender, asked).map_err(|lack| {
        Problem::new(Kind::PlanState, format!("The draft needs approval, and {}.", say(lack)))
    })
}

fn unpublished() -> Problem {
    let detail = "The draft needs approval, and approvers decide on a page, which has no address here: the operator must set HERALD_PUBLIC_URL.";
    Problem::new(Kind::PlanState, detail)
}

/// When it starts and when to give up, counted from the start where the draft names no time.
fn times(draft: &Held) -> Result<(Option<Timestamp>, Timestamp)> {
    let now = Timestamp::now();
    if let Some(recurrence) = &draft.terms.recurrence {
        let first = recurrence.pattern().ok().and_then(|pattern| pattern.after(now).next());
        let over = || {
            Problem::new(Kind::PlanState, "The draft's recurrence has no time from now on: make a new draft.")
        };
        // Each occurrence is given up by itself.
        return first.map(|at| (Some(at), never())).ok_or_else(over);
    }
    let start = draft.send_at.map_or(now, |at| at.max(now));
    let expires_at = match draft.expires_at {
        None => expiry(start, draft.terms.expires_after, draft.lane, draft.waits)
            .ok_or_else(|| Problem::new(Kind::PlanState, "The draft's send_at is too far in the future.")),
        Some(at) if at > start => Ok(at),
        Some(_) => {
            let detail =
                "The draft's expires_at has passed, so nothing of it would go out: make a new draft.";
            Err(Problem::new(Kind::PlanState, detail))
        }
    };
    Ok((draft.send_at, expires_at?))
}
