//! `/v1/plans/{id}/recipients`: who was reached, and how.

mod rounds;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use herald_shared::db;
use herald_shared::db::plans::Outline;
use herald_shared::db::recipients::{Filter, OnChannel as Found, Recipient};
use herald_shared::domain::ids::{PlanRef, recipient_uuid};
use herald_shared::domain::recall::{self, RecallResult, Withdrawal};
use herald_shared::domain::{Channel, DeliveryStatus, LadderResult, PlanStatus, Rung, Steps};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use self::rounds::Round;
use super::Route;
use super::plans::plan_ref;
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::cursor::{self, Page, Window};
use crate::error::{Problem, Result};
use crate::extract::{Id, Params};
use crate::views::HIDDEN;

/// Rows one list request reads at most.
const SCAN: i64 = 20_000;
/// States a recipient can be in; also the values of `reach`.
const REACH: [&str; 5] = ["pending", "reached", "unreachable", "cancelled", "unknown"];

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Method::GET, "/v1/plans/{id}/recipients", Scope::PlansRead, list)]
}

#[derive(Serialize)]
struct Item {
    id: Uuid,
    key: Option<String>,
    name: Option<String>,
    addresses: BTreeMap<String, String>,
    state: String,
    result: Option<&'static str>,
    reason: Option<String>,
    tier: i16,
    round: i16,
    /// Set while a ladder waits for its next tier.
    next_at: Option<Timestamp>,
    channels: Vec<OnChannel>,
    /// What became of reminders that were meant for them.
    reminders: Vec<Round>,
    /// What a recall of the plan came to for them.
    recall: Option<RecallResult>,
    read_at: Option<Timestamp>,
    read_channel: Option<Channel>,
    answer: Option<String>,
    answer_text: Option<String>,
    answered_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct OnChannel {
    channel: Channel,
    tier: u8,
    round: u8,
    status: DeliveryStatus,
    reason: Option<String>,
    at: Timestamp,
}

async fn list(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    mut params: Params,
) -> Result<Json<Page<Item>>> {
    let window: Window<1> = params.window();
    let filter = filter(&mut params);
    params.finish()?;
    let plan = plan_ref(id)?;
    let db = app.db().await?;
    let Outline { slots, steps } =
        db::plans::outline(&db, caller.tenant_id, plan).await?.ok_or_else(|| Problem::not_found("plan"))?;
    let after = window.after.and_then(|[no]| i32::try_from(no).ok()).unwrap_or(0);
    let of = (caller.tenant_id, plan.id, slots.as_slice());
    let mut found = db::recipients::page(&db, of, after, &filter, (SCAN, window.limit + 1)).await?;
    let next = if cursor::cut(&mut found, window.limit) {
        found.last().map(|person| person.no)
    } else {
        db::recipients::page_end(&db, (caller.tenant_id, plan.id), after, SCAN).await?
    };
    let items = found.into_iter().map(|person| item(plan, &steps, person)).collect();
    Ok(Json(Page { items, next_cursor: next.map(|no| cursor::write([no.into()])) }))
}

/// The list's filters.
pub(super) fn filter(params: &mut Params) -> Filter {
    let reach: Option<Reach> =
        params.parse("reach", "one of pending, reached, unreachable, cancelled, unknown");
    Filter {
        reach: reach.map(|Reach(word)| word),
        failed: params.parse("failed", "true or false").unwrap_or(false),
        read: params.parse("read", "true or false"),
        answered: params.parse("answered", "true or false"),
        text: params.take("q"),
        recallable: recallable(),
    }
}

struct Reach(&'static str);

impl std::str::FromStr for Reach {
    type Err = ();
    fn from_str(word: &str) -> std::result::Result<Self, ()> {
        REACH.into_iter().find(|known| *known == word).map(Reach).ok_or(())
    }
}

fn item(plan: PlanRef, steps: &Steps, mut person: Recipient) -> Item {
    let recall = recall(&person);
    let reminders = rounds::take(&mut person);
    let ((result, reason), addresses) = (result(&person), addresses(&person));
    Item {
        id: recipient_uuid(plan, person.no),
        key: person.key,
        name: person.name,
        addresses,
        state: person.reach,
        result,
        reason,
        tier: person.tier,
        round: person.round,
        next_at: if person.ended.is_some() { None } else { person.next_at },
        channels: person.channels.into_iter().map(|on| on_channel(steps, on)).collect(),
        reminders,
        recall,
        read_at: person.read_at,
        read_channel: person.read_channel,
        answer: person.answer,
        answer_text: person.answer_text,
        answered_at: person.answered_at,
    }
}

/// Channels on which some provider takes messages back.
fn recallable() -> Vec<Channel> {
    let specs = herald_channels::registry().iter().map(|provider| provider.spec());
    specs.filter(|spec| spec.recall.is_some()).map(|spec| spec.channel).collect()
}

/// What a recall of the plan came to for somebody; `None`: it was not recalled, or what they have is still being taken back.
fn recall(person: &Recipient) -> Option<RecallResult> {
    if person.ended != Some(PlanStatus::Recalled) {
        return None;
    }
    let channels = recallable();
    let out = |on: &Found| {
        // Nobody has to be asked: inboxes show nothing of a recalled plan.
        let ours = on.slot.channel() == Channel::Inbox;
        recall::Out {
            status: on.status,
            recallable: ours || channels.contains(&on.slot.channel()),
            became: if ours { Some(Withdrawal::Taken) } else { on.became },
        }
    };
    let all: Vec<recall::Out> = person.channels.iter().map(out).collect();
    recall::result(person.read_at.is_some(), &all)
}

fn on_channel(steps: &Steps, on: Found) -> OnChannel {
    let Rung { tier, round } = steps.place(on.slot.tier());
    OnChannel { channel: on.slot.channel(), tier, round, status: on.status, reason: on.reason, at: on.at }
}

/// What the ladder came to, and why; nothing while a delivery is open or when only unknown outcomes are left.
fn result(person: &Recipient) -> (Option<&'static str>, Option<String>) {
    use DeliveryStatus as D;
    if person.ladder {
        return of_ladder(person);
    }
    let best = |wanted: &[D]| person.channels.iter().find(|on| wanted.contains(&on.status));
    if person.reach == "pending" || person.channels.iter().any(|on| !on.status.is_final()) {
        return (None, None);
    }
    if person.channels.is_empty() {
        return (person.ended.map(PlanStatus::as_str), person.ended.map(|ended| ended.as_str().to_owned()));
    }
    let order: [(&[D], &'static str); 6] = [
        (&[D::Delivered], "delivered"),
        (&[D::Sent], "sent"),
        (&[D::Cancelled], "recalled"),
        (&[D::Expired], "expired"),
        (&[D::Failed], "exhausted"),
        (&[D::Suppressed], "unreachable"),
    ];
    if best(&[D::Delivered, D::Sent]).is_none() && best(&[D::Unknown]).is_some() {
        return (None, None);
    }
    let found = order.into_iter().find_map(|(statuses, word)| Some((best(statuses)?, word)));
    match found {
        Some((on, "recalled")) if on.reason.as_deref() == Some("stopped") => {
            (Some("stopped"), on.reason.clone())
        }
        Some((on, word)) => (Some(word), on.reason.clone()),
        None => (None, None),
    }
}

/// The same where the plan has ladders: how the person's own ended, or how it was cut off; and why their last delivery failed.
fn of_ladder(person: &Recipient) -> (Option<&'static str>, Option<String>) {
    let Some(result) = person.result else {
        return (person.ended.map(PlanStatus::as_str), person.ended.map(|ended| ended.as_str().to_owned()));
    };
    let unheld =
        [LadderResult::Exhausted, LadderResult::Unreachable, LadderResult::Overdue].contains(&result);
    let reason = person.channels.iter().rev().find_map(|on| on.reason.clone()).filter(|_| unheld);
    (Some(result.as_str()), reason)
}

/// Addresses as they are shown: masked, or only which there are.
pub(super) fn addresses(person: &Recipient) -> BTreeMap<String, String> {
    let shown = |address: &str| if person.sensitive { HIDDEN.to_owned() } else { mask(address) };
    person.addresses.iter().map(|(kind, address)| (kind.clone(), shown(address))).collect()
}

/// Enough of an address to recognise it, not enough to use it.
pub(crate) fn mask(address: &str) -> String {
    if let Some((scheme, rest)) = address.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        return format!("{scheme}://{host}/***");
    }
    if let Some((local, domain)) = address.split_once('@') {
        return format!("{}***@{domain}", local.chars().next().unwrap_or('*'));
    }
    let length = address.chars().count();
    let shown = if length > 8 { 3 } else { 1.min(length) };
    let start: String = address.chars().take(shown).collect();
    let end: String = if length > 8 { address.chars().skip(length - 2).collect() } else { String::new() };
    format!("{start}***{end}")
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn masked_addresses_can_be_recognised_and_not_used() {
        for (address, masked) in [
            ("lilei@example.org", "l***@example.org"),
            ("+8613800138000", "+86***00"),
            ("https://user:pw@hooks.example.org/T0/secret?key=1", "https://hooks.example.org/***"),
            ("lilei", "l***"),
            ("李雷", "李***"),
        ] {
            assert_eq!(mask(address), masked);
        }
    }
}
