//! Expand: recipients become deliveries and jobs, set-based, in chunks. Step 3 of the job protocol.

use std::time::Duration;

use deadpool_postgres::{Client, GenericClient, Transaction};

use tokio_postgres::Row;

use super::accept::NewPlan;
use super::{Error, due, remind, series};
use crate::domain::pointer::{Pointer, Wake};
use crate::domain::reminder::FIRST_STEP;
use crate::domain::{FirstTiers, Lane, Slot};

/// Recipients one chunk covers; larger statements make urgent work wait behind them.
pub(super) const CHUNK: i32 = 5000;

pub(super) const SCHEDULE: &str = include_str!("sql/expand/schedule.sql");

/// A range of recipients in one slot, to be expanded.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// The plan.
    pub plan_id: i64,
    /// Its tenant.
    pub tenant_id: i64,
    /// Channel and tier.
    pub slot: Slot,
    /// Its lane.
    pub lane: Lane,
    /// Account for the jobs; `None`: chosen at admission.
    pub account: Option<i64>,
    /// First recipient.
    pub lo: i32,
    /// Last recipient.
    pub hi: i32,
}

/// Leaves an expand job for a plan that is large or due later. Joins the caller's transaction.
pub(super) async fn schedule(db: &Transaction<'_>, plan: &NewPlan) -> Result<(), Error> {
    let statement = db.prepare_cached(SCHEDULE).await?;
    let total = i32::try_from(plan.recipients.len()).unwrap_or(i32::MAX);
    db.execute(&statement, &[&plan.id, &plan.tenant_id, &plan.lane.code(), &total, &plan.send_at]).await?;
    Ok(())
}

/// Writes deliveries and jobs for `pieces`; returns the plan and wake of each job when they are born published.
/// Joins the caller's transaction.
pub(super) async fn write(
    db: &impl GenericClient,
    pieces: &[Piece],
    published: bool,
) -> Result<Vec<(i64, Wake)>, Error> {
    let rows = write_jobs(db, pieces, published).await?;
    rows.iter().filter(|_| published).map(wake).collect()
}

/// Writes deliveries and jobs for `pieces`; returns the jobs.
async fn write_jobs(db: &impl GenericClient, pieces: &[Piece], published: bool) -> Result<Vec<Row>, Error> {
    if pieces.is_empty() {
        return Ok(Vec::new());
    }
    let statement = db.prepare_cached(include_str!("sql/expand/write.sql")).await?;
    let plan_ids: Vec<i64> = pieces.iter().map(|p| p.plan_id).collect();
    let tenants: Vec<i64> = pieces.iter().map(|p| p.tenant_id).collect();
    let slots: Vec<i16> = pieces.iter().map(|p| p.slot.code()).collect();
    let lanes: Vec<i16> = pieces.iter().map(|p| p.lane.code()).collect();
    let accounts: Vec<Option<i64>> = pieces.iter().map(|p| p.account).collect();
    let los: Vec<i32> = pieces.iter().map(|p| p.lo).collect();
    let his: Vec<i32> = pieces.iter().map(|p| p.hi).collect();
    let units: Vec<i32> = pieces.iter().map(|p| p.slot.channel().job_units()).collect();
    let kinds: Vec<&str> = pieces.iter().map(|p| p.slot.channel().address_kind()).collect();
    let rows = db
        .query(
            &statement,
            &[&plan_ids, &tenants, &slots, &lanes, &accounts, &los, &his, &units, &kinds, &published],
        )
        .await?;
    Ok(rows)
}

/// The plan and wake of a job just written.
pub(super) fn wake(row: &Row) -> Result<(i64, Wake), Error> {
    let pointer =
        Pointer { job: row.get(0), account: row.get::<_, Option<i64>>(4).unwrap_or(0), units: row.get(5) };
    let (slot, lane) = (Slot::from_code(row.get(2))?, Lane::from_code(row.get(3))?);
    Ok((row.get(1), Wake { pointer, channel: slot.channel(), lane }))
}

