//! Series: patterns make occurrences, plans of their own (migration 0040; the rule in `domain::recurrence`).

use std::time::Duration;

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::Error;
use crate::domain::recurrence::{self, Come, Turn};
use crate::domain::{Lane, Terms, ladder};

/// Until a pattern is looked at again that this build cannot read.
const UNREADABLE: Duration = Duration::from_secs(300);

/// Takes the turn of a pattern whose job the caller has locked: makes the occurrence that is due, counts those left out, and sets the
/// alarm for the next, or ends the series. Whether one was made, and how many were left out. Joins the caller's transaction.
pub(super) async fn turn(db: &Transaction<'_>, job: i64, plan: i64) -> Result<(bool, u32), Error> {
    let hold = db.prepare_cached(include_str!("sql/series/hold.sql")).await?;
    // It was halted since its job was read: the sweep sees to that.
    let Some(row) = db.query_opt(&hold, &[&plan]).await? else { return Ok((false, 0)) };
    let Some((turn, life)) = decide(&row)? else {
        let later = db
            .prepare_cached(
                "UPDATE job SET due_at = now() + $2::double precision * interval '1 s' WHERE id = $1",
            )
            .await?;
        db.execute(&later, &[&job, &UNREADABLE.as_secs_f64()]).await?;
        tracing::warn!(plan, "this build cannot read when the plan recurs: looking again in five minutes");
        return Ok((false, 0));
    };
    let mut started = false;
    if let Some(at) = turn.start {
        let start = db.prepare_cached("SELECT start_occurrence($1, $2, $3)").await?;
        let expires_at = at.checked_add(life).unwrap_or_else(|_| super::drafts::never());
        started = db.query_one(&start, &[&plan, &at, &expires_at]).await?.get(0);
    }
    let skipped = i32::try_from(turn.skipped).unwrap_or(i32::MAX);
    let count = db.prepare_cached(include_str!("sql/series/count.sql")).await?;
    db.execute(&count, &[&plan, &i32::from(turn.start.is_some()), &skipped]).await?;
    match turn.next {
        Some(next) => {
            let next_turn = db.prepare_cached(include_str!("sql/series/next.sql")).await?;
            db.execute(&next_turn, &[&job, &plan, &next]).await?;
        }
        None => over(db, job, plan).await?,
    }
    Ok((started, turn.skipped))
}

/// What is to be done with a pattern, and for how long an occurrence lives. `None`: its terms cannot be read.
fn decide(row: &Row) -> Result<Option<(Turn, Duration)>, Error> {
    let Json(terms) = row.get::<_, Json<Terms>>("terms");
    let Some(Ok(pattern)) = terms.recurrence.map(|recurrence| recurrence.pattern()) else { return Ok(None) };
    let lane = Lane::from_code(row.get("lane"))?;
    let late = terms.max_late.map_or_else(|| ladder::max_late(lane), |late| late.duration());
    let count = |name: &str| u32::try_from(row.get::<_, i32>(name)).unwrap_or(0);
    let come = Come { started: count("n_started"), skipped: count("n_skipped") };
    let now: Timestamp = row.get("now");
    let next: Option<Timestamp> = row.get("send_at");
    let turn = recurrence::turn(&pattern, come, next.unwrap_or(now), (now, row.get("resumed_at")), late);
    let waits = Duration::from_millis(row.get::<_, i64>("waits").unsigned_abs());
    Ok(Some((turn, ladder::life(terms.expires_after, lane, waits))))
}

/// The series has come to its end. Its graph leads from scheduled to finished by way of running.
async fn over(db: &Transaction<'_>, job: i64, plan: i64) -> Result<(), Error> {
    let end = db.prepare_cached(include_str!("sql/series/end.sql")).await?;
    db.execute(&end, &[&job, &plan]).await?;
    let finish = db.prepare_cached(include_str!("sql/series/finish.sql")).await?;
    db.execute(&finish, &[&plan]).await?;
    Ok(())
}

/// Copies people of the pattern into an occurrence, those of a chunk. Joins the caller's transaction.
pub(super) async fn copy_people(
    db: &Transaction<'_>,
    pattern: i64,
    occurrence: i64,
    (first, last): (i32, i32),
) -> Result<(), Error> {
    let copy = db.prepare_cached("SELECT copy_people($1, $2, $3, $4)").await?;
    db.execute(&copy, &[&pattern, &occurrence, &first, &last]).await?;
    Ok(())
}

/// Ids of a pattern's occurrences below `before`, newest first.
///
/// # Errors
/// [`Error`] of the database.
pub async fn occurrences(
    client: &impl GenericClient,
    tenant_id: i64,
    pattern: i64,
    (before, limit): (i64, i64),
) -> Result<Vec<i64>, Error> {
    let statement = client.prepare_cached(include_str!("sql/series/occurrences.sql")).await?;
    let rows = client.query(&statement, &[&tenant_id, &pattern, &before, &limit]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
