//! Reclaim: what a dead worker held is given back; what it was sending becomes unknown. Step 10 of the job protocol.

use std::time::Duration;

use deadpool_postgres::{Client, GenericClient};

use super::Error;
use crate::domain::{Channel, Lane};

/// Declares a run dead if its beat is still `beat`; from then on it can claim and mark nothing.
///
/// # Errors
/// [`Error`] of the database.
pub async fn declare_dead(client: &impl GenericClient, incarnation: i64, beat: i64) -> Result<bool, Error> {
    let sql =
        "UPDATE worker_incarnation SET ended_at = now() WHERE id = $1 AND beat = $2 AND ended_at IS NULL";
    Ok(client.execute(sql, &[&incarnation, &beat]).await? == 1)
}

/// What one reclaim did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reclaimed {
    /// Deliveries whose outcome is unknown.
    pub unknown: i64,
    /// Deliveries given up after more than 5 claims without an outcome.
    pub parked: i64,
}

/// Claimed jobs of ended runs, which must be given back. At most 500, any order.
///
/// # Errors
/// [`Error`] of the database.
pub async fn lost_jobs(client: &impl GenericClient) -> Result<Vec<i64>, Error> {
    let statement = client.prepare_cached(include_str!("sql/reclaim/lost.sql")).await?;
    Ok(client.query(&statement, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// Claimed jobs past their backstop since at most `back` seconds, which must be given back, and for how many seconds. At most 500.
///
/// # Errors
/// [`Error`] of the database.
pub async fn overdue_jobs(client: &impl GenericClient, back: f64) -> Result<Vec<(i64, f64)>, Error> {
    let statement = client.prepare_cached(include_str!("sql/reclaim/overdue.sql")).await?;
    let (mut lanes, mut channels) = (Vec::new(), Vec::new());
    for lane in Lane::ALL {
        for channel in Channel::ALL {
            lanes.push(lane.code());
            channels.push(channel.code());
        }
    }
    let rows = client.query(&statement, &[&lanes, &channels, &back]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Gives one job back, in a transaction of its own under its row lock.
///
/// - Open attempts become `unknown`; their deliveries wait `grace` for a resend as a new attempt in a new job, or are
///   `unknown` for good: by the plan's rule, at the attempt limit, or when the plan is no longer running.
/// - The rest is due at once. After more than 5 claims without an outcome it is failed (`exhausted`).
/// - `None`: another reclaimer was faster, or the job ended meanwhile. Safe to run by many at once.
///
/// # Errors
/// [`Error`] of the database; nothing is changed.
pub async fn reclaim(
    client: &mut Client,
    job: i64,
    max_attempts: i16,
    grace: Duration,
) -> Result<Option<Reclaimed>, Error> {
    let transaction = client.transaction().await?;
    // The lock in a statement of its own: the next one's snapshot then holds every mark made before it.
    let lock = transaction.prepare_cached(include_str!("sql/reclaim/lock.sql")).await?;
    if transaction.query_opt(&lock, &[&job]).await?.is_none() {
        return Ok(None);
    }
    let statement = transaction.prepare_cached(include_str!("sql/reclaim/reclaim.sql")).await?;
    let grace_ms = grace.as_secs_f64() * 1000.0;
    let row = transaction.query_one(&statement, &[&job, &max_attempts, &grace_ms]).await?;
    transaction.commit().await?;
    Ok(Some(Reclaimed { unknown: row.get(0), parked: row.get(1) }))
}
