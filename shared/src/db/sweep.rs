//! Sweep: what a plan's end leaves behind. Expiry now; recall and stop use the same chunks.

use deadpool_postgres::{Client, GenericClient};

use super::Error;

/// Ends plans whose `expires_at` has come: O(1) a plan, claims and marks refuse from then on. Returns how many.
///
/// # Errors
/// [`Error`] of the database.
pub async fn expire_plans(client: &impl GenericClient) -> Result<u64, Error> {
    let statement = client.prepare_cached(include_str!("sql/sweep/expire_plans.sql")).await?;
    Ok(client.execute(&statement, &[]).await?)
}

/// Turns what ended plans still have in unclaimed jobs into `expired` or `cancelled`, a chunk of jobs a call.
///
/// Claimed jobs are left: their worker gives them back when its next mark is refused. Repeatable, by many at once.
///
/// # Errors
/// [`Error`] of the database.
pub async fn sweep(client: &mut Client) -> Result<i64, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let statement = transaction.prepare_cached(include_str!("sql/sweep/sweep.sql")).await?;
    let swept = transaction.query_one(&statement, &[]).await?.get(0);
    transaction.commit().await?;
    Ok(swept)
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
    Ok(client.execute(&keys, &[]).await?
        + client.execute(&runs, &[]).await?
        + client.execute(&jobs, &[]).await?)
}
