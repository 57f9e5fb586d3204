//! Approval by programs: `/v1/plans/{id}/approve|reject|approvals`, and the tenant's rules, `/v1/settings/approval`. Persons decide on
//! their page (`pages::approve`).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::Method;
use axum::response::Response;
use herald_shared::db;
use herald_shared::db::approval::{Asked, Decided, Decision, Judge, Standing};
use herald_shared::domain::approval::{ApprovalRules, Opinion, Person};
use herald_shared::domain::{Lane, PlanStatus};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Route;
use super::control::show;
use super::plans::plan_ref;
use crate::accept::approval;
use crate::auth::{CallerRef, Scope};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, Params, parse};
use crate::json::Document;
use crate::problems::Problems;
use crate::{App, views};

/// Characters of a comment.
pub(crate) const MAX_COMMENT: usize = 1000;
/// Bytes of a body that holds a comment.
const MAX_BODY: usize = 16 * 1024;
/// People a plan may have.
const MANY: i32 = 1_000_000;

pub(super) fn routes() -> Vec<Route> {
    let decide = |path, opinion| {
        let handler = async move |State(app): State<App>,
                                  caller: CallerRef,
                                  Id(id): Id,
                                  params: Params,
                                  body: Bytes| {
            params.finish()?;
            decide(&app, &caller, id, opinion, &body).await
        };
        Route::new(Method::POST, path, Scope::PlansApprove, handler).layer(DefaultBodyLimit::max(MAX_BODY))
    };
    vec![
        decide("/v1/plans/{id}/approve", Opinion::Approved),
        decide("/v1/plans/{id}/reject", Opinion::Rejected),
        Route::new(Method::GET, "/v1/plans/{id}/approvals", Scope::PlansRead, history),
        Route::new(Method::GET, "/v1/settings/approval", Scope::SettingsRead, rules),
        Route::new(Method::PUT, "/v1/settings/approval", Scope::SettingsWrite, put_rules),
    ]
}

async fn decide(app: &App, caller: &CallerRef, id: Uuid, opinion: Opinion, body: &[u8]) -> Result<Response> {
    let (plan, comment) = (plan_ref(id)?, comment(body, opinion)?);
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    let standing = db::approval::standing(&transaction, caller.tenant_id, plan, caller.key_id).await?;
    let standing = standing.ok_or_else(|| Problem::not_found("plan"))?;
    if let Some(step) = open_step(&standing, opinion)? {
        let decision = Decision {
            plan_id: plan.id,
            round: standing.round,
            step,
            opinion,
            judge: Judge::Key(caller.key_id),
            name: Some(&standing.name),
            comment: comment.as_deref(),
        };
        if db::approval::decide(&transaction, &decision).await? != Decided::Yes {
            return Err(not_waiting(PlanStatus::Expired));
        }
        transaction.commit().await.map_err(db::Error::from)?;
        app.notices.due();
    } else {
        drop(transaction);
    }
    show(&db, caller.tenant_id, plan).await
}

