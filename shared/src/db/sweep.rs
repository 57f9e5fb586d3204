//! Sweep: what halted and ended plans leave behind, in chunks that hurt nobody. Step 13 of the job protocol.

use std::collections::HashMap;

use deadpool_postgres::{Client, GenericClient, Transaction};

use super::Error;
use crate::domain::PlanStatus;

/// Plans one look returns.
const PLANS: i64 = 200;
/// Jobs parked or put back at once.
const PARK: i64 = 2000;
/// Jobs and deliveries ended at once.
const END: (i64, i64) = (200, 5000);
/// People whose ladders are ended at once.
const LADDERS: i32 = 5000;
/// Plans whose time is over, marked at once.
const EXPIRE: i64 = 1000;

/// Ends plans whose `expires_at` has come: O(1) a plan, claims and marks refuse from then on. Returns how many, and whether
/// there may be more.
///
/// # Errors
/// [`Error`] of the database.
pub async fn expire_plans(client: &impl GenericClient) -> Result<(u64, bool), Error> {
    let statement = client.prepare_cached(include_str!("sql/sweep/expire_plans.sql")).await?;
    let waiting = client.prepare_cached(include_str!("sql/sweep/expire_waiting.sql")).await?;
    let expired =
        client.execute(&statement, &[&EXPIRE]).await? + client.execute(&waiting, &[&EXPIRE]).await?;
    Ok((expired, expired >= EXPIRE.unsigned_abs()))
}

/// A kind of halted plans to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Halted {
    /// Ended plans of more than 100 people that are not over yet: each is worth a chunk of its own.
    Large,
    /// All ended plans that are not over yet.
    Ended,
    /// Paused and resumed plans.
    Parked,
    /// Running ones with enough answers, whose ladders are to be ended.
    Enough,
}

/// One look at halted plans.
#[derive(Debug)]
pub struct Look {
    /// Those with something to do for [`turn`], at most some hundreds.
    pub plans: Vec<i64>,
    /// Where the next look goes on; `None`: this one saw the last.
    pub next: Option<i64>,
}

/// Looks for halted plans with something to do, from the one after `after` on.
///
/// # Errors
/// [`Error`] of the database.
pub async fn halted(client: &impl GenericClient, kind: Halted, after: i64) -> Result<Look, Error> {
    let sql = match kind {
        Halted::Large => include_str!("sql/sweep/ended_large.sql"),
        Halted::Ended => include_str!("sql/sweep/ended.sql"),
        Halted::Parked => include_str!("sql/sweep/parked.sql"),
        Halted::Enough => include_str!("sql/sweep/enough.sql"),
    };
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[&after, &PLANS]).await?;
    let full = rows.len() as i64 >= PLANS;
    let todo = |row: &&tokio_postgres::Row| kind != Halted::Parked || row.get::<_, bool>(1);
    Ok(Look {
        plans: rows.iter().filter(todo).map(|row| row.get(0)).collect(),
        next: rows.last().filter(|_| full).map(|row| row.get(0)),
    })
}

/// One chunk of work on halted plans together, in a transaction of its own (async commit).
///
/// - Paused: jobs are parked, so that admission does not meet them again and again. Resumed: they come back.
/// - Ended: jobs are parked first, which is quick and frees the lane for others; then their deliveries become `cancelled` or
///   `expired`. Claimed jobs are left: their worker gives them back when its next mark is refused.
/// - Returns whether there may be more at once. Repeatable, by many at once: one at a time holds a plan.
///
/// # Errors
/// [`Error`] of the database; nothing of the chunk is done.
pub async fn turn(client: &mut Client, plans: &[i64]) -> Result<bool, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let hold = transaction.prepare_cached(include_str!("sql/sweep/hold.sql")).await?;
    let held: Vec<i64> = transaction.query(&hold, &[&plans]).await?.iter().map(|row| row.get(0)).collect();
    if held.is_empty() {
        return Ok(false);
    }
    let plans = Plans::read(&transaction, &held).await?;
    let more = jobs(&transaction, &plans).await?;
    if !more {
        over(&transaction, &plans).await?;
    }
    transaction.commit().await?;
    Ok(more)
}

/// One chunk of ending what a plan with enough answers has left, in a transaction of its own (async commit): its expand job first, then
/// its ladders, then what waits to be sent. Returns whether there may be more at once. Repeatable; one at a time holds a plan.
///
/// # Errors
/// [`Error`] of the database; nothing of the chunk is done.
pub async fn end_not_needed(client: &mut Client, plan: i64) -> Result<bool, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let hold = transaction.prepare_cached(include_str!("sql/sweep/hold.sql")).await?;
    if transaction.query(&hold, &[&[plan].as_slice()]).await?.is_empty() {
        return Ok(false);
    }
    let more = one_of_not_needed(&transaction, plan).await?;
    transaction.commit().await?;
    Ok(more)
}

/// A transaction locks recipients, then plans, in order and once: so it does one kind of thing.
async fn one_of_not_needed(db: &Transaction<'_>, plan: i64) -> Result<bool, Error> {
    let unmade = db.prepare_cached(include_str!("sql/sweep/enough_unmade.sql")).await?;
    if db.execute(&unmade, &[&plan]).await? > 0 {
        return Ok(true);
    }
    let ladders = db.prepare_cached("SELECT end_not_needed($1, $2)").await?;
    if db.query_one(&ladders, &[&plan, &LADDERS]).await?.get::<_, i32>(0) > 0 {
        return Ok(true);
    }
    let end = db.prepare_cached(include_str!("sql/sweep/end.sql")).await?;
    let (plans, running) = (vec![plan], vec![PlanStatus::Running.code()]);
    let ended = db.query_one(&end, &[&plans, &running, &END.0, &END.0, &END.1]).await?;
    Ok(ended.get::<_, i64>(0) > 0)
}

