//! `/v1/dead-letters`: what failed for good, over all plans, and sending it again.

mod form;
mod redrive;
mod walk;

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use herald_shared::db::dead::Filter;
use herald_shared::domain::ids::{delivery_uuid, recipient_uuid};
use herald_shared::domain::{Channel, Reason};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use self::walk::{Found, Walk};
use super::Route;
use super::plans::plan_ref;
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::cursor::{self, Page, Window};
use crate::error::Result;
use crate::extract::Params;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/v1/dead-letters", Scope::PlansRead, list),
        Route::new(Method::POST, "/v1/dead-letters/redrive", Scope::PlansWrite, redrive::redrive),
    ]
}

#[derive(Serialize)]
struct Item {
    id: Uuid,
    plan: Uuid,
    recipient: Uuid,
    channel: Channel,
    tier: Option<u8>,
    round: Option<u8>,
    reminder: Option<u8>,
    reason: Option<String>,
    account: Option<Uuid>,
    attempts: i16,
    code: Option<String>,
    detail: Option<String>,
    failed_at: Timestamp,
}

async fn list(State(app): State<App>, caller: CallerRef, mut params: Params) -> Result<Json<Page<Item>>> {
    let window: Window<3> = params.window();
    let filter = Filter {
        reason: params.parse::<Reason>("reason", "a reason, such as exhausted"),
        account: params.parse("account", "an account's id"),
        after: params.time("failed_after"),
        before: params.time("failed_before"),
    };
    let channel: Option<Channel> = params.parse("channel", "a channel, such as email");
    let plan: Option<Uuid> = params.parse("plan", "a plan's id");
    params.finish()?;
    let plan = plan.map(plan_ref).transpose()?;
    let db = app.db().await?;
    let walk = Walk { db: &db, tenant_id: caller.tenant_id, filter, channel, plan };
    let (found, next) = walk.page(window.after, window.limit).await?;
    let items = found.into_iter().map(item).collect();
    Ok(Json(Page { items, next_cursor: next.map(cursor::write) }))
}

fn item(found: Found) -> Item {
    let Found { plan, slot, rung, letter } = found;
    Item {
        id: delivery_uuid(plan, slot.code(), letter.no),
        plan: plan.uuid(),
        recipient: recipient_uuid(plan, letter.no),
        channel: slot.channel(),
        tier: slot.of_ladder().map(|_| rung.tier),
        round: slot.of_ladder().map(|_| rung.round),
        reminder: slot.reminder(),
        reason: letter.reason,
        account: letter.account,
        attempts: letter.attempts,
        code: letter.code,
        detail: letter.detail,
        failed_at: letter.failed_at,
    }
}
