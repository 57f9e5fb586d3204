//! `/v1/accounts`: credentials at providers. Secrets go in and never come out.

mod form;
mod verify;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use herald_channels::{Proves, provider};
use herald_shared::db;
use herald_shared::db::Deleted;
use herald_shared::db::accounts::{Account, State as Health};
use herald_shared::domain::Channel;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use self::form::Form;
use super::Route;
use super::keep::{Keep, Kept};
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::cursor::{self, Page, Window};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, IdempotencyKey, Params, parse};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/v1/accounts", Scope::AccountsWrite, create),
        Route::new(Method::GET, "/v1/accounts", Scope::AccountsRead, list),
        Route::new(Method::GET, "/v1/accounts/{id}", Scope::AccountsRead, get),
        Route::new(Method::PATCH, "/v1/accounts/{id}", Scope::AccountsWrite, change),
        Route::new(Method::DELETE, "/v1/accounts/{id}", Scope::AccountsWrite, delete),
        Route::new(Method::POST, "/v1/accounts/{id}/verify", Scope::AccountsWrite, verify_again),
    ]
}

#[derive(Serialize)]
struct Item {
    id: Uuid,
    name: String,
    channel: Channel,
    provider: String,
    settings: Value,
    /// Whether there is one; what it is nobody is told.
    has_secret: bool,
    limits: Value,
    order: i32,
    weight: i32,
    enabled: bool,
    price: String,
    state: &'static str,
    reason: Option<String>,
    since: Timestamp,
    capabilities: Option<Capabilities>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// What the provider declares about itself.
#[derive(Serialize)]
struct Capabilities {
    delivered: bool,
    read: bool,
    batch: u32,
    concurrency: u32,
    deadline_ms: u128,
}

fn item(account: Account) -> Item {
    let capabilities = provider(&account.provider).map(|provider| {
        let spec = provider.spec();
        Capabilities {
            delivered: spec.proves >= Proves::Delivered,
            read: spec.proves >= Proves::Read,
            batch: spec.batch,
            concurrency: spec.concurrency,
            deadline_ms: spec.deadline.as_millis(),
        }
    });
    let draft = account.draft;
    Item {
        id: account.uid,
        name: draft.name,
        channel: account.channel,
        provider: account.provider,
        settings: draft.settings,
        has_secret: draft.secret.is_some(),
        limits: draft.limits,
        order: draft.order,
        weight: draft.weight,
        enabled: draft.enabled,
        price: draft.price,
        state: draft.state.as_str(),
        reason: draft.reason,
        since: account.since,
        capabilities,
        created_at: account.created_at,
        updated_at: account.updated_at,
    }
}

async fn create(
    State(app): State<App>,
    caller: CallerRef,
    IdempotencyKey(key): IdempotencyKey,
    body: Body,
) -> Result<Response> {
    let (form, keep) = {
        let document = parse(&body.bytes)?;
        let keep = Keep::new(&caller, "POST /v1/accounts", key, &document);
        (Form::read(&document), keep)
    };
    if let Some(kept) = keep.find(&app).await? {
        return kept;
    }
    let form = form?;
    let uid = Uuid::now_v7();
    let draft = verify::checked(&app, caller.tenant_id, uid, &form, true).await?;
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(&app, &transaction).await? {
        return answer;
    }
    let inserted =
        db::accounts::insert(&transaction, caller.tenant_id, uid, (form.channel, form.provider), &draft)
            .await;
    let account = inserted.map_err(name_taken)?;
    let location = format!("/v1/accounts/{uid}");
    let text = serde_json::to_string(&item(account)).expect("an account can be written as JSON");
    let answer = keep.created(&app, transaction, &location, text).await?;
    app.choices.forget(caller.tenant_id);
    Ok(answer)
}

fn name_taken(error: db::Error) -> Problem {
    if error.constraint() == Some("account_name") {
        return Problem::new(Kind::NameTaken, "Another account has this name: choose a new one.");
    }
    error.into()
}

fn not_found() -> Problem {
    Problem::not_found("account")
}

async fn list(State(app): State<App>, caller: CallerRef, mut params: Params) -> Result<Json<Page<Item>>> {
    let window: Window<1> = params.window();
    params.finish()?;
    let after = window.after.map_or(0, |[id]| id);
    let mut found = db::accounts::list(&app.db().await?, caller.tenant_id, after, window.limit + 1).await?;
    let more = cursor::cut(&mut found, window.limit);
    let next_cursor = found.last().filter(|_| more).map(|last| cursor::write([last.id]));
    Ok(Json(Page { items: found.into_iter().map(item).collect(), next_cursor }))
}

async fn get(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<Json<Item>> {
    params.finish()?;
    let found = db::accounts::get(&app.db().await?, caller.tenant_id, id).await?;
    Ok(Json(item(found.ok_or_else(not_found)?)))
}

/// A JSON merge patch (RFC 7396): what is not named stays, `null` in settings, secret or limits removes.
async fn change(State(app): State<App>, caller: CallerRef, Id(id): Id, body: Body) -> Result<Json<Item>> {
    let before = db::accounts::get(&app.db().await?, caller.tenant_id, id).await?.ok_or_else(not_found)?;
    let secret = verify::open_secret(&app, &before)?;
    let (form, touched) = {
        let document = parse(&body.bytes)?;
        Form::patch(&before, secret, &document)?
    };
    // An account that is not in use is asked about with every change: the same password may be right again.
    let touched = touched || before.draft.state != Health::Ok;
    let mut draft = verify::checked(&app, caller.tenant_id, id, &form, touched).await?;
    if !touched {
        (draft.state, draft.reason) = (before.draft.state, before.draft.reason.clone());
        draft.secret.clone_from(&before.draft.secret);
    }
    let changed = db::accounts::update(&app.db().await?, caller.tenant_id, &before, &draft).await;
    app.choices.forget(caller.tenant_id);
    let account = changed.map_err(name_taken)?.ok_or_else(|| {
        Problem::new(Kind::Changed, "Somebody changed this account meanwhile: read it and try again.")
    })?;
    Ok(Json(item(account)))
}

async fn delete(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<StatusCode> {
    params.finish()?;
    let deleted = db::accounts::delete(&app.db().await?, caller.tenant_id, id).await?;
    app.choices.forget(caller.tenant_id);
    match deleted {
        Deleted::Yes => Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound => Err(not_found()),
        Deleted::InUse => {
            let detail =
                "Work that is not done needs this account: disable it with PATCH and delete it later.";
            Err(Problem::new(Kind::InUse, detail))
        }
    }
}

async fn verify_again(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    params: Params,
) -> Result<Json<Item>> {
    params.finish()?;
    let account = db::accounts::get(&app.db().await?, caller.tenant_id, id).await?.ok_or_else(not_found)?;
    let secret = verify::open_secret(&app, &account)?;
    let form = Form::of(&account, secret);
    let result = verify::at_provider(&app, caller.tenant_id, &form).await;
    let (state, reason) = match &result {
        Ok(()) => (Health::Ok, None),
        Err(problem) => (Health::Down, Some(verify::words(problem))),
    };
    let db = app.db().await?;
    let account = db::accounts::set_state(&db, caller.tenant_id, id, state, reason.as_deref()).await?;
    app.choices.forget(caller.tenant_id);
    result?;
    Ok(Json(item(account.ok_or_else(not_found)?)))
}
