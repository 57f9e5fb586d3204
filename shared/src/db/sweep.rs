//! Sweep: what halted and ended plans leave behind, in chunks that hurt nobody. Step 13 of the job protocol.

use deadpool_postgres::{Client, GenericClient, Transaction};

use super::Error;
use crate::domain::PlanStatus;

/// Plans one look returns of each kind.
const PLANS: i64 = 200;
/// Jobs parked or put back at once.
const JOBS: i64 = 2000;
/// Jobs and deliveries ended at once.
const END: (i64, i64) = (200, 5000);

/// Ends plans whose `expires_at` has come: O(1) a plan, claims and marks refuse from then on. Returns how many.
///
/// # Errors
/// [`Error`] of the database.
pub async fn expire_plans(client: &impl GenericClient) -> Result<u64, Error> {
    let statement = client.prepare_cached(include_str!("sql/sweep/expire_plans.sql")).await?;
    Ok(client.execute(&statement, &[]).await?)
}

/// Halted plans with something to do for [`turn`], at most some hundreds.
///
/// # Errors
/// [`Error`] of the database.
pub async fn halted(client: &impl GenericClient) -> Result<Vec<i64>, Error> {
    let statement = client.prepare_cached(include_str!("sql/sweep/halted.sql")).await?;
    Ok(client.query(&statement, &[&PLANS]).await?.iter().map(|row| row.get(0)).collect())
}

/// One chunk of work on one halted plan, in a transaction of its own (async commit).
///
/// - Paused: jobs are parked, so that admission does not meet them again and again. Resumed: they come back.
/// - Ended: jobs are parked first, which is quick and frees the lane for others; then their deliveries become `cancelled` or
///   `expired`. Claimed jobs are left: their worker gives them back when its next mark is refused.
/// - Returns whether there may be more at once. Repeatable, by many at once: one at a time holds a plan.
///
/// # Errors
/// [`Error`] of the database; nothing of the chunk is done.
pub async fn turn(client: &mut Client, plan: i64) -> Result<bool, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let hold = transaction.prepare_cached(include_str!("sql/sweep/hold.sql")).await?;
    if !transaction.query_one(&hold, &[&plan]).await?.get::<_, bool>(0) {
        return Ok(false);
    }
    let read = transaction.prepare_cached("SELECT status FROM plan WHERE id = $1").await?;
    let status = PlanStatus::from_code(transaction.query_one(&read, &[&plan]).await?.get(0))?;
    let more = match status {
        PlanStatus::Paused => paused(&transaction, plan).await?,
        PlanStatus::Recalled | PlanStatus::Stopped | PlanStatus::Expired => {
            ended(&transaction, plan, status).await?
        }
        _ => resumed(&transaction, plan).await?,
    };
    transaction.commit().await?;
    Ok(more)
}

async fn paused(db: &Transaction<'_>, plan: i64) -> Result<bool, Error> {
    if park(db, plan).await? > 0 {
        return Ok(true);
    }
    let over = db.prepare_cached(include_str!("sql/sweep/paused_over.sql")).await?;
    db.execute(&over, &[&plan]).await?;
    Ok(false)
}

async fn resumed(db: &Transaction<'_>, plan: i64) -> Result<bool, Error> {
    let unpark = db.prepare_cached(include_str!("sql/sweep/unpark.sql")).await?;
    if db.execute(&unpark, &[&plan, &JOBS]).await? > 0 {
        return Ok(true);
    }
    unparked(db, plan).await
}

async fn ended(db: &Transaction<'_>, plan: i64, status: PlanStatus) -> Result<bool, Error> {
    if park(db, plan).await? > 0 {
        return Ok(true);
    }
    let end = db.prepare_cached(include_str!("sql/sweep/end.sql")).await?;
    let jobs: i64 = db.query_one(&end, &[&plan, &status.code(), &END.0, &END.1]).await?.get(0);
    if jobs > 0 { Ok(true) } else { unparked(db, plan).await }
}

async fn park(db: &Transaction<'_>, plan: i64) -> Result<u64, Error> {
    let park = db.prepare_cached(include_str!("sql/sweep/park.sql")).await?;
    Ok(db.execute(&park, &[&plan, &JOBS]).await?)
}

async fn unparked(db: &Transaction<'_>, plan: i64) -> Result<bool, Error> {
    let clear = db.prepare_cached(include_str!("sql/sweep/unparked.sql")).await?;
    db.execute(&clear, &[&plan]).await?;
    Ok(false)
}

/// Deletes what nobody needs any more: idempotency keys over 24 hours old, runs of workers ended a day ago, jobs of
/// plans that ended without them.
///
/// # Errors
/// [`Error`] of the database.
pub async fn tidy(client: &impl GenericClient) -> Result<u64, Error> {
    let keys = client.prepare_cached(include_str!("sql/sweep/old_keys.sql")).await?;
    let runs = client.prepare_cached(include_str!("sql/sweep/old_runs.sql")).await?;
    let jobs = client.prepare_cached(include_str!("sql/sweep/finished_jobs.sql")).await?;
    let paces = client.prepare_cached(include_str!("sql/recipient_pace/tidy.sql")).await?;
    let shares = client.prepare_cached(include_str!("sql/shares/tidy.sql")).await?;
    Ok(client.execute(&keys, &[]).await?
        + client.execute(&shares, &[]).await?
        + client.execute(&paces, &[]).await?
        + client.execute(&runs, &[]).await?
        + client.execute(&jobs, &[]).await?)
}
