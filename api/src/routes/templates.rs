//! `/v1/templates`: reusable content. Every change is a new version; plans keep the one they took.

mod preview;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use herald_shared::db;
use herald_shared::db::Deleted;
use herald_shared::db::templates::{Filter, Template};
use herald_shared::domain::{Channel, Content, TemplateKind};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Route;
use super::keep::{Keep, Kept};
use crate::App;
use crate::accept::{Saved, new_name, saved, variables};
use crate::auth::{CallerRef, Scope};
use crate::cursor::{self, Page, Window};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, IdempotencyKey, Params, parse};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/v1/templates", Scope::TemplatesWrite, create),
        Route::new(Method::GET, "/v1/templates", Scope::TemplatesRead, list),
        Route::new(Method::GET, "/v1/templates/{id}", Scope::TemplatesRead, get),
        Route::new(Method::PUT, "/v1/templates/{id}", Scope::TemplatesWrite, change),
        Route::new(Method::DELETE, "/v1/templates/{id}", Scope::TemplatesWrite, delete),
        Route::new(Method::POST, "/v1/templates/{id}/copy", Scope::TemplatesWrite, copy),
        Route::new(Method::POST, "/v1/templates/{id}/preview", Scope::TemplatesRead, preview::preview),
    ]
}

#[derive(Serialize)]
struct Item {
    id: Uuid,
    name: String,
    kind: TemplateKind,
    /// Which it may serve.
    channels: Vec<Channel>,
    version: i32,
    latest: i32,
    title: String,
    content: Content,
    /// What it takes from a plan or its recipients.
    variables: Vec<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

fn item(template: Template) -> Item {
    Item {
        id: template.uid,
        name: template.name,
        kind: template.kind,
        channels: template.kind.channels().collect(),
        version: template.version,
        latest: template.latest,
        variables: variables(&template.title, &template.content),
        title: template.title,
        content: template.content,
        created_at: template.created_at,
        updated_at: template.updated_at,
    }
}

async fn create(
    State(app): State<App>,
    caller: CallerRef,
    IdempotencyKey(key): IdempotencyKey,
    body: Body,
) -> Result<Response> {
    let (new, keep) = {
        let document = parse(&body.bytes)?;
        (saved(&document, None), Keep::new(&caller, "POST /v1/templates", key, &document))
    };
    make(&app, caller.tenant_id, &keep, new.map_err(Problem::validation)?).await
}

/// The same content under another name, as version 1.
async fn copy(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    IdempotencyKey(key): IdempotencyKey,
    body: Body,
) -> Result<Response> {
    let (name, keep) = {
        let document = parse(&body.bytes)?;
        (new_name(&document), Keep::new(&caller, "POST /v1/templates/{id}/copy", key, &document))
    };
    let name = name.map_err(Problem::validation)?;
    let from =
        db::templates::get(&app.db().await?, caller.tenant_id, id, None).await?.ok_or_else(not_found)?;
    let new = Saved { name, kind: from.kind, title: from.title, content: from.content, version: None };
    make(&app, caller.tenant_id, &keep, new).await
}

async fn make(app: &App, tenant_id: i64, keep: &Keep, new: Saved) -> Result<Response> {
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(app, &transaction).await? {
        return answer;
    }
    let uid = Uuid::now_v7();
    let (named, says) = ((uid, new.name.as_str(), new.kind), (new.title.as_str(), &new.content));
    let made = db::templates::insert(&transaction, tenant_id, named, says).await.map_err(name_taken)?;
    let location = format!("/v1/templates/{uid}");
    let text = serde_json::to_string(&item(made)).expect("a template can be written as JSON");
    keep.created(app, transaction, &location, text).await
}

fn name_taken(error: db::Error) -> Problem {
    if error.constraint() == Some("template_name") {
        return Problem::new(Kind::NameTaken, "Another template has this name: choose a new one.");
    }
    error.into()
}

fn not_found() -> Problem {
    Problem::not_found("template")
}

async fn list(State(app): State<App>, caller: CallerRef, mut params: Params) -> Result<Json<Page<Item>>> {
    let window: Window<1> = params.window();
    let filter = Filter {
        name: params.take("name"),
        text: params.take("q"),
        kind: params.parse("kind", "text, rich or voice"),
    };
    params.finish()?;
    let range = (window.after.map_or(0, |[id]| id), window.limit + 1);
    let mut found = db::templates::list(&app.db().await?, caller.tenant_id, &filter, range).await?;
    let more = cursor::cut(&mut found, window.limit);
    let next_cursor = found.last().filter(|_| more).map(|last| cursor::write([last.id]));
    Ok(Json(Page { items: found.into_iter().map(item).collect(), next_cursor }))
}

/// The newest version, or the one asked for.
async fn get(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    mut params: Params,
) -> Result<Json<Item>> {
    let version: Option<i32> = params.parse("version", "the number of a version");
    params.finish()?;
    let found = db::templates::get(&app.db().await?, caller.tenant_id, id, version).await?;
    Ok(Json(item(found.ok_or_else(not_found)?)))
}

/// A new version, unless it says what the newest says.
async fn change(State(app): State<App>, caller: CallerRef, Id(id): Id, body: Body) -> Result<Json<Item>> {
    let before =
        db::templates::get(&app.db().await?, caller.tenant_id, id, None).await?.ok_or_else(not_found)?;
    let new = saved(&parse(&body.bytes)?, Some((&before.name, before.kind))).map_err(Problem::validation)?;
    let changed =
        || Problem::new(Kind::Changed, "Somebody changed this template meanwhile: read it and try again.");
    if new.version.is_some_and(|version| version != before.latest) {
        return Err(changed());
    }
    if (&new.title, &new.content) == (&before.title, &before.content) {
        return Ok(Json(item(before)));
    }
    let (at, says) = ((id, before.latest), (new.title.as_str(), &new.content));
    let saved = db::templates::change(&app.db().await?, caller.tenant_id, at, says).await?;
    Ok(Json(item(saved.ok_or_else(changed)?)))
}

async fn delete(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<StatusCode> {
    params.finish()?;
    match db::templates::delete(&app.db().await?, caller.tenant_id, id).await? {
        Deleted::Yes => Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound => Err(not_found()),
        Deleted::InUse => {
            let detail =
                "A policy, or a plan that is not over, uses this template: delete it when they do not.";
            Err(Problem::new(Kind::InUse, detail))
        }
    }
}
