//! `/v1/files`: what plans carry. A file is uploaded once and named by any number of plans.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use herald_shared::db::files::{self, File, NewFile};
use herald_shared::db::{self, Deleted};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::Route;
use super::keep::{Keep, Kept};
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Id, IdempotencyKey, Most, Params, parse, whole};
use crate::files::{declared, named};
use crate::problems::Problems;

const FILES: &str = "/v1/files";
const ROUTE: &str = "POST /v1/files";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, FILES, Scope::PlansWrite, upload),
        Route::new(Method::GET, "/v1/files/{id}", Scope::PlansRead, get),
        Route::new(Method::DELETE, "/v1/files/{id}", Scope::PlansWrite, delete),
    ]
}

/// A file as clients read it.
#[derive(Serialize)]
struct Item<'a> {
    id: Uuid,
    name: &'a str,
    media_type: &'a str,
    size: usize,
    sha256: String,
    created_at: Timestamp,
}

fn item(file: &File) -> Item<'_> {
    Item {
        id: file.uid,
        name: &file.name,
        media_type: &file.media_type,
        size: file.size,
        sha256: file.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
        created_at: file.created_at,
    }
}

async fn upload(
    State(app): State<App>,
    caller: CallerRef,
    IdempotencyKey(key): IdempotencyKey,
    mut params: Params,
    request: Request,
) -> Result<Response> {
    let given = params.take("name");
    params.finish()?;
    let name = given.or_else(|| declared(request.headers()));
    let most = Most { bytes: app.max_file, advice: "send less, or a link to where it is" };
    let body = whole(request, &app, &most, |_| Ok(())).await?;
    let name = name.ok_or_else(|| {
        wrong("is required, here or as filename in the header Content-Disposition: plan.pdf, say".to_owned())
    })?;
    let kind = named(&name).map_err(wrong)?;
    kind.check(&body.bytes).map_err(|detail| Problem::new(Kind::Unreadable, detail))?;
    let hash = digest(&SHA256, &body.bytes);
    let file = NewFile {
        tenant_id: caller.tenant_id,
        name: &name,
        media_type: kind.media_type,
        sha256: hash.as_ref(),
        bytes: &body.bytes,
    };
    // Name and digest stand for the whole.
    let told = json!([name, hash.as_ref()]).to_string();
    let keep = Keep::new(&caller, ROUTE, key, &parse(told.as_bytes())?);
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(&app, &transaction).await? {
        return answer;
    }
    let stored = files::insert(&transaction, file).await?;
    let text = serde_json::to_string(&item(&stored)).expect("a file can be told as JSON");
    keep.created(&app, transaction, &format!("{FILES}/{}", stored.uid), text).await
}

/// Something about the name.
fn wrong(detail: String) -> Problem {
    let mut problems = Problems::default();
    problems.parameter("name", detail);
    Problem::validation(problems)
}

async fn get(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<Response> {
    use axum::response::IntoResponse as _;
    params.finish()?;
    let found = files::named(&app.db().await?, caller.tenant_id, &[id]).await?;
    let file = found.first().ok_or_else(not_found)?;
    Ok(Json(item(file)).into_response())
}

async fn delete(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<StatusCode> {
    params.finish()?;
    match files::delete(&mut app.db().await?, caller.tenant_id, id).await? {
        Deleted::Yes => Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound => Err(not_found()),
        Deleted::InUse => {
            let detail =
                "A plan uses this file: it goes by itself when the last one that does is purged or erased.";
            Err(Problem::new(Kind::InUse, detail))
        }
    }
}

fn not_found() -> Problem {
    Problem::not_found("file")
}
