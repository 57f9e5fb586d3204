//! The in-app inbox.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::Error;
use crate::domain::ids::{Packed, PlanRef};
use crate::domain::{Content, Slot, Terms};

/// Puts a plan's message into the inboxes of `owners` (recipient `numbers`, same order; at most 1000).
///
/// Joins the caller's transaction, if there is one. Idempotent: rows that exist stay as they are. Returns how many were new.
///
/// # Errors
/// [`Error`] of the database; the call may be repeated.
pub async fn deliver(
    client: &impl GenericClient,
    tenant_id: i64,
    plan_id: i64,
    slot: Slot,
    owners: &[&str],
    numbers: &[i32],
) -> Result<u64, Error> {
    let statement = client.prepare_cached(include_str!("sql/inbox/deliver.sql")).await?;
    Ok(client.execute(&statement, &[&tenant_id, &plan_id, &slot.code(), &owners, &numbers]).await?)
}

/// A message in somebody's inbox, not yet rendered.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its plan.
    pub plan: PlanRef,
    /// Tier and channel, as stored.
    pub slot: i16,
    /// The recipient.
    pub no: i32,
    /// When it arrived.
    pub created_at: Timestamp,
    /// When its owner opened it.
    pub read_at: Option<Timestamp>,
    /// The plan's title.
    pub title: String,
    /// The plan's content.
    pub content: Content,
    /// The plan's rules.
    pub terms: Terms,
    /// The recipient's name.
    pub name: Option<String>,
    /// The recipient's variables.
    pub variables: Option<Map<String, Value>>,
}

/// Where a page of an inbox ended.
#[derive(Debug, Clone, Copy)]
pub struct Position {
    /// Arrival of its last message.
    pub created_at: Timestamp,
    /// Plan of that message.
    pub plan_id: i64,
    /// Slot of that message.
    pub slot: i16,
    /// Recipient of that message.
    pub no: i32,
}

/// An owner's messages, newest first, older than `before`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn list(
    client: &impl GenericClient,
    tenant_id: i64,
    owner: &str,
    before: Option<Position>,
    limit: i64,
) -> Result<Vec<Message>, Error> {
    let statement = client.prepare_cached(include_str!("sql/inbox/list.sql")).await?;
    let at = before.map(|position| position.created_at);
    let plan = before.map(|position| position.plan_id);
    let slot = before.map(|position| position.slot);
    let no = before.map(|position| position.no);
    let rows = client.query(&statement, &[&tenant_id, &owner, &at, &plan, &slot, &no, &limit]).await?;
    Ok(rows.iter().map(message).collect())
}

/// Notes that its owner has read a message; when they first did, and whether the plan is protected, so that its content is elsewhere.
/// `None`: there is no such message.
///
/// # Errors
/// [`Error`] of the database; the call may be repeated.
pub async fn read(
    client: &impl GenericClient,
    tenant_id: i64,
    owner: &str,
    message: Packed,
) -> Result<Option<(Timestamp, bool)>, Error> {
    let Ok(made) = Timestamp::from_millisecond(message.plan.created_ms) else { return Ok(None) };
    let statement = client.prepare_cached(include_str!("sql/inbox/read.sql")).await?;
    let (plan, slot, no) = (message.plan.id, message.slot, message.no);
    let row = client.query_opt(&statement, &[&tenant_id, &owner, &plan, &made, &slot, &no]).await?;
    Ok(row.map(|row| (row.get("read_at"), row.get("protected"))))
}

fn message(row: &Row) -> Message {
    Message {
        plan: PlanRef::new(row.get("plan_created_at"), row.get("plan_id")),
        slot: row.get("slot"),
        no: row.get("no"),
        created_at: row.get("created_at"),
        read_at: row.get("read_at"),
        title: row.get("title"),
        content: row.get::<_, Json<Content>>("content").0,
        terms: row.get::<_, Option<Json<Terms>>>("terms").map(|Json(terms)| terms).unwrap_or_default(),
        name: row.get("name"),
        variables: row
            .get::<_, Option<Json<Map<String, Value>>>>("variables")
            .map(|Json(variables)| variables),
    }
}
