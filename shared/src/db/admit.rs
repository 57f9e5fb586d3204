//! Admit: due jobs go to the broker, a bounded window of them, shared fairly. Step 4 of the job protocol.

use std::collections::HashMap;
use std::time::Duration;

use deadpool_postgres::{Client, GenericClient};
use tokio_postgres::Row;

use super::Error;
use crate::domain::account_choice::Candidate;
use crate::domain::fair::Waiting;
use crate::domain::pointer::Pointer;
use crate::domain::{Channel, Lane};

/// A queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Its channel.
    pub channel: Channel,
    /// Its lane.
    pub lane: Lane,
}

/// A job that may be admitted.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// What fair sharing needs to know.
    pub waiting: Waiting,
    /// For how many seconds it has been due; 0 where nobody asks.
    pub age: f64,
    /// Its plan is running; otherwise it is paused, or has ended and is for the sweep.
    pub runs: bool,
}

/// Due jobs of a queue, oldest first, at most `limit`; `back`: seconds, none is due for longer as the caller knows.
/// `published`: only those whose pointer counts as lost.
///
/// # Errors
/// [`Error`] of the database.
pub async fn page(
    client: &impl GenericClient,
    queue: Queue,
    back: f64,
    limit: i64,
    published: bool,
) -> Result<Vec<Found>, Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/page.sql")).await?;
    let (lane, channel) = (queue.lane.code(), queue.channel.code());
    let rows = client.query(&statement, &[&lane, &channel, &back, &limit, &published]).await?;
    Ok(rows.iter().map(found).collect())
}

fn found(row: &Row) -> Found {
    let (job, tenant, plan, units) = (row.get(0), row.get(1), row.get(2), row.get(3));
    Found { waiting: Waiting { job, tenant, plan, units }, age: row.get(4), runs: row.get(5) }
}

/// Tenants with waiting jobs (due or not) in a queue, in order of id from after `after`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn tenants(
    client: &impl GenericClient,
    queue: Queue,
    after: i64,
    limit: i32,
) -> Result<Vec<i64>, Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/tenants.sql")).await?;
    let (lane, channel) = (queue.lane.code(), queue.channel.code());
    let rows = client.query(&statement, &[&lane, &channel, &after, &limit]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Plans with waiting jobs (due or not) in a queue, for each of `tenants` (id, and after which plan) at most `limit`: tenant,
/// plan, whether it runs.
///
/// # Errors
/// [`Error`] of the database.
pub async fn plans(
    client: &impl GenericClient,
    queue: Queue,
    tenants: &[(i64, i64)],
    limit: i32,
) -> Result<Vec<(i64, i64, bool)>, Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/plans.sql")).await?;
    let (ids, after): (Vec<i64>, Vec<i64>) = tenants.iter().copied().unzip();
    let (lane, channel) = (queue.lane.code(), queue.channel.code());
    let rows = client.query(&statement, &[&lane, &channel, &ids, &after, &limit]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

/// The first due jobs of each of `flows` (tenant and plan), at most `limit` of each.
///
/// # Errors
/// [`Error`] of the database.
pub async fn first_jobs(
    client: &impl GenericClient,
    queue: Queue,
    flows: &[(i64, i64)],
    limit: i64,
) -> Result<Vec<Found>, Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/first_jobs.sql")).await?;
    let (tenants, plans): (Vec<i64>, Vec<i64>) = flows.iter().copied().unzip();
    let (lane, channel) = (queue.lane.code(), queue.channel.code());
    let rows = client.query(&statement, &[&lane, &channel, &tenants, &plans, &limit]).await?;
    Ok(rows.iter().map(found).collect())
}

/// The accounts of `tenants` in a channel, by tenant and in order of use, with times on the clock on which it is `now`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn accounts(
    client: &impl GenericClient,
    channel: Channel,
    tenants: &[i64],
    now: Duration,
) -> Result<HashMap<i64, Vec<Candidate>>, Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/accounts.sql")).await?;
    // A tenant without accounts is an answer too.
    let mut all: HashMap<i64, Vec<Candidate>> = tenants.iter().map(|&tenant| (tenant, Vec::new())).collect();
    let after = |seconds: f64| now + Duration::from_secs_f64(seconds.max(0.0));
    for row in client.query(&statement, &[&channel.code(), &tenants]).await? {
        all.entry(row.get(0)).or_default().push(Candidate {
            id: row.get(1),
            order: row.get(2),
            weight: row.get(3),
            per_second: row.get(4),
            rests: row.get(5),
            paused_until: after(row.get(6)),
            open_until: row.get::<_, Option<f64>>(7).map(after),
            down_until: row.get::<_, Option<f64>>(8).map(after),
        });
    }
    Ok(all)
}

