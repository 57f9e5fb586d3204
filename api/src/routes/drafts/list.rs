//! `POST /v1/plans/{id}/recipients` with JSON: some people at once, all of them or none.

use axum::extract::{FromRequest as _, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use deadpool_postgres::Transaction;
use herald_shared::db;
use herald_shared::db::accept::NewRecipient;
use herald_shared::db::drafts::Held;
use uuid::Uuid;

use super::super::json_text;
use super::super::keep::{Keep, Kept};
use super::super::plans::plan_ref;
use super::upload::{CHUNK, Told, remember, turn};
use super::{UPLOAD, target};
use crate::App;
use crate::accept::{Format, Intake, People, read_people};
use crate::auth::CallerRef;
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, parse};
use crate::problems::Problems;

pub(super) async fn add(
    app: &App,
    caller: &CallerRef,
    id: Uuid,
    key: Option<String>,
    request: Request,
) -> Result<Response> {
    let Body { bytes, room } = Body::from_request(request, app).await?;
    let plan = plan_ref(id)?;
    let (people, keep) = {
        let document = parse(&bytes)?;
        // The same people for another plan are another request.
        let whole = format!("[\"{id}\", {}]", document.text());
        let whole = parse(whole.as_bytes())?;
        (read_people(&document, &app.net), Keep::new(caller, UPLOAD, key, &whole))
    };
    let people = people.map_err(Problem::validation)?;
    let _turn = turn(app).await?;
    let mut client = app.db().await?;
    let transaction = client.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(app, &transaction).await? {
        return answer;
    }
    let held = target::open(&transaction, caller.tenant_id, plan).await?;
    let told = write(app, &transaction, &held, people).await?;
    target::close(&transaction, &held, caller.key_id, (told.added, told.duplicates)).await?;
    let text = serde_json::to_string(&told).expect("numbers and strings can be written as JSON");
    keep.complete(app, &transaction, 200, None, &text).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    drop(room);
    Ok((StatusCode::OK, json_text(text)).into_response())
}

/// Writes those who are not in the plan yet.
async fn write(app: &App, db: &Transaction<'_>, held: &Held, people: People) -> Result<Told> {
    let unreadable = |detail: String| Problem::new(Kind::Unreadable, detail);
    let mut intake = Intake::new(Format::Ndjson, held, app.net.clone()).map_err(unreadable)?;
    remember(app, db, held, &mut intake).await?;
    let (rows, merged) = (people.entries, people.duplicates);
    join(&mut intake, people.people)?;
    let mut last = held.recipients;
    while intake.ready() > 0 {
        let people = intake.take(CHUNK);
        db::drafts::add(db, held, last, &people).await?;
        last += i32::try_from(people.len()).unwrap_or(0);
    }
    let mut told = Told::of(intake.report(), held);
    (told.rows, told.duplicates) = (rows, told.duplicates + merged);
    Ok(told)
}

/// All problems at once, with their places.
fn join(intake: &mut Intake, people: Vec<(usize, NewRecipient)>) -> Result<()> {
    let mut problems = Problems::default();
    for (index, person) in people {
        let place = format!("/recipients/{index}");
        for (below, detail) in intake.lacks(&person) {
            problems.add(format!("{place}{below}"), detail);
        }
        if !problems.is_empty() {
            continue;
        }
        match intake.join(person) {
            Ok(true) => {}
            Ok(false) => problems.add(place, "is in the plan already, with other data"),
            Err(detail) => problems.add(place, detail),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Problem::validation(problems)) }
}
