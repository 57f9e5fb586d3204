//! Adding people to a plan that was sent (rule 17): they start at tier 1, with clocks of their own.

use deadpool_postgres::Transaction;
use jiff::Timestamp;

use super::Error;
use super::drafts::Held;
use crate::domain::ids::PlanRef;

/// A plan as it is, without holding its row; `None`: the tenant has no such plan.
///
/// # Errors
/// [`Error`] of the database.
pub async fn look(db: &Transaction<'_>, tenant_id: i64, plan: PlanRef) -> Result<Option<Held>, Error> {
    let Ok(created_at) = Timestamp::from_millisecond(plan.created_ms) else { return Ok(None) };
    let statement = db.prepare_cached(include_str!("sql/adding/look.sql")).await?;
    let row = db.query_opt(&statement, &[&tenant_id, &plan.id, &created_at]).await?;
    row.map(|row| Held::read(tenant_id, plan.id, &row)).transpose()
}

/// The right to add to a plan until the transaction ends; `false`: somebody else has it. Its row stays free for those who send.
///
/// # Errors
/// [`Error`] of the database.
pub async fn turn(db: &Transaction<'_>, plan: i64) -> Result<bool, Error> {
    let statement = db.prepare_cached(include_str!("sql/adding/turn.sql")).await?;
    Ok(db.query_one(&statement, &[&plan]).await?.get(0))
}

/// The people written behind the plan's last position become part of it; `false`: the plan was ended meanwhile.
///
/// - Effects: counters, and a job that makes their deliveries in chunks; a finished plan runs again. Holds the plan's row.
///
/// # Errors
/// [`Error`] of the database.
pub async fn join(db: &Transaction<'_>, plan: &Held, added: i32, duplicates: i32) -> Result<bool, Error> {
    let statement = db.prepare_cached(include_str!("sql/adding/join.sql")).await?;
    Ok(db.query_opt(&statement, &[&plan.id, &added, &duplicates]).await?.is_some())
}
