//! Drafts: plans that wait for their people and for the word to go. Whoever changes one holds its row until the commit, so an
//! upload is there as a whole or not at all, and two never meet.

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::Error;
use super::accept::{self, NewRecipient};
use super::expand;
use crate::domain::ids::PlanRef;
use crate::domain::{Content, FirstTiers, Lane, PlanStatus, Slot, Terms};

/// `expires_at` of a draft that names none: counted from its start when it is sent. 9999-12-30T00:00:00Z, in seconds.
const NEVER: i64 = 253_402_128_000;
/// People read at once.
const PAGE: i64 = 2_000;
/// People removed at once.
const REMOVED: i64 = 20_000;

/// The time that stands for "not given".
///
/// # Panics
/// Never: the second is one of the calendar's.
#[must_use]
pub fn never() -> Timestamp {
    Timestamp::from_second(NEVER).expect("the second is one of the calendar's")
}

/// A plan whose row is held.
#[derive(Debug)]
pub struct Held {
    /// Internal id.
    pub id: i64,
    /// Owner.
    pub tenant_id: i64,
    /// Its status: anything but a draft must be left alone.
    pub status: PlanStatus,
    /// It is in the bin.
    pub binned: bool,
    /// Counts its edits.
    pub epoch: i32,
    /// The caller's name for it.
    pub reference: Option<String>,
    /// Its priority.
    pub lane: Lane,
    /// When to start; `None`: when it is sent.
    pub send_at: Option<Timestamp>,
    /// When to give up; `None`: counted from the start.
    pub expires_at: Option<Timestamp>,
    /// People in it.
    pub recipients: i32,
    /// Title.
    pub title: String,
    /// What it says.
    pub content: Content,
    /// What goes out of it leads to the recipients' pages.
    pub asks: bool,
    /// Its slots.
    pub slots: Vec<Slot>,
    /// Which steps use them one after the other.
    pub first_tiers: FirstTiers,
    /// How long its tiers wait together.
    pub waits: Duration,
    /// Its rules beyond the common.
    pub terms: Terms,
}

/// Holds a plan's row until the transaction ends; `None`: the tenant has no such plan.
///
/// # Errors
/// [`Error::is_locked`] when somebody else holds it; [`Error`] of the database.
pub async fn hold(db: &Transaction<'_>, tenant_id: i64, plan: PlanRef) -> Result<Option<Held>, Error> {
    let Ok(created_at) = Timestamp::from_millisecond(plan.created_ms) else { return Ok(None) };
    let statement = db.prepare_cached(include_str!("sql/drafts/lock.sql")).await?;
    let Some(row) = db.query_opt(&statement, &[&tenant_id, &plan.id, &created_at]).await? else {
        return Ok(None);
    };
    Held::read(tenant_id, plan.id, &row).map(Some)
}

impl Held {
    /// Of a row of `drafts/lock.sql`.
    pub(super) fn read(tenant_id: i64, id: i64, row: &Row) -> Result<Self, Error> {
        let codes: Vec<i16> = row.get("slots");
        let expires_at: Timestamp = row.get("expires_at");
        let waits: Option<Vec<i64>> = row.get("waits");
        let slots: Vec<Slot> = codes.into_iter().map(Slot::from_code).collect::<Result<_, _>>()?;
        let Json(content) = row.get::<_, Json<Content>>("content");
        Ok(Held {
            id,
            tenant_id,
            status: PlanStatus::from_code(row.get("status"))?,
            binned: row.get("binned"),
            epoch: row.get("epoch"),
            reference: row.get("reference"),
            lane: Lane::from_code(row.get("lane"))?,
            send_at: row.get("send_at"),
            expires_at: Some(expires_at).filter(|at| *at != never()),
            recipients: row.get("n_recipients"),
            title: row.get("title"),
            asks: content.leads_to_page(row.get("asks"), slots.iter().map(|slot| slot.channel())),
            content,
            slots,
            first_tiers: FirstTiers::from_codes(&row.get::<_, Vec<i16>>("first_tiers")),
            terms: row.get::<_, Option<Json<Terms>>>("terms").map(|Json(terms)| terms).unwrap_or_default(),
            waits: Duration::from_millis(waits.iter().flatten().map(|wait| wait.unsigned_abs()).sum()),
        })
    }
}

