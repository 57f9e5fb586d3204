//! Admit: due jobs go to the broker, a bounded window of them. Step 4 of the job protocol.

use std::time::Duration;

use deadpool_postgres::{Client, GenericClient};

use super::Error;
use crate::domain::pointer::Pointer;
use crate::domain::{Channel, Lane};

/// Takes due jobs of one queue, oldest first, marks them published and chooses accounts where none is set or usable.
///
/// - Shape: at most `limit` jobs and about `room` units. A job without any usable account stays and is due again in 5 s.
/// - Effects: one statement, async commit: lost with a crash of the database, it happens again.
/// - Repeatable: a pointer that is not published by its caller counts as lost after `visibility`, doubled each time.
///
/// # Errors
/// [`Error`] of the database.
pub async fn admit(
    client: &mut Client,
    channel: Channel,
    lane: Lane,
    room: i64,
    limit: i64,
    visibility: Duration,
) -> Result<Vec<Pointer>, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let statement = transaction.prepare_cached(include_str!("sql/admit/admit.sql")).await?;
    let visibility_ms = visibility.as_secs_f64() * 1000.0;
    let rows = transaction
        .query(&statement, &[&lane.code(), &channel.code(), &limit, &room, &visibility_ms])
        .await?;
    let pointers =
        rows.iter().map(|row| Pointer { job: row.get(0), account: row.get(1), units: row.get(2) }).collect();
    transaction.commit().await?;
    Ok(pointers)
}

/// Puts published jobs back into the backlog: their window is full. Async commit.
///
/// # Errors
/// [`Error`] of the database; the jobs then come back when their visibility lapses.
pub async fn put_back(client: &impl GenericClient, jobs: &[i64]) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/put_back.sql")).await?;
    client.execute(&statement, &[&jobs]).await?;
    Ok(())
}

/// Makes every published job of a queue due at once: its queue was lost.
///
/// # Errors
/// [`Error`] of the database.
pub async fn queue_lost(client: &impl GenericClient, channel: Channel, lane: Lane) -> Result<u64, Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/queue_lost.sql")).await?;
    Ok(client.execute(&statement, &[&lane.code(), &channel.code()]).await?)
}

/// How much is due in a lane, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Due {
    /// Jobs due now and not claimed, counted up to 10,000.
    pub jobs: i64,
    /// Age of the oldest, in seconds.
    pub oldest_seconds: f64,
}

/// Counts what is due in a lane.
///
/// # Errors
/// [`Error`] of the database.
pub async fn due(client: &impl GenericClient, lane: Lane) -> Result<Due, Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/due.sql")).await?;
    let row = client.query_one(&statement, &[&lane.code()]).await?;
    Ok(Due { jobs: row.get(0), oldest_seconds: row.get(1) })
}

/// Which of `channels` have something due in a lane: one cheap look before windows are asked.
///
/// # Errors
/// [`Error`] of the database.
pub async fn channels_due(
    client: &impl GenericClient,
    lane: Lane,
    channels: &[Channel],
) -> Result<Vec<Channel>, Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/channels_due.sql")).await?;
    let codes: Vec<i16> = channels.iter().map(|channel| channel.code()).collect();
    let rows = client.query(&statement, &[&lane.code(), &codes]).await?;
    rows.iter().map(|row| Ok(Channel::from_code(row.get(0))?)).collect()
}
