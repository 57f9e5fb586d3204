//! `/v1/keys`: the tenant's API keys.

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use herald_shared::db;
use herald_shared::db::keys::{Key, NewKey};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Route;
use super::keep::{Keep, Kept};
use crate::App;
use crate::auth::{CallerRef, FreshKey, Scope};
use crate::cursor::{self, Page, Window};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, IdempotencyKey, Params, parse};
use crate::json::Document;
use crate::problems::Problems;

const MAX_NAME: usize = 100;
const MAX_RATE: i32 = 100_000;
const DEFAULT_RATE: i32 = 1_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/v1/keys", Scope::KeysWrite, create),
        Route::new(Method::GET, "/v1/keys", Scope::KeysRead, list),
        Route::new(Method::DELETE, "/v1/keys/{id}", Scope::KeysWrite, revoke),
    ]
}

#[derive(Serialize)]
struct Item {
    id: Uuid,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    rate_per_second: i32,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

/// A key just made, with its text: the only answer that shows it.
#[derive(Serialize)]
struct Fresh {
    #[serde(flatten)]
    item: Item,
    key: String,
}

fn item(key: Key) -> Item {
    Item {
        id: key.uid,
        name: key.name,
        prefix: key.prefix,
        scopes: key.scopes,
        rate_per_second: key.rate_per_second,
        created_at: key.created_at,
        revoked_at: key.revoked_at,
    }
}

struct Form {
    name: String,
    scopes: Vec<Scope>,
    rate_per_second: i32,
}

async fn create(
    State(app): State<App>,
    caller: CallerRef,
    IdempotencyKey(key): IdempotencyKey,
    body: Body,
) -> Result<Response> {
    let (form, keep) = {
        let document = parse(&body.bytes)?;
        (read(&document), Keep::new(&caller, "POST /v1/keys", key, &document))
    };
    let form = form?;
    if let Some(beyond) = form.scopes.iter().find(|scope| !caller.scopes.contains(scope)) {
        let detail = format!("This key lacks the scope {beyond}, so it cannot give it to another.");
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    let mut db = app.db().await?;
    let fresh = FreshKey::generate(app.keys.pepper(&db, &app.ring).await?);
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(&app, &transaction).await? {
        return answer;
    }
    let new = NewKey {
        uid: Uuid::now_v7(),
        tenant_id: caller.tenant_id,
        name: &form.name,
        prefix: &fresh.prefix,
        hash: fresh.hash,
        scopes: form.scopes.iter().map(ToString::to_string).collect(),
        rate_per_second: form.rate_per_second,
    };
    let made = db::keys::insert(&transaction, &new).await?;
    let answer = Fresh { item: item(made), key: fresh.text };
    let text = serde_json::to_string(&answer).expect("a key can be written as JSON");
    keep.complete(&app, &transaction, 201, None, &text).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    Ok((StatusCode::CREATED, super::json_text(text)).into_response())
}

fn read(document: &Document<'_>) -> Result<Form> {
    let mut problems = Problems::default();
    let form = document.root().object(&mut problems).and_then(|mut object| {
        let name =
            object.require("name", &mut problems).and_then(|field| field.line(MAX_NAME, &mut problems));
        let words = Scope::ALL.map(Scope::as_str);
        let mut scopes: Vec<Scope> = Vec::new();
        if let Some(field) = object.require("scopes", &mut problems) {
            let items = field.list(Scope::ALL.len(), &mut problems).unwrap_or_default();
            if items.is_empty() {
                field.refuse(&mut problems, format!("must name at least one of: {}", words.join(", ")));
            }
            scopes.extend(items.iter().filter_map(|item| item.word::<Scope>(&words, &mut problems)));
        }
        let rate = object
            .take("rate_per_second")
            .map_or(Some(DEFAULT_RATE), |field| field.integer(1, MAX_RATE, &mut problems));
        object.finish(&mut problems);
        scopes.sort_unstable();
        scopes.dedup();
        Some(Form { name: name?, scopes, rate_per_second: rate? })
    });
    match form {
        Some(form) if problems.is_empty() => Ok(form),
        _ => Err(Problem::validation(problems)),
    }
}

async fn list(State(app): State<App>, caller: CallerRef, mut params: Params) -> Result<Json<Page<Item>>> {
    let window: Window<1> = params.window();
    params.finish()?;
    let after = window.after.map_or(0, |[id]| id);
    let mut found = db::keys::list(&app.db().await?, caller.tenant_id, after, window.limit + 1).await?;
    let more = cursor::cut(&mut found, window.limit);
    let next_cursor = found.last().filter(|_| more).map(|last| cursor::write([last.id]));
    Ok(Json(Page { items: found.into_iter().map(item).collect(), next_cursor }))
}

async fn revoke(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<StatusCode> {
    params.finish()?;
    let revoked = db::keys::revoke(&app.db().await?, caller.tenant_id, id).await?;
    let key_id = revoked.ok_or_else(|| Problem::not_found("key"))?;
    app.keys.forget(key_id);
    Ok(StatusCode::NO_CONTENT)
}
