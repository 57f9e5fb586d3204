//! Health of accounts, as the whole fleet sees it. The judgement is `domain::health`'s.

use std::time::Duration;

use deadpool_postgres::GenericClient;

use super::Error;
use crate::domain::health::{Judgement, Seen};

/// What a worker must know of an account before it calls; one that is not listed is well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    /// The account.
    pub account: i64,
    /// How much longer nobody may call.
    pub paused: Duration,
    /// Only probes may go out.
    pub open: bool,
    /// The pause is so long that admission gives the work to another account.
    pub rests: bool,
}

/// How `accounts` are just now; those that are well are left out.
///
/// # Errors
/// [`Error`] of the database.
pub async fn conditions(client: &impl GenericClient, accounts: &[i64]) -> Result<Vec<Condition>, Error> {
    let statement = client.prepare_cached(include_str!("sql/health/seen.sql")).await?;
    let rows = client.query(&statement, &[&accounts]).await?;
    let condition = |row: &tokio_postgres::Row| Condition {
        account: row.get(0),
        paused: Duration::from_secs_f64(row.get::<_, f64>(1).max(0.0) / 1000.0),
        open: row.get(2),
        rests: row.get(3),
    };
    Ok(rows.iter().map(condition).collect())
}

/// The provider asked for a pause; its words become the account's reason.
///
/// # Errors
/// [`Error`] of the database.
pub async fn throttle(
    client: &impl GenericClient,
    account: i64,
    pause: Duration,
    why: &str,
) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/health/throttle.sql")).await?;
    client.execute(&statement, &[&account, &millis(pause), &why]).await?;
    Ok(())
}

/// A quota is used up: nobody asks for a while.
///
/// # Errors
/// [`Error`] of the database.
pub async fn pause(
    client: &impl GenericClient,
    account: i64,
    pause: Duration,
    why: &str,
) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/health/pause.sql")).await?;
    client.execute(&statement, &[&account, &millis(pause), &why]).await?;
    Ok(())
}

/// Adds calls to what the fleet has seen, and returns that.
///
/// # Errors
/// [`Error`] of the database; the calls are then not counted.
pub async fn note(
    client: &impl GenericClient,
    account: i64,
    (good, bad): (u32, u32),
    mean: Duration,
) -> Result<Seen, Error> {
    let statement = client.prepare_cached(include_str!("sql/health/note.sql")).await?;
    let row =
        client.query_one(&statement, &[&account, &f64::from(good), &f64::from(bad), &millis(mean)]).await?;
    Ok(Seen {
        good: row.get(0),
        bad: row.get(1),
        latency_ms: row.get(2),
        usual_ms: row.get(3),
        share: row.get(4),
        open: row.get(5),
        trips: row.get(6),
    })
}

/// Writes a judgement, unless another worker was quicker; `true`: written.
///
/// # Errors
/// [`Error`] of the database.
pub async fn judged(
    client: &impl GenericClient,
    account: i64,
    seen: &Seen,
    judged: &Judgement,
) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/health/judged.sql")).await?;
    let open_ms = judged.open_for.map(millis);
    let (share, trips, usual) = (judged.share, judged.trips, judged.usual_ms);
    let written = client
        .execute(&statement, &[&account, &seen.share, &seen.open, &share, &open_ms, &trips, &usual])
        .await?;
    Ok(written == 1)
}

/// Opens the breaker at once: the provider says that the account is at fault. Nothing happens when its settings have changed since
/// `version`: then it was another account, so to speak.
///
/// # Errors
/// [`Error`] of the database.
pub async fn trip(
    client: &impl GenericClient,
    (account, version): (i64, i32),
    probe_after: Duration,
    longest: Duration,
) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/health/trip.sql")).await?;
    client.execute(&statement, &[&account, &millis(probe_after), &millis(longest), &version]).await?;
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
