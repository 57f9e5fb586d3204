//! `/v1/policies`: named ladders. Plans keep a snapshot, so nothing that is done here changes a plan that was accepted.

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use herald_shared::db;
use herald_shared::db::policies::{Deleted, Filter, Policy, Rules, Says, parse_number, shown_number};
use herald_shared::domain::sentence::{Sentence, sentence};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Route;
use super::keep::{Keep, Kept};
use crate::App;
use crate::accept::{Library, NewPolicy, new_name, policy};
use crate::auth::{CallerRef, Scope};
use crate::cursor::{self, Page, Window};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, IdempotencyKey, Params, parse};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/v1/policies", Scope::PoliciesWrite, create),
        Route::new(Method::GET, "/v1/policies", Scope::PoliciesRead, list),
        Route::new(Method::GET, "/v1/policies/{id}", Scope::PoliciesRead, get),
        Route::new(Method::PUT, "/v1/policies/{id}", Scope::PoliciesWrite, change),
        Route::new(Method::DELETE, "/v1/policies/{id}", Scope::PoliciesWrite, delete),
        Route::new(Method::POST, "/v1/policies/{id}/copy", Scope::PoliciesWrite, copy),
        Route::new(Method::POST, "/v1/policies/{id}/enable", Scope::PoliciesWrite, enable),
        Route::new(Method::POST, "/v1/policies/{id}/disable", Scope::PoliciesWrite, disable),
    ]
}

#[derive(Serialize)]
struct Item {
    id: Uuid,
    number: String,
    name: String,
    status: Status,
    version: i32,
    /// The fields of a plan it stands for, as given.
    #[serde(flatten)]
    rules: Rules,
    sentence: Sentence,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Whether plans may name it.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Enabled,
    Disabled,
}

impl std::str::FromStr for Status {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "enabled" => Ok(Status::Enabled),
            "disabled" => Ok(Status::Disabled),
            _ => Err(()),
        }
    }
}

fn item(policy: Policy) -> Item {
    Item {
        id: policy.uid,
        number: shown_number(policy.number),
        name: policy.name,
        status: if policy.enabled { Status::Enabled } else { Status::Disabled },
        version: policy.version,
        sentence: sentence(&policy.tiers),
        rules: policy.rules,
        created_at: policy.created_at,
        updated_at: policy.updated_at,
    }
}

async fn create(
    State(app): State<App>,
    caller: CallerRef,
    IdempotencyKey(key): IdempotencyKey,
    body: Body,
) -> Result<Response> {
    let keep = Keep::new(&caller, "POST /v1/policies", key, &parse(&body.bytes)?);
    let new = read(&app, caller.tenant_id, &body, None).await?;
    make(&app, caller.tenant_id, &keep, new).await
}

/// The same rules under another name.
async fn copy(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    IdempotencyKey(key): IdempotencyKey,
    body: Body,
) -> Result<Response> {
    let (name, keep) = {
        let document = parse(&body.bytes)?;
        (new_name(&document), Keep::new(&caller, "POST /v1/policies/{id}/copy", key, &document))
    };
    let name = name.map_err(Problem::validation)?;
    let from = db::policies::get(&app.db().await?, caller.tenant_id, id).await?.ok_or_else(not_found)?;
    let rules = serde_json::to_string(&from.rules).expect("JSON can be written as JSON");
    let templates = from.templates;
    let new = NewPolicy { name, enabled: true, rules, tiers: from.tiers, templates, version: None };
    make(&app, caller.tenant_id, &keep, new).await
}

async fn make(app: &App, tenant_id: i64, keep: &Keep, new: NewPolicy) -> Result<Response> {
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(app, &transaction).await? {
        return answer;
    }
    let uid = Uuid::now_v7();
    let named = (uid, new.name.as_str(), new.enabled);
    let says = Says { rules: &new.rules, tiers: &new.tiers, templates: &new.templates };
    let made = db::policies::insert(&transaction, tenant_id, named, says).await.map_err(refused)?;
    let location = format!("/v1/policies/{uid}");
    let text = serde_json::to_string(&item(made)).expect("a policy can be written as JSON");
    keep.created(app, transaction, &location, text).await
}

