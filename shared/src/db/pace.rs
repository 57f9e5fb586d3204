//! Pace: what an account's limits still allow is given out in slices of time, one worker at a time. See `domain::slots`.

use std::time::Duration;

use deadpool_postgres::GenericClient;

use super::Error;
use crate::domain::limits::Limits;
use crate::domain::slots::{Grant, USED};

/// What an account's limits said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// Some calls may start, from a moment on; none of them: ask again a little later.
    Given(Grant),
    /// The provider asked the whole fleet to wait this long.
    Paused(Duration),
    /// Units are left, but fewer than a call wants: so many.
    Fits(u32),
    /// The units of the last minute are used up.
    MinuteUsed,
    /// The units of the last day are used up.
    DayUsed,
}

/// Makes sure an account can be paced.
///
/// # Errors
/// [`Error`] of the database.
pub async fn open(client: &impl GenericClient, account: i64) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/pace/open.sql")).await?;
    client.execute(&statement, &[&account]).await?;
    Ok(())
}

/// Asks leave for `calls` calls of `units` each; slices are given out at most `ahead` before their time.
///
/// One statement of its own; what is given and not used in time is lost.
///
/// # Errors
/// [`Error`] of the database; nothing may be sent then.
pub async fn lease(
    client: &impl GenericClient,
    account: i64,
    limits: &Limits,
    calls: u32,
    units: u32,
    ahead: Duration,
) -> Result<Answer, Error> {
    let statement = client.prepare_cached(include_str!("sql/pace/lease.sql")).await?;
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let rate = limits.per_second.map(|rate| f64::from(rate) * USED);
    let (minute, day) = (limits.per_minute.map(number), limits.per_day.map(number));
    let (calls, units, ahead_ms) = (number(calls), number(units.max(1)), ahead.as_secs_f64() * 1000.0);
    let row =
        client.query_one(&statement, &[&account, &calls, &rate, &ahead_ms, &minute, &day, &units]).await?;
    let millis = |column: usize| Duration::from_secs_f64(row.get::<_, f64>(column).max(0.0) / 1000.0);
    Ok(match row.get::<_, i32>(3) {
        1 => Answer::Paused(millis(4)),
        2 => Answer::DayUsed,
        3 => Answer::MinuteUsed,
        4 => Answer::Fits(u32::try_from(row.get::<_, i32>(5)).unwrap_or(1)),
        _ => Answer::Given(Grant {
            calls: u32::try_from(row.get::<_, i32>(0)).unwrap_or(0),
            starts: millis(1),
            step: millis(2),
            units: u32::try_from(units).unwrap_or(1),
        }),
    })
}