/// What [`step`] did.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// No plan of this lane is due to be expanded.
    Idle,
    /// A chunk is written; there may be more.
    Wrote {
        /// Recipients in it.
        recipients: i32,
        /// For how many seconds the plan has been due.
        age: f64,
    },
    /// It was a pattern's turn.
    Turned {
        /// An occurrence was made; it is to be expanded.
        started: bool,
        /// Occurrences that were left out.
        skipped: u32,
        /// For how many seconds the turn has been due.
        age: f64,
    },
}

/// Does one chunk of one due plan's expansion, or of a round of reminders, or takes a pattern's turn, in a transaction of its own (async
/// commit: the job is still there if it is lost). Resumable after a crash at any point; several dispatchers share the work by SKIP LOCKED.
/// Looks `back` seconds back for a plan.
///
/// # Errors
/// [`Error`]; nothing of the chunk is written.
pub async fn step(client: &mut Client, lane: Lane, back: f64) -> Result<Step, Error> {
    if !due::any(client, due::Kind::Expand, lane, back).await? {
        return Ok(Step::Idle);
    }
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let take = transaction.prepare_cached(include_str!("sql/expand/take.sql")).await?;
    let Some(job) = transaction.query_opt(&take, &[&lane.code(), &back]).await? else {
        return Ok(Step::Idle);
    };
    let (job_id, plan_id, cursor, total): (i64, i64, i32, i32) =
        (job.get(0), job.get(1), job.get(3), job.get(4));
    if job.get::<_, Option<bool>>("recurs") == Some(true) {
        let (started, skipped) = series::turn(&transaction, job_id, plan_id).await?;
        transaction.commit().await?;
        return Ok(Step::Turned { started, skipped, age: job.get(7) });
    }
    let step: i16 = job.get("step");
    let done = if step < FIRST_STEP.into() {
        Some(chunk(&transaction, lane, &job).await?)
    } else {
        let round = remind::Job { plan: plan_id, step, lo: cursor, hi: total, named: job.get("members") };
        remind::step(&transaction, &round).await?
    };
    let hi = done.unwrap_or(cursor - 1);
    let last = hi >= total;
    if last {
        let hold = transaction.prepare_cached(include_str!("sql/expand/hold.sql")).await?;
        transaction.execute(&hold, &[&plan_id]).await?;
        let finish = transaction.prepare_cached(include_str!("sql/expand/finish.sql")).await?;
        transaction.execute(&finish, &[&job_id, &plan_id]).await?;
    } else if done.is_some() {
        let advance = transaction.prepare_cached("UPDATE job SET lo = $2 WHERE id = $1").await?;
        transaction.execute(&advance, &[&job_id, &(hi + 1)]).await?;
    }
    transaction.commit().await?;
    if last && total > 10_000 {
        // Statements prepared against an empty table keep the plan made for it; statistics make them plan again.
        let analyse = client.batch_execute("ANALYZE delivery; ANALYZE recipient");
        tokio::time::timeout(Duration::from_secs(20), analyse).await.map_err(|_| Error::Deadline)??;
    }
    Ok(Step::Wrote { recipients: hi - cursor + 1, age: job.get(7) })
}

/// The next people of a plan become deliveries and jobs of tier 1; up to which position.
async fn chunk(db: &Transaction<'_>, lane: Lane, job: &Row) -> Result<i32, Error> {
    let (plan_id, tenant_id, cursor, total): (i64, i64, i32, i32) =
        (job.get(1), job.get(2), job.get(3), job.get(4));
    let codes: Vec<i16> = job.get(5);
    let slots: Vec<Slot> = codes.into_iter().map(Slot::from_code).collect::<Result<_, _>>()?;
    let first = FirstTiers::from_codes(&job.get::<_, Vec<i16>>(6));
    let hi = total.min(cursor + CHUNK - 1);
    if let Some(pattern) = job.get::<_, Option<i64>>("series_id") {
        series::copy_people(db, pattern, plan_id, (cursor, hi)).await?;
    }
    let piece = |slot| Piece { plan_id, tenant_id, slot, lane, account: None, lo: cursor, hi };
    let pieces: Vec<Piece> = first.openings(&slots).map(piece).collect();
    let jobs = write_jobs(db, &pieces, false).await?;
    if job.get("quiet") {
        let ids: Vec<i64> = jobs.iter().map(|row| row.get(0)).collect();
        super::quiet::keep(db, &ids).await?;
    }
    Ok(hi)
}
