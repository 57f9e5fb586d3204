//! Dispatchers' signs of life, and which of them admits which queue.

use deadpool_postgres::GenericClient;

use super::Error;
use crate::domain::{Channel, Lane};

/// Registers this run of a dispatcher.
///
/// # Errors
/// [`Error`] of the database.
pub async fn begin(client: &impl GenericClient) -> Result<i64, Error> {
    let sql = "INSERT INTO dispatcher_run DEFAULT VALUES RETURNING id";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Shows a sign of life; `false`: it was declared dead, its turns are given away.
///
/// # Errors
/// [`Error`] of the database.
pub async fn beat(client: &impl GenericClient, run: i64) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/turns/beat.sql")).await?;
    Ok(client.execute(&statement, &[&run]).await? == 1)
}

/// A queue's turn as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The queue's channel.
    pub channel: Channel,
    /// The queue's lane.
    pub lane: Lane,
    /// Who has it; `None`: it is free.
    pub owner: Option<i64>,
    /// Counts its owners.
    pub epoch: i64,
}

/// Every run with its beat, and every turn.
#[derive(Debug, Default)]
pub struct Look {
    /// Run and beat.
    pub runs: Vec<(i64, i64)>,
    /// Turns that somebody ever took.
    pub turns: Vec<Turn>,
}

/// Looks at all runs and turns, at one moment.
///
/// # Errors
/// [`Error`] of the database.
pub async fn look(client: &impl GenericClient) -> Result<Look, Error> {
    let statement = client.prepare_cached(include_str!("sql/turns/look.sql")).await?;
    let mut look = Look::default();
    for row in client.query(&statement, &[]).await? {
        if row.get(0) {
            look.runs.push((row.get(1), row.get(2)));
        } else {
            let (channel, lane) = (Channel::from_code(row.get(3))?, Lane::from_code(row.get(4))?);
            look.turns.push(Turn { channel, lane, owner: row.get(5), epoch: row.get(2) });
        }
    }
    Ok(look)
}

/// Takes a turn as it was seen; `false`: somebody was faster.
///
/// # Errors
/// [`Error`] of the database.
pub async fn take(client: &impl GenericClient, run: i64, seen: &Turn) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/turns/take.sql")).await?;
    let taken =
        client.execute(&statement, &[&seen.channel.code(), &seen.lane.code(), &run, &seen.epoch]).await?;
    Ok(taken == 1)
}

/// Gives up turns of this run.
///
/// # Errors
/// [`Error`] of the database.
pub async fn release(client: &impl GenericClient, run: i64, queues: &[(Channel, Lane)]) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/turns/release.sql")).await?;
    let (channels, lanes): (Vec<i16>, Vec<i16>) = queues.iter().map(|(c, l)| (c.code(), l.code())).unzip();
    client.execute(&statement, &[&run, &channels, &lanes]).await?;
    Ok(())
}

/// Ends runs: this one when it stops, or those it has seen dead. Their turns are free.
///
/// # Errors
/// [`Error`] of the database.
pub async fn end(client: &impl GenericClient, runs: &[i64]) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/turns/end.sql")).await?;
    client.execute(&statement, &[&runs]).await?;
    Ok(())
}
