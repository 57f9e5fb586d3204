//! `/v1/subscriptions`: where a tenant's own systems are told of what happens. The calls are made by workers; nothing here calls anybody.

mod form;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use herald_shared::db;
use herald_shared::db::subscriptions::{self, MOST, Subscription};
use herald_shared::domain::EventKind;
use herald_shared::secrets::random_bytes;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Route;
use super::keep::{Keep, Kept};
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::cursor::{self, Page, Window};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, IdempotencyKey, Params, parse};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/v1/subscriptions", Scope::SubscriptionsWrite, create),
        Route::new(Method::GET, "/v1/subscriptions", Scope::SubscriptionsRead, list),
        Route::new(Method::GET, "/v1/subscriptions/{id}", Scope::SubscriptionsRead, get),
        Route::new(Method::PATCH, "/v1/subscriptions/{id}", Scope::SubscriptionsWrite, change),
        Route::new(Method::DELETE, "/v1/subscriptions/{id}", Scope::SubscriptionsWrite, delete),
        Route::new(Method::POST, "/v1/subscriptions/{id}/replay", Scope::SubscriptionsWrite, replay),
        Route::new(Method::POST, "/v1/subscriptions/{id}/test", Scope::SubscriptionsWrite, test),
    ]
}

#[derive(Serialize)]
struct Item {
    id: Uuid,
    url: String,
    events: Vec<EventKind>,
    enabled: bool,
    state: &'static str,
    reason: Option<String>,
    failing_since: Option<Timestamp>,
    last_taken_at: Option<Timestamp>,
    /// Events it is still to be told of, counted up to 10,000.
    pending: i64,
    oldest_pending_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A subscription just made, with its secret: the only answer that shows it.
#[derive(Serialize)]
struct Fresh {
    #[serde(flatten)]
    item: Item,
    secret: String,
}

fn item(subscription: Subscription, pending: i64, oldest: Option<Timestamp>) -> Item {
    Item {
        id: subscription.uid,
        url: subscription.url,
        events: subscription.kinds,
        enabled: subscription.enabled,
        state: subscription.state.as_str(),
        reason: subscription.reason,
        failing_since: subscription.failing_since,
        last_taken_at: subscription.taken_at,
        pending,
        oldest_pending_at: oldest,
        created_at: subscription.created_at,
        updated_at: subscription.updated_at,
    }
}

/// With what each is still to be told.
async fn items(db: &db::Client, found: Vec<Subscription>) -> Result<Vec<Item>> {
    let ids: Vec<i64> = found.iter().map(|one| one.id).collect();
    let pending = subscriptions::pending(db, &ids).await?;
    let of = |id: i64| pending.iter().find(|(other, ..)| *other == id).map_or((0, None), |p| (p.1, p.2));
    let all = found.into_iter().map(|one| {
        let (pending, oldest) = of(one.id);
        item(one, pending, oldest)
    });
    Ok(all.collect())
}

fn not_found() -> Problem {
    Problem::not_found("subscription")
}

async fn create(
    State(app): State<App>,
    caller: CallerRef,
    IdempotencyKey(key): IdempotencyKey,
    body: Body,
) -> Result<Response> {
    let (draft, keep) = {
        let document = parse(&body.bytes)?;
        (form::new(&document, &app.net), Keep::new(&caller, "POST /v1/subscriptions", key, &document))
    };
    let draft = draft?;
    let uid = Uuid::now_v7();
    let secret = format!("whsec_{}", STANDARD.encode(random_bytes::<32>()));
    let sealed = app.ring.seal(secret.as_bytes(), &subscriptions::secret_aad(uid));
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(&app, &transaction).await? {
        return answer;
    }
    let made = subscriptions::insert(&transaction, caller.tenant_id, uid, &draft, &sealed).await?;
    let made = made.ok_or_else(|| {
        let detail = format!("A tenant may have {MOST} subscriptions: delete one that is not needed.");
        Problem::new(Kind::InUse, detail)
    })?;
    let answer = Fresh { item: item(made, 0, None), secret };
    let text = serde_json::to_string(&answer).expect("a subscription can be written as JSON");
    let location = format!("/v1/subscriptions/{uid}");
    keep.created(&app, transaction, &location, text).await
}

async fn list(State(app): State<App>, caller: CallerRef, mut params: Params) -> Result<Json<Page<Item>>> {
    let window: Window<1> = params.window();
    params.finish()?;
    let after = window.after.map_or(0, |[id]| id);
    let db = app.db().await?;
    let mut found = subscriptions::list(&db, caller.tenant_id, after, window.limit + 1).await?;
    let more = cursor::cut(&mut found, window.limit);
    let next_cursor = found.last().filter(|_| more).map(|last| cursor::write([last.id]));
    Ok(Json(Page { items: items(&db, found).await?, next_cursor }))
}

async fn get(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<Json<Item>> {
    params.finish()?;
    let db = app.db().await?;
    let found = subscriptions::get(&db, caller.tenant_id, id).await?.ok_or_else(not_found)?;
    only(&db, found).await
}

async fn only(db: &db::Client, found: Subscription) -> Result<Json<Item>> {
    Ok(Json(items(db, vec![found]).await?.swap_remove(0)))
}

/// A JSON merge patch (RFC 7396): what is not named stays. `enabled: true` or another URL: it is called at once, paused or not.
async fn change(State(app): State<App>, caller: CallerRef, Id(id): Id, body: Body) -> Result<Json<Item>> {
    let db = app.db().await?;
    let before = subscriptions::get(&db, caller.tenant_id, id).await?.ok_or_else(not_found)?;
    let (draft, afresh) = {
        let document = parse(&body.bytes)?;
        form::patch(&before, &document, &app.net)?
    };
    let changed = subscriptions::update(&db, caller.tenant_id, &before, &draft, afresh).await?;
    let changed = changed.ok_or_else(|| {
        Problem::new(Kind::Changed, "Somebody changed this subscription meanwhile: read it and try again.")
    })?;
    only(&db, changed).await
}

async fn delete(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<StatusCode> {
    params.finish()?;
    let found = subscriptions::delete(&app.db().await?, caller.tenant_id, id).await?;
    if found { Ok(StatusCode::NO_CONTENT) } else { Err(not_found()) }
}

/// What will be told again.
#[derive(Serialize)]
struct Replayed {
    events: i64,
    /// Where to go on, when there is more.
    next_from: Option<Timestamp>,
}

async fn replay(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    body: Body,
) -> Result<(StatusCode, Json<Replayed>)> {
    let db = app.db().await?;
    let found = subscriptions::get(&db, caller.tenant_id, id).await?.ok_or_else(not_found)?;
    let from = {
        let document = parse(&body.bytes)?;
        form::replay(&document)?
    };
    let (events, last) = subscriptions::replay(&db, caller.tenant_id, found.id, from).await?;
    let next_from = last.filter(|_| events == subscriptions::REPLAY);
    Ok((StatusCode::ACCEPTED, Json(Replayed { events, next_from })))
}

/// Which call will be the test.
#[derive(Serialize)]
struct Tested {
    webhook_id: Uuid,
}

async fn test(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    params: Params,
) -> Result<(StatusCode, Json<Tested>)> {
    params.finish()?;
    let told = subscriptions::test(&app.db().await?, caller.tenant_id, id).await?;
    Ok((StatusCode::ACCEPTED, Json(Tested { webhook_id: told.ok_or_else(not_found)? })))
}
