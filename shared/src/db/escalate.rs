//! Escalate: due steps of ladders fire. Step 12 of the job protocol; what a step does is in the database (`fire_ladders`).

use deadpool_postgres::{Client, GenericClient};

use super::{Error, due};
use crate::domain::Lane;
use crate::domain::ids::PlanRef;

/// Jobs and recipients of one chunk.
const CHUNK: (i64, i64) = (100, 5000);

/// What [`fire`] did; no jobs: nothing is due.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Fired {
    /// Jobs that fired.
    pub jobs: usize,
    /// For how many seconds the oldest had been due.
    pub oldest: f64,
}

/// Fires one chunk of due steps of a lane, in a transaction of its own (async commit: the jobs are still there if it is lost).
///
/// - Effects: whose `until` holds is at their end, the others are at their next tier with deliveries and jobs, all in this commit.
/// - Several dispatchers share the work by SKIP LOCKED; a step fires once, since only those still at its tier move.
/// - Looks `back` seconds back.
///
/// # Errors
/// [`Error`]; nothing of the chunk is done.
pub async fn fire(client: &mut Client, lane: Lane, back: f64) -> Result<Fired, Error> {
    if !due::any(client, due::Kind::Escalate, lane, back).await? {
        return Ok(Fired::default());
    }
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let take = transaction.prepare_cached(include_str!("sql/escalate/take.sql")).await?;
    let rows = transaction.query(&take, &[&lane.code(), &back, &CHUNK.0, &CHUNK.1]).await?;
    if rows.is_empty() {
        return Ok(Fired::default());
    }
    let jobs: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let oldest = rows.iter().map(|row| row.get::<_, f64>(1)).fold(0.0, f64::max);
    let fire = transaction.prepare_cached(include_str!("sql/escalate/fire.sql")).await?;
    transaction.execute(&fire, &[&jobs]).await?;
    transaction.commit().await?;
    Ok(Fired { jobs: jobs.len(), oldest })
}

/// Fails deliveries that have waited for a usable account as long as rule 8 lets them, a chunk, in a transaction of its own (async commit).
/// How many jobs that ended.
///
/// # Errors
/// [`Error`]; nothing of the chunk is done.
pub async fn fail_without_account(client: &mut Client) -> Result<i32, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let statement = transaction.prepare_cached("SELECT fail_without_account()").await?;
    let failed = transaction.query_one(&statement, &[]).await?.get(0);
    transaction.commit().await?;
    Ok(failed)
}

/// Ends the current waits of a running plan now: their steps are due. How many.
///
/// # Errors
/// [`Error`] of the database.
pub async fn now(client: &impl GenericClient, tenant_id: i64, plan: PlanRef) -> Result<u64, Error> {
    let statement = client.prepare_cached(include_str!("sql/escalate/now.sql")).await?;
    Ok(client.execute(&statement, &[&tenant_id, &plan.id]).await?)
}