/// Plans by what is to be done with them.
#[derive(Default)]
struct Plans {
    paused: Vec<i64>,
    resumed: Vec<i64>,
    ended: Vec<i64>,
    /// Of the ended ones.
    statuses: Vec<i16>,
}

impl Plans {
    async fn read(db: &Transaction<'_>, ids: &[i64]) -> Result<Plans, Error> {
        let read = db.prepare_cached(include_str!("sql/sweep/statuses.sql")).await?;
        let rows = db.query(&read, &[&ids]).await?;
        let statuses: HashMap<i64, i16> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let mut plans = Plans::default();
        for id in ids {
            let Some(&status) = statuses.get(id) else { continue };
            match PlanStatus::from_code(status)? {
                PlanStatus::Paused => plans.paused.push(*id),
                PlanStatus::Recalled | PlanStatus::Stopped | PlanStatus::Expired => {
                    plans.ended.push(*id);
                    plans.statuses.push(status);
                }
                _ => plans.resumed.push(*id),
            }
        }
        Ok(plans)
    }
}

/// What can be done to jobs; whether anything was.
async fn jobs(db: &Transaction<'_>, plans: &Plans) -> Result<bool, Error> {
    let parked = move_jobs(db, include_str!("sql/sweep/park.sql"), &plans.paused).await?;
    let unparked = move_jobs(db, include_str!("sql/sweep/unpark.sql"), &plans.resumed).await?;
    let ended = end(db, plans).await?;
    Ok(parked + unparked > 0 || ended)
}

/// Several plans are small: their jobs are gone in a chunk or two, so parking them first would only be one more change.
async fn end(db: &Transaction<'_>, plans: &Plans) -> Result<bool, Error> {
    let Plans { ended, statuses, .. } = plans;
    if ended.is_empty() {
        return Ok(false);
    }
    if ended.len() == 1 && move_jobs(db, include_str!("sql/sweep/park.sql"), ended).await? > 0 {
        return Ok(true);
    }
    let end = db.prepare_cached(include_str!("sql/sweep/end.sql")).await?;
    let jobs: i64 =
        db.query_one(&end, &[ended, statuses, &share(END.0, ended), &END.0, &END.1]).await?.get(0);
    if jobs > 0 {
        return Ok(true);
    }
    // Only when no job that has deliveries is to be had: a transaction locks plans once, in order.
    let unmade = db.prepare_cached(include_str!("sql/sweep/unmade.sql")).await?;
    if db.execute(&unmade, &[ended]).await? > 0 {
        return Ok(true);
    }
    let over = db.prepare_cached(include_str!("sql/sweep/ladders_over.sql")).await?;
    let waits: i64 = db.query_one(&over, &[ended, &share(PARK, ended)]).await?.get(0);
    Ok(waits > 0)
}

/// Nothing was to be done to jobs: what that says of the plans.
async fn over(db: &Transaction<'_>, plans: &Plans) -> Result<(), Error> {
    let mut free = [plans.resumed.as_slice(), plans.ended.as_slice()].concat();
    free.sort_unstable();
    let clear = db.prepare_cached(include_str!("sql/sweep/unparked.sql")).await?;
    let cleared = if free.is_empty() { 0 } else { db.execute(&clear, &[&free]).await? };
    // The next time, if plans are locked already: a transaction locks plans once, in order.
    if cleared == 0 && !plans.paused.is_empty() {
        let over = db.prepare_cached(include_str!("sql/sweep/paused_over.sql")).await?;
        db.execute(&over, &[&plans.paused]).await?;
    }
    Ok(())
}

/// Parks jobs or puts them back, as `sql` says. How many.
async fn move_jobs(db: &Transaction<'_>, sql: &str, plans: &[i64]) -> Result<u64, Error> {
    if plans.is_empty() {
        return Ok(0);
    }
    let statement = db.prepare_cached(sql).await?;
    Ok(db.execute(&statement, &[&plans, &share(PARK, plans), &PARK]).await?)
}

/// What one of `plans` may have of `all`.
fn share(all: i64, plans: &[i64]) -> i64 {
    (all / plans.len().max(1) as i64).max(10)
}

/// Deletes what nobody needs any more: idempotency keys over 24 hours old, runs of workers ended a day ago, jobs of
/// plans that ended without them. Reopens stopped plans for the sweep whose reminders' time is over.
///
/// # Errors
/// [`Error`] of the database.
pub async fn tidy(client: &impl GenericClient) -> Result<u64, Error> {
    let keys = client.prepare_cached(include_str!("sql/sweep/old_keys.sql")).await?;
    let runs = client.prepare_cached(include_str!("sql/sweep/old_runs.sql")).await?;
    let jobs = client.prepare_cached(include_str!("sql/sweep/finished_jobs.sql")).await?;
    let paces = client.prepare_cached(include_str!("sql/recipient_pace/tidy.sql")).await?;
    let shares = client.prepare_cached(include_str!("sql/shares/tidy.sql")).await?;
    let codes = client.prepare_cached(include_str!("sql/codes/tidy.sql")).await?;
    let stopped = client.prepare_cached(include_str!("sql/sweep/stopped_over.sql")).await?;
    Ok(client.execute(&keys, &[]).await?
        + client.execute(&shares, &[]).await?
        + client.execute(&codes, &[]).await?
        + client.execute(&stopped, &[]).await?
        + client.execute(&paces, &[]).await?
        + client.execute(&runs, &[]).await?
        + client.execute(&jobs, &[]).await?)
}
