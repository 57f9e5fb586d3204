//! `POST /v1/dead-letters/redrive`: failed deliveries go out again, a bounded number a request.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use herald_shared::db::{self, Client};
use herald_shared::domain::Slot;
use serde::Serialize;
use uuid::Uuid;

use super::super::deliveries::target;
use super::super::json_text;
use super::super::keep::{Keep, Kept};
use super::super::plans::plan_ref;
use super::form::{self, Form, Matching};
use super::walk::{Position, Walk};
use crate::App;
use crate::auth::CallerRef;
use crate::cursor;
use crate::error::Result;
use crate::extract::{Body, IdempotencyKey, parse};

/// What a redrive did.
#[derive(Serialize)]
struct Told {
    /// Go out again.
    redriven: i64,
    /// Do not: their plan may not send any more, they are not failed, or another channel has taken over.
    not_possible: i64,
    /// Give it as `cursor` to go on.
    next_cursor: Option<String>,
}

/// Deliveries by plan and slot; in this order they are locked.
type Letters = BTreeMap<(i64, Slot), Vec<i32>>;

/// What was found, how many were asked for, and where to go on.
type Chosen = (Letters, i64, Option<Position>);

pub(super) async fn redrive(
    State(app): State<App>,
    caller: CallerRef,
    IdempotencyKey(key): IdempotencyKey,
    body: Body,
) -> Result<Response> {
    let (form, keep) = {
        let document = parse(&body.bytes)?;
        (form::read(&document), Keep::new(&caller, "POST /v1/dead-letters/redrive", key, &document))
    };
    let form = form?;
    let mut db = app.db().await?;
    let (letters, asked, next) = match form {
        Form::Ids(ids) => by_id(&db, caller.tenant_id, &ids).await?,
        Form::Matching(matching) => find(&db, caller.tenant_id, matching).await?,
    };
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    if let Kept::Already(answer) = keep.reserve(&app, &transaction).await? {
        return answer;
    }
    let redriven = db::dead::redrive(&transaction, &letters).await?;
    let told = Told { redriven, not_possible: asked - redriven, next_cursor: next.map(cursor::write) };
    let text = serde_json::to_string(&told).expect("numbers can be written as JSON");
    keep.complete(&app, &transaction, 200, None, &text).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    Ok((StatusCode::OK, json_text(text)).into_response())
}

/// The tenant's deliveries among these ids.
async fn by_id(db: &Client, tenant_id: i64, ids: &[Uuid]) -> Result<Chosen> {
    let ids: BTreeSet<&Uuid> = ids.iter().collect();
    let asked = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let mut letters = Letters::new();
    for &id in ids {
        let Ok(target) = target(tenant_id, id) else { continue };
        letters.entry((target.plan.id, target.slot)).or_default().push(target.no);
        if letters[&(target.plan.id, target.slot)].len() == 1
            && db::control::status(db, tenant_id, target.plan).await?.is_none()
        {
            letters.remove(&(target.plan.id, target.slot));
        }
    }
    Ok((letters, asked, None))
}

/// What matches.
async fn find(db: &Client, tenant_id: i64, matching: Matching) -> Result<Chosen> {
    let Matching { filter, channel, plan, limit, after } = matching;
    let plan = plan.map(plan_ref).transpose()?;
    let walk = Walk { db, tenant_id, filter, channel, plan };
    let (found, next) = walk.page(after, limit).await?;
    let asked = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let mut letters = Letters::new();
    for found in found {
        letters.entry((found.plan.id, found.slot)).or_default().push(found.letter.no);
    }
    Ok((letters, asked, next))
}