/// Some people of a draft after position `after`, in order; empty at the end.
///
/// # Errors
/// [`Error`] of the database.
pub async fn people(
    db: &impl GenericClient,
    draft: &Held,
    after: i32,
) -> Result<Vec<(i32, NewRecipient)>, Error> {
    let statement = db.prepare_cached(include_str!("sql/drafts/page.sql")).await?;
    let rows = db.query(&statement, &[&draft.id, &after, &PAGE]).await?;
    Ok(rows.iter().map(person).collect())
}

fn person(row: &Row) -> (i32, NewRecipient) {
    let Json(addresses) = row.get::<_, Json<BTreeMap<String, String>>>("addresses");
    let skips = row.get::<_, Option<Json<BTreeMap<String, String>>>>("skips");
    let variables = row.get::<_, Option<Json<Map<String, Value>>>>("variables");
    let person = NewRecipient {
        key: row.get("key"),
        name: row.get("name"),
        addresses,
        skips: skips.map(|Json(map)| map).unwrap_or_default(),
        variables: variables.map(|Json(map)| map),
        locale: row.get("locale"),
        time_zone: row.get("time_zone"),
    };
    (row.get("no"), person)
}

/// One person of a plan, by position.
///
/// # Errors
/// [`Error`] of the database.
pub async fn person_at(
    db: &impl GenericClient,
    plan_id: i64,
    no: i32,
) -> Result<Option<NewRecipient>, Error> {
    let statement = db.prepare_cached(include_str!("sql/drafts/page.sql")).await?;
    let row = db.query_opt(&statement, &[&plan_id, &(no - 1), &1_i64]).await?;
    Ok(row.map(|row| person(&row)).filter(|(own, _)| *own == no).map(|(_, person)| person))
}

/// Adds people behind position `last`; nobody sees them before the commit.
///
/// # Errors
/// [`Error`] of the database.
pub async fn add(
    db: &Transaction<'_>,
    draft: &Held,
    last: i32,
    people: &[NewRecipient],
) -> Result<(), Error> {
    let rows: Vec<(i64, i32, &NewRecipient)> =
        (last + 1..).zip(people).map(|(no, person)| (draft.id, no, person)).collect();
    accept::insert_rows(db, &rows).await
}

/// Removes some people from a draft's end; `false`: there were none.
///
/// # Errors
/// [`Error`] of the database.
pub async fn remove_some(db: &Transaction<'_>, draft: &Held) -> Result<bool, Error> {
    let statement = db.prepare_cached(include_str!("sql/drafts/remove.sql")).await?;
    Ok(db.execute(&statement, &[&draft.id, &REMOVED]).await? > 0)
}

/// Counts that nobody is left, in the draft's row and in `draft`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn emptied(db: &Transaction<'_>, draft: &mut Held) -> Result<(), Error> {
    let statement = db.prepare_cached(include_str!("sql/drafts/emptied.sql")).await?;
    db.execute(&statement, &[&draft.id]).await?;
    draft.recipients = 0;
    Ok(())
}

/// Counts what was added.
///
/// # Errors
/// [`Error`] of the database.
pub async fn grow(db: &Transaction<'_>, draft: &Held, added: i32, duplicates: i32) -> Result<(), Error> {
    let statement = db.prepare_cached(include_str!("sql/drafts/grow.sql")).await?;
    db.execute(&statement, &[&draft.id, &added, &duplicates]).await?;
    Ok(())
}

/// Sends a draft at `send_at`: it is scheduled or runs, and an expand job makes its deliveries in chunks.
///
/// # Errors
/// [`Error`] of the database.
pub async fn send(
    db: &Transaction<'_>,
    draft: &Held,
    (send_at, expires_at): (Option<Timestamp>, Timestamp),
    traceparent: Option<&str>,
) -> Result<(), Error> {
    let statement = db.prepare_cached(include_str!("sql/drafts/send.sql")).await?;
    db.execute(&statement, &[&draft.id, &expires_at, &traceparent, &send_at]).await?;
    let schedule = db.prepare_cached(expand::SCHEDULE).await?;
    let (lane, total) = (draft.lane.code(), draft.recipients);
    db.execute(&schedule, &[&draft.id, &draft.tenant_id, &lane, &total, &send_at]).await?;
    Ok(())
}
