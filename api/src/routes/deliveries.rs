//! Deliveries of a plan, and one delivery with its attempts.

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use deadpool_postgres::GenericClient;
use herald_shared::db::deliveries::{Attempt, Delivery, Place};
use herald_shared::db::plans::Outline;
use herald_shared::db::resolve::Target;
use herald_shared::db::{self, Client};
use herald_shared::domain::ids::{self, PlanRef, delivery_uuid, recipient_uuid};
use herald_shared::domain::outcome::Outcome;
use herald_shared::domain::{Channel, DeliveryStatus, Rung, Slot, Steps};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Route;
use super::plans::plan_ref;
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::cursor::{self, Page, Window};
use crate::error::{Problem, Result};
use crate::extract::{Id, Params};

/// Rows one list request reads at most in a slot.
const SCAN: i64 = 20_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/v1/plans/{id}/deliveries", Scope::PlansRead, list),
        Route::new(Method::GET, "/v1/deliveries/{id}", Scope::PlansRead, get),
    ]
}

/// A delivery; `A` is the number of attempts in lists, the attempts themselves when looked at alone.
#[derive(Serialize)]
pub(super) struct Item<A> {
    id: Uuid,
    recipient: Uuid,
    channel: Channel,
    /// Tier and round; `null` for a reminder's.
    tier: Option<u8>,
    round: Option<u8>,
    /// Which reminder it belongs to.
    reminder: Option<u8>,
    status: DeliveryStatus,
    reason: Option<String>,
    account: Option<Uuid>,
    attempts: A,
    provider_message_id: Option<String>,
    queued_at: Timestamp,
    sent_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
    updated_at: Timestamp,
}

/// A delivery with its attempts.
pub(super) type Detail = Item<Vec<AttemptItem>>;

#[derive(Serialize)]
pub(super) struct AttemptItem {
    number: i16,
    account: Option<Uuid>,
    outcome: Option<Outcome>,
    code: Option<String>,
    detail: Option<String>,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
}

async fn list(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    mut params: Params,
) -> Result<Json<Page<Item<i32>>>> {
    let window: Window<2> = params.window();
    let Filter { status, channel } = filter(&mut params);
    params.finish()?;
    let plan = plan_ref(id)?;
    let db = app.db().await?;
    let Outline { slots, steps } =
        db::plans::outline(&db, caller.tenant_id, plan).await?.ok_or_else(|| Problem::not_found("plan"))?;
    let slots = slots.into_iter().filter(|slot| channel.is_none_or(|channel| slot.channel() == channel));
    let walk = Walk { db: &db, tenant_id: caller.tenant_id, plan, steps, status };
    let (items, next) = walk.page(slots.collect(), window).await?;
    let next_cursor = next.map(|(slot, no)| cursor::write([slot.code().into(), no.into()]));
    Ok(Json(Page { items, next_cursor }))
}

/// Which deliveries are wanted.
pub(super) struct Filter {
    pub(super) status: Option<DeliveryStatus>,
    pub(super) channel: Option<Channel>,
}

/// The list's filters.
pub(super) fn filter(params: &mut Params) -> Filter {
    Filter {
        status: params.parse("status", "a delivery status, such as sent"),
        channel: params.parse("channel", "a channel, such as email"),
    }
}

/// Going through a plan's deliveries slot by slot: each query then runs along the primary key.
struct Walk<'a> {
    db: &'a Client,
    tenant_id: i64,
    plan: PlanRef,
    steps: Steps,
    status: Option<DeliveryStatus>,
}

