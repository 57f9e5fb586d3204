//! `POST /v1/plans/{id}/remind`: a further round to those whom nothing reached, who have not read or answered, or who are named.

mod form;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use herald_shared::db;
use herald_shared::db::remind::Held;
use herald_shared::domain::reminder::{MOST, Who};
use herald_shared::domain::{Channel, PlanStatus};

use self::form::{Form, People};
use super::keep::{Keep, Kept};
use super::plans::plan_ref;
use super::{Route, json_text};
use crate::accept::check_channels;
use crate::auth::{CallerRef, Scope};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, IdempotencyKey, parse};
use crate::problems::Problems;
use crate::{App, views};

/// Why nothing more can be made of a sensitive plan that has ended.
pub(super) const ERASED: &str = "The plan was sensitive and has ended: what it said is erased.";
const ROUTE: &str = "POST /v1/plans/{id}/remind";

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Method::POST, "/v1/plans/{id}/remind", Scope::PlansWrite, remind)]
}

async fn remind(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    IdempotencyKey(key): IdempotencyKey,
    body: Body,
) -> Result<Response> {
    let plan = plan_ref(id)?;
    let (form, keep) = {
        let document = parse(&body.bytes)?;
        // The same words about another plan are another request.
        let whole = format!("[\"{id}\", {}]", document.text());
        let whole = parse(whole.as_bytes())?;
        (form::read(&document, plan), Keep::new(&caller, ROUTE, key, &whole))
    };
    let form = form?;
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(&app, &transaction).await? {
        return answer;
    }
    let held = db::remind::hold(&transaction, caller.tenant_id, plan).await?;
    let held = held.ok_or_else(|| Problem::not_found("plan"))?;
    allow(&held)?;
    let channels = channels(&app, &held, &form).await?;
    let named = match &form.people {
        People::Named(nos) => Some(nos.as_slice()),
        People::Who(_) => None,
    };
    db::remind::ask(&transaction, &held, form.people.who(), &channels, named).await?;
    let found = db::plans::views(&transaction, caller.tenant_id, &[plan.id]).await?;
    let view = found.first().ok_or_else(|| Problem::not_found("plan"))?;
    let text = serde_json::to_string(&views::plan(view)).expect("a plan can be written as JSON");
    keep.complete(&app, &transaction, 200, None, &text).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    Ok((StatusCode::OK, json_text(text)).into_response())
}

/// Whether a plan may be reminded of.
fn allow(held: &Held) -> Result<()> {
    let refuse = |detail: String| Err(Problem::new(Kind::PlanState, detail));
    if held.erased {
        return refuse(ERASED.to_owned());
    }
    match held.status {
        PlanStatus::Running if held.late => {
            return refuse("The plan's time is over just now; send a copy of it.".to_owned());
        }
        PlanStatus::Running | PlanStatus::Finished => {}
        PlanStatus::Stopped if held.over => {}
        PlanStatus::Stopped => {
            let detail = "The plan was stopped just now and its deliveries are still being ended: try again.";
            return Err(Problem::new(Kind::PlanState, detail).retry_after(1));
        }
        status => {
            let hint = match status {
                PlanStatus::Paused => " Resume it first.",
                PlanStatus::Draft => " Send it first.",
                PlanStatus::Scheduled => " Nothing of it has gone out yet.",
                _ => " Send a copy of it: POST /v1/plans/{id}/copy.",
            };
            return refuse(format!(
                "The plan is {status}; reminders are for plans that are running, finished or stopped.{hint}"
            ));
        }
    }
    if held.reminders >= MOST {
        return refuse(format!("The plan has had {MOST} reminders, which is the most there may be."));
    }
    Ok(())
}

/// The channels it goes out on, each with an account that can carry the message.
async fn channels(app: &App, held: &Held, form: &Form) -> Result<Vec<Channel>> {
    let mut problems = Problems::default();
    if form.people.who() == Who::Unanswered && !held.offers_answers {
        problems.add("/who", "the plan offers no answers: use unread");
    }
    if let People::Named(nos) = &form.people
        && nos.iter().any(|no| *no > held.recipients)
    {
        problems.add("/recipients", "names somebody who is no recipient of this plan");
    }
    let first = held.tiers.first().map(|tier| tier.channels.clone()).unwrap_or_default();
    let channels = form.channels.clone().unwrap_or(first);
    let chosen = app.choices.current(app, held.tenant_id).await?;
    let leads = held.content.leads_to_page(held.asks, channels.iter().copied());
    let message = (held.title.clone(), held.content.clone(), leads);
    check_channels(&channels, &chosen, message, &mut problems);
    if problems.is_empty() { Ok(channels) } else { Err(Problem::validation(problems)) }
}
