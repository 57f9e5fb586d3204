//! `/v1/settings/quiet-hours`: when nothing goes out on the recipients' clocks (rule 14).

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use herald_shared::db;
use herald_shared::domain::quiet::{QuietHours, Window};
use herald_shared::domain::{Wait, local_time};

use super::Route;
use crate::App;
use crate::accept::window;
use crate::auth::{CallerRef, Scope};
use crate::error::{Problem, Result};
use crate::extract::{Body, Params, parse};
use crate::json::{Document, Field};
use crate::problems::Problems;

const PATH: &str = "/v1/settings/quiet-hours";
/// Windows a tenant may have.
const MAX_WINDOWS: usize = 20;
/// The longest time over which the messages of a night may be spread.
const MAX_SPREAD: Wait = Wait::seconds(4 * 3600);
/// Where nothing is said.
const SPREAD: Wait = Wait::seconds(600);

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, PATH, Scope::SettingsRead, get),
        Route::new(Method::PUT, PATH, Scope::SettingsWrite, put),
    ]
}

async fn get(State(app): State<App>, caller: CallerRef, params: Params) -> Result<Response> {
    params.finish()?;
    let hours = db::quiet::get(&app.db().await?, caller.tenant_id).await?;
    Ok(Json(hours).into_response())
}

/// Replaces them as a whole: what is left out is as if never said.
async fn put(State(app): State<App>, caller: CallerRef, params: Params, body: Body) -> Result<Response> {
    params.finish()?;
    let hours = {
        let document = parse(&body.bytes)?;
        read(&document).map_err(Problem::validation)?
    };
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    db::quiet::set(&transaction, caller.tenant_id, &hours).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    app.choices.forget(caller.tenant_id);
    let hours = db::quiet::get(&db, caller.tenant_id).await?;
    Ok(Json(hours).into_response())
}

fn read(document: &Document<'_>) -> std::result::Result<QuietHours, Problems> {
    let mut problems = Problems::default();
    let Some(mut object) = document.root().object(&mut problems) else { return Err(problems) };
    let time_zone = object.require("time_zone", &mut problems).and_then(|field| {
        let name = field.line(64, &mut problems)?;
        if local_time::zone(&name).is_none() {
            field.refuse(&mut problems, "is not an IANA time zone such as Asia/Shanghai");
        }
        Some(name)
    });
    let spread = object.take("spread").map_or(Some(SPREAD), |field| spread(&field, &mut problems));
    let windows_at = object.pointer("windows");
    let list = object.require("windows", &mut problems);
    let items = list.and_then(|field| field.list(MAX_WINDOWS, &mut problems)).unwrap_or_default();
    let windows: Vec<Window> = items.iter().filter_map(|item| window::read(item, &mut problems)).collect();
    object.finish(&mut problems);
    let (Some(time_zone), Some(spread)) = (time_zone, spread) else { return Err(problems) };
    let hours = QuietHours { time_zone, windows, spread };
    if let Some(channel) = hours.silences() {
        problems.add(
            windows_at,
            format!("leave no minute of the day on {channel}: disable its accounts if nothing is to go out"),
        );
    }
    if problems.is_empty() { Ok(hours) } else { Err(problems) }
}

fn spread(field: &Field<'_>, problems: &mut Problems) -> Option<Wait> {
    let spread = field.string(problems)?.parse::<Wait>().ok().filter(|spread| *spread <= MAX_SPREAD);
    if spread.is_none() {
        field.refuse(problems, "must be a duration of at most 4 hours, such as 10m, or 0s");
    }
    spread
}