impl Walk<'_> {
    async fn page(
        &self,
        mut slots: Vec<Slot>,
        window: Window<2>,
    ) -> Result<(Vec<Item<i32>>, Option<(Slot, i32)>)> {
        slots.sort_unstable_by_key(|slot| slot.code());
        let (first, mut after) = start(window);
        let mut items: Vec<Item<i32>> = Vec::new();
        for slot in slots.into_iter().filter(|slot| slot.code() >= first) {
            let from = if slot.code() == first { after } else { 0 };
            let wanted = window.limit - i64::try_from(items.len()).unwrap_or(i64::MAX);
            let place = place(self.tenant_id, self.plan, slot);
            let mut found =
                db::deliveries::page(self.db, place, from, self.status, (SCAN, wanted + 1)).await?;
            let more = cursor::cut(&mut found, wanted);
            after = found.last().map_or(from, |delivery| delivery.no);
            items.extend(found.into_iter().map(|delivery| {
                let attempts = delivery.attempts;
                item(self.plan, (slot, self.steps.place(slot.tier())), delivery, attempts)
            }));
            if more {
                return Ok((items, Some((slot, after))));
            }
            if self.status.is_some()
                && let Some(end) = db::deliveries::page_end(self.db, place, from, SCAN).await?
            {
                return Ok((items, Some((slot, end))));
            }
        }
        Ok((items, None))
    }
}

fn start(window: Window<2>) -> (i16, i32) {
    let [slot, no] = window.after.unwrap_or([0, 0]);
    (i16::try_from(slot).unwrap_or(0), i32::try_from(no).unwrap_or(0))
}

async fn get(State(app): State<App>, caller: CallerRef, Id(id): Id, params: Params) -> Result<Json<Detail>> {
    params.finish()?;
    let target = target(caller.tenant_id, id)?;
    Ok(Json(detail(&app.db().await?, target).await?))
}

/// The delivery a public id names, whether it exists or not.
pub(super) fn target(tenant_id: i64, id: Uuid) -> Result<Target> {
    let packed = ids::parse(id).filter(|packed| packed.no > 0).ok_or_else(none)?;
    let slot = Slot::from_code(packed.slot).map_err(|_| none())?;
    Ok(Target { tenant_id, plan: packed.plan, slot, no: packed.no })
}

/// One delivery with its attempts.
pub(super) async fn detail(db: &impl GenericClient, target: Target) -> Result<Detail> {
    let Target { tenant_id, plan, slot, no } = target;
    let Outline { slots, steps } = db::plans::outline(db, tenant_id, plan).await?.ok_or_else(none)?;
    if !slots.contains(&slot) {
        return Err(none());
    }
    let place = place(tenant_id, plan, slot);
    let found = db::deliveries::page(db, place, no - 1, None, (1, 1)).await?;
    let delivery = found.into_iter().find(|delivery| delivery.no == no).ok_or_else(none)?;
    let attempts = db::deliveries::attempts(db, place, no).await?;
    let attempts = attempts.into_iter().map(attempt_item).collect();
    Ok(item(plan, (slot, steps.place(slot.tier())), delivery, attempts))
}

/// 404 for a delivery.
pub(super) fn none() -> Problem {
    Problem::not_found("delivery")
}

/// How far back a covering attempt may start follows from what the providers of the channel declare.
pub(super) fn place(tenant_id: i64, plan: PlanRef, slot: Slot) -> Place {
    let providers = herald_channels::registry().iter().map(|provider| provider.spec());
    let widest = providers.filter(|spec| spec.channel == slot.channel()).map(|spec| spec.batch).max();
    Place {
        tenant_id,
        plan_id: plan.id,
        slot,
        width: widest.map_or(1000, |batch| batch.min(1000).cast_signed()),
    }
}

fn item<A>(plan: PlanRef, (slot, rung): (Slot, Rung), delivery: Delivery, attempts: A) -> Item<A> {
    let delivered = delivery.status == DeliveryStatus::Delivered;
    Item {
        id: delivery_uuid(plan, slot.code(), delivery.no),
        recipient: recipient_uuid(plan, delivery.no),
        channel: slot.channel(),
        tier: slot.of_ladder().map(|_| rung.tier),
        round: slot.of_ladder().map(|_| rung.round),
        reminder: slot.reminder(),
        status: delivery.status,
        reason: delivery.reason,
        account: delivery.account,
        attempts,
        provider_message_id: delivery.provider_ref,
        queued_at: delivery.created_at,
        sent_at: delivery.sent_at,
        delivered_at: delivered.then_some(delivery.updated_at),
        updated_at: delivery.updated_at,
    }
}

fn attempt_item(attempt: Attempt) -> AttemptItem {
    AttemptItem {
        number: attempt.number,
        account: attempt.account,
        outcome: attempt.outcome,
        code: attempt.code,
        detail: attempt.detail,
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
    }
}
