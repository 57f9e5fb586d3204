//! `POST /v1/deliveries/{id}/resolve`: what nobody can know but a person.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use herald_shared::db;
use herald_shared::db::resolve::{Resolution, Resolved};
use herald_shared::domain::PlanStatus;

use super::deliveries::{detail, none, target};
use super::keep::{Keep, Kept};
use super::{Route, json_text};
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, IdempotencyKey, parse};
use crate::json::Document;
use crate::problems::Problems;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Method::POST, "/v1/deliveries/{id}/resolve", Scope::PlansWrite, resolve)]
}

async fn resolve(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    IdempotencyKey(key): IdempotencyKey,
    body: Body,
) -> Result<Response> {
    let (resolution, keep) = {
        let document = parse(&body.bytes)?;
        // The same words about another delivery are another request.
        let whole = format!("[\"{id}\", {}]", document.text());
        let whole = parse(whole.as_bytes())?;
        (read(&document), Keep::new(&caller, "POST /v1/deliveries/{id}/resolve", key, &whole))
    };
    let (resolution, target) = (resolution?, target(caller.tenant_id, id)?);
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(&app, &transaction).await? {
        return answer;
    }
    match db::resolve::resolve(&transaction, target, resolution).await? {
        Resolved::Yes => {}
        Resolved::Unknown => return Err(none()),
        Resolved::Settled(status) => {
            let detail = format!("The delivery is {status}; only one that is unknown can be resolved.");
            return Err(Problem::new(Kind::DeliveryState, detail));
        }
        Resolved::PlanOver(status) => return Err(over(status)),
    }
    let shown = detail(&transaction, target).await?;
    let text = serde_json::to_string(&shown).expect("a delivery can be written as JSON");
    keep.complete(&app, &transaction, 200, None, &text).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    Ok((StatusCode::OK, json_text(text)).into_response())
}

fn over(status: PlanStatus) -> Problem {
    let detail = format!(
        "The plan is {status}, so nothing of it may go out; resolve the delivery to sent or failed, or send a new plan."
    );
    Problem::new(Kind::PlanState, detail)
}

fn read(document: &Document<'_>) -> Result<Resolution> {
    let mut problems = Problems::default();
    let to = document.root().object(&mut problems).and_then(|mut object| {
        let to = object.require("to", &mut problems);
        let to = to.and_then(|field| field.word::<Word>(&["sent", "failed", "resend"], &mut problems));
        object.finish(&mut problems);
        to
    });
    match to {
        Some(Word(resolution)) if problems.is_empty() => Ok(resolution),
        _ => Err(Problem::validation(problems)),
    }
}

struct Word(Resolution);

impl std::str::FromStr for Word {
    type Err = ();
    fn from_str(word: &str) -> std::result::Result<Self, ()> {
        match word {
            "sent" => Ok(Word(Resolution::Sent)),
            "failed" => Ok(Word(Resolution::Failed)),
            "resend" => Ok(Word(Resolution::Resend)),
            _ => Err(()),
        }
    }
}