/// The step the key may decide; `None`: it has said so before, and nothing changes.
fn open_step(standing: &Standing, opinion: Opinion) -> Result<Option<i16>> {
    if standing.said == Some(opinion) {
        return Ok(None);
    }
    if standing.status != PlanStatus::AwaitingApproval {
        return Err(not_waiting(standing.status));
    }
    if standing.is_author {
        let detail = "This key made or changed the plan; another key or an approver must decide.";
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    if standing.said.is_some() {
        let detail = "This key has decided a step of this plan; the next one is somebody else's.";
        return Err(Problem::new(Kind::Decided, detail));
    }
    Ok(standing.step)
}

fn not_waiting(status: PlanStatus) -> Problem {
    let detail = format!("The plan is {status}; one can be decided that is awaiting_approval.");
    Problem::new(Kind::PlanState, detail)
}

/// `{"comment": …}`, or nothing; whoever rejects says why.
fn comment(body: &[u8], opinion: Opinion) -> Result<Option<String>> {
    let mut problems = Problems::default();
    let mut comment = None;
    if !body.is_empty() {
        let document = parse(body)?;
        if let Some(mut object) = document.root().object(&mut problems) {
            comment = object.take("comment").and_then(|field| field.text(MAX_COMMENT, &mut problems));
            object.finish(&mut problems);
        }
    }
    if comment.is_none() && opinion == Opinion::Rejected && problems.is_empty() {
        problems.add("/comment", "is required: whoever rejects says why");
    }
    if problems.is_empty() { Ok(comment) } else { Err(Problem::validation(problems)) }
}

/// One step of one round.
#[derive(Serialize)]
struct Item {
    /// 1 is the newest.
    round: usize,
    step: i16,
    state: &'static str,
    /// The plan was changed since: it counts no more.
    void: bool,
    asked_at: Timestamp,
    /// Whom was asked, addresses masked; not kept of older rounds.
    approvers: Option<Vec<Person>>,
    decided_at: Option<Timestamp>,
    by: Option<By>,
    comment: Option<String>,
}

/// Who decided: a person, or a key by its id.
#[derive(Serialize)]
struct By {
    name: Option<String>,
    key: Option<Uuid>,
}

#[derive(Serialize)]
struct History {
    items: Vec<Item>,
}

async fn history(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    params: Params,
) -> Result<Json<History>> {
    params.finish()?;
    let plan = plan_ref(id)?;
    let db = app.db().await?;
    db::control::status(&db, caller.tenant_id, plan).await?.ok_or_else(|| Problem::not_found("plan"))?;
    let asked = db::approval::history(&db, caller.tenant_id, plan).await?;
    let mut rounds: Vec<i32> = asked.iter().map(|asked| asked.round).collect();
    rounds.dedup();
    let items = asked.into_iter().map(|asked| item(asked, &rounds)).collect();
    Ok(Json(History { items }))
}

fn item(asked: Asked, rounds: &[i32]) -> Item {
    Item {
        round: 1 + rounds.iter().take_while(|round| **round != asked.round).count(),
        step: asked.step,
        state: match &asked.said {
            Some((opinion, _)) => opinion.as_str(),
            None if asked.open => "open",
            None => "dropped",
        },
        void: asked.void,
        asked_at: asked.asked_at,
        approvers: asked.asked.map(|step| step.approvers.iter().map(views::person).collect()),
        decided_at: asked.said.map(|(_, at)| at),
        by: asked.said.map(|_| By { name: asked.name.map(|name| views::label(&name)), key: asked.key }),
        comment: asked.comment,
    }
}

async fn rules(State(app): State<App>, caller: CallerRef, params: Params) -> Result<Json<ApprovalRules>> {
    params.finish()?;
    Ok(Json(db::approval::rules(&app.db().await?, caller.tenant_id).await?.unwrap_or_default()))
}

async fn put_rules(
    State(app): State<App>,
    caller: CallerRef,
    params: Params,
    body: Body,
) -> Result<Json<ApprovalRules>> {
    params.finish()?;
    let rules = {
        let document = parse(&body.bytes)?;
        read(&document)?
    };
    db::approval::put_rules(&app.db().await?, caller.tenant_id, &rules).await?;
    app.choices.forget(caller.tenant_id);
    Ok(Json(rules))
}

fn read(document: &Document<'_>) -> Result<ApprovalRules> {
    let mut problems = Problems::default();
    let mut rules = ApprovalRules::default();
    if let Some(mut object) = document.root().object(&mut problems) {
        rules.recipients_over =
            object.take("recipients_over").and_then(|field| field.integer(0, MANY, &mut problems));
        if let Some(field) = object.take("channels") {
            rules.channels = approval::channels(&field, &mut problems);
        }
        if let Some(field) = object.take("priorities") {
            let known = ["urgent", "normal", "bulk"];
            let items = field.list(known.len(), &mut problems).unwrap_or_default();
            rules.priorities =
                items.iter().filter_map(|item| item.word::<Lane>(&known, &mut problems)).collect();
        }
        rules.steps = approval::steps(&mut object, false, &mut problems);
        let conditions =
            rules.recipients_over.is_some() || !rules.channels.is_empty() || !rules.priorities.is_empty();
        if conditions && rules.steps.is_empty() && problems.is_empty() {
            problems.add(object.pointer("steps"), "is required: somebody must be able to approve");
        }
        object.finish(&mut problems);
    }
    if problems.is_empty() { Ok(rules) } else { Err(Problem::validation(problems)) }
}