/// Asks for the right to send one job through an account whose breaker is open and whose time has come. `true` for one asker in
/// 5 s.
///
/// # Errors
/// [`Error`] of the database.
pub async fn probe(client: &impl GenericClient, account: i64) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/probe.sql")).await?;
    Ok(client.execute(&statement, &[&account]).await? == 1)
}

/// Marks chosen jobs (id and account) published; returns pointers to those that could be had.
///
/// - Effects: one statement, async commit: lost with a crash of the database, it happens again.
/// - Repeatable: a pointer that is not published by its caller counts as lost after `visibility`, doubled each time.
///
/// # Errors
/// [`Error`] of the database.
pub async fn mark(
    client: &mut Client,
    chosen: &[(i64, i64)],
    visibility: Duration,
) -> Result<Vec<Pointer>, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let statement = transaction.prepare_cached(include_str!("sql/admit/mark.sql")).await?;
    let (jobs, accounts): (Vec<i64>, Vec<i64>) = chosen.iter().copied().unzip();
    let visibility_ms = visibility.as_secs_f64() * 1000.0;
    let rows = transaction.query(&statement, &[&jobs, &accounts, &visibility_ms]).await?;
    transaction.commit().await?;
    let mut had: HashMap<i64, Pointer> = rows
        .iter()
        .map(|row| (row.get(0), Pointer { job: row.get(0), account: row.get(1), units: row.get(2) }))
        .collect();
    // In the order they were chosen in, which is the fair one.
    Ok(jobs.iter().filter_map(|job| had.remove(job)).collect())
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

/// Counts what has become due in a lane during the last `back` seconds.
///
/// # Errors
/// [`Error`] of the database.
pub async fn due(client: &impl GenericClient, lane: Lane, back: f64) -> Result<Due, Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/due.sql")).await?;
    // Channel 0: jobs that are still to be expanded.
    let (mut kinds, mut channels): (Vec<i16>, Vec<i16>) = (vec![0], vec![0]);
    for channel in Channel::ALL {
        kinds.push(1);
        channels.push(channel.code());
    }
    let row = client.query_one(&statement, &[&lane.code(), &kinds, &channels, &back]).await?;
    Ok(Due { jobs: row.get(0), oldest_seconds: row.get(1) })
}

/// Which of `channels` (each with how many seconds back to look) have something due in a lane: one cheap look before
/// anything else.
///
/// # Errors
/// [`Error`] of the database.
pub async fn channels_due(
    client: &impl GenericClient,
    lane: Lane,
    channels: &[(Channel, f64)],
) -> Result<Vec<Channel>, Error> {
    let statement = client.prepare_cached(include_str!("sql/admit/channels_due.sql")).await?;
    let (codes, back): (Vec<i16>, Vec<f64>) = channels.iter().map(|(c, back)| (c.code(), *back)).unzip();
    let rows = client.query(&statement, &[&lane.code(), &codes, &back]).await?;
    rows.iter().map(|row| Ok(Channel::from_code(row.get(0))?)).collect()
}
