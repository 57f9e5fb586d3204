//! Copies: a plan as a new draft, with its people or without.

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;

use super::Error;
use super::drafts::never;
use crate::domain::ids::PlanRef;

/// People one statement copies.
pub const CHUNK: i32 = 5_000;

/// A copy being made: from which plan, to which draft, and how many people there are.
#[derive(Debug, Clone, Copy)]
pub struct Copy {
    /// Internal id of the plan that is copied.
    pub from: i64,
    /// The draft.
    pub draft: PlanRef,
    /// People of the plan.
    pub people: i32,
}

/// What became of the wish for a copy.
#[derive(Debug)]
pub enum Begun {
    /// The draft is there, without people yet.
    Yes(Copy),
    /// The tenant has no such plan.
    Unknown,
    /// What the plan said is erased.
    Erased,
}

/// Makes the draft, without people yet.
///
/// # Errors
/// [`Error`] of the database.
pub async fn begin(
    db: &Transaction<'_>,
    tenant_id: i64,
    plan: PlanRef,
    now: Timestamp,
    traceparent: Option<&str>,
) -> Result<Begun, Error> {
    let Ok(created_at) = Timestamp::from_millisecond(plan.created_ms) else { return Ok(Begun::Unknown) };
    let source = db.prepare_cached(include_str!("sql/copies/source.sql")).await?;
    let Some(row) = db.query_opt(&source, &[&tenant_id, &plan.id, &created_at]).await? else {
        return Ok(Begun::Unknown);
    };
    if row.get("erased") {
        return Ok(Begun::Erased);
    }
    let people = row.get("n_recipients");
    let id: i64 = db.query_one("SELECT nextval('plan_id_block')", &[]).await?.get(0);
    // Whole milliseconds: part of the public ids.
    let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    let make = db.prepare_cached(include_str!("sql/copies/plan.sql")).await?;
    db.execute(&make, &[&plan.id, &id, &now, &never(), &traceparent]).await?;
    Ok(Begun::Yes(Copy { from: plan.id, draft: PlanRef::new(now, id), people }))
}

/// Copies the people behind position `after`, at most [`CHUNK`]; up to which position.
///
/// # Errors
/// [`Error`] of the database.
pub async fn people(db: &Transaction<'_>, copy: &Copy, after: i32) -> Result<i32, Error> {
    let hi = copy.people.min(after.saturating_add(CHUNK));
    let statement = db.prepare_cached(include_str!("sql/copies/people.sql")).await?;
    db.execute(&statement, &[&copy.from, &copy.draft.id, &(after + 1), &hi]).await?;
    Ok(hi)
}

/// The plan that takes another's place already.
///
/// # Errors
/// [`Error`] of the database.
pub async fn successor(
    client: &impl GenericClient,
    tenant_id: i64,
    plan: i64,
) -> Result<Option<PlanRef>, Error> {
    let statement = client.prepare_cached(include_str!("sql/copies/successor.sql")).await?;
    let row = client.query_opt(&statement, &[&tenant_id, &plan]).await?;
    Ok(row.map(|row| PlanRef::new(row.get("created_at"), row.get("id"))))
}

/// Lets a draft take a recalled plan's place; `false`: another one has it.
///
/// # Errors
/// [`Error`] of the database.
pub async fn supersede(db: &Transaction<'_>, plan: i64, draft: i64) -> Result<bool, Error> {
    let statement = db.prepare_cached(include_str!("sql/copies/supersede.sql")).await?;
    Ok(db.query_opt(&statement, &[&plan, &draft]).await?.is_some())
}

/// Counts the people that were copied.
///
/// # Errors
/// [`Error`] of the database.
pub async fn counted(db: &Transaction<'_>, copy: &Copy) -> Result<(), Error> {
    let count =
        "UPDATE plan SET n_recipients = (SELECT count(*) FROM recipient WHERE plan_id = $1) WHERE id = $1";
    let statement = db.prepare_cached(count).await?;
    db.execute(&statement, &[&copy.draft.id]).await?;
    Ok(())
}