/// Reads a policy; what it names is looked up between two readings.
async fn read(app: &App, tenant_id: i64, body: &Body, before: Option<&str>) -> Result<NewPolicy> {
    let mut library = Library::default();
    loop {
        let wanted = match policy(&parse(&body.bytes)?, before, &library) {
            Ok(policy) => return Ok(policy),
            Err(refused) if refused.wanted.is_empty() => return Err(Problem::validation(refused.problems)),
            Err(refused) => refused.wanted,
        };
        if !library.is_empty() {
            return Err(Problem::new(Kind::Internal, "What the body names could not be looked up."));
        }
        library = Library::load(&app.db().await?, tenant_id, &wanted).await?;
    }
}

fn refused(error: db::Error) -> Problem {
    match error.constraint() {
        Some("policy_name") => {
            Problem::new(Kind::NameTaken, "Another policy has this name: choose a new one.")
        }
        Some("policy_template_template_id_fkey") => {
            Problem::new(Kind::Changed, "A template that it names was just deleted: name another.")
        }
        _ => error.into(),
    }
}

fn not_found() -> Problem {
    Problem::not_found("policy")
}

async fn list(State(app): State<App>, caller: CallerRef, mut params: Params) -> Result<Json<Page<Item>>> {
    let window: Window<1> = params.window();
    let number: Option<Number> = params.parse("number", "a policy's number, such as P0007");
    let status: Option<Status> = params.parse("status", "enabled or disabled");
    let filter = Filter {
        name: params.take("name"),
        number: number.map(|Number(number)| number),
        enabled: status.map(|status| matches!(status, Status::Enabled)),
        text: params.take("q"),
    };
    params.finish()?;
    let range = (window.after.map_or(0, |[id]| id), window.limit + 1);
    let mut found = db::policies::list(&app.db().await?, caller.tenant_id, &filter, range).await?;
    let more = cursor::cut(&mut found, window.limit);
    let next_cursor = found.last().filter(|_| more).map(|last| cursor::write([last.id]));
    Ok(Json(Page { items: found.into_iter().map(item).collect(), next_cursor }))
}

struct Number(i32);

impl std::str::FromStr for Number {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        parse_number(text).map(Number).ok_or(())
    }
}

async fn get(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<Json<Item>> {
    params.finish()?;
    let found = db::policies::get(&app.db().await?, caller.tenant_id, id).await?;
    Ok(Json(item(found.ok_or_else(not_found)?)))
}

/// Other rules for plans to come.
async fn change(State(app): State<App>, caller: CallerRef, Id(id): Id, body: Body) -> Result<Json<Item>> {
    let before = db::policies::get(&app.db().await?, caller.tenant_id, id).await?.ok_or_else(not_found)?;
    let new = read(&app, caller.tenant_id, &body, Some(&before.name)).await?;
    let changed =
        || Problem::new(Kind::Changed, "Somebody changed this policy meanwhile: read it and try again.");
    if new.version.is_some_and(|version| version != before.version) {
        return Err(changed());
    }
    let says = Says { rules: &new.rules, tiers: &new.tiers, templates: &new.templates };
    let at = (id, before.version);
    let saved = db::policies::change(&app.db().await?, caller.tenant_id, at, says).await.map_err(refused)?;
    Ok(Json(item(saved.ok_or_else(changed)?)))
}

async fn enable(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<Json<Item>> {
    turn(&app, caller.tenant_id, id, params, true).await
}

async fn disable(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    params: Params,
) -> Result<Json<Item>> {
    turn(&app, caller.tenant_id, id, params, false).await
}

async fn turn(app: &App, tenant_id: i64, id: Uuid, params: Params, enabled: bool) -> Result<Json<Item>> {
    params.finish()?;
    let turned = db::policies::enable(&app.db().await?, tenant_id, id, enabled).await?;
    Ok(Json(item(turned.ok_or_else(not_found)?)))
}

async fn delete(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<StatusCode> {
    params.finish()?;
    let detail = match db::policies::delete(&app.db().await?, caller.tenant_id, id).await? {
        Deleted::Yes => return Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound => return Err(not_found()),
        Deleted::Enabled => "The policy is enabled: disable it with POST /v1/policies/{id}/disable first.",
        Deleted::InUse => "A plan that is not over uses this policy: delete it when that has ended.",
    };
    Err(Problem::new(Kind::InUse, detail))
}
