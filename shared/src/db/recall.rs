//! Recall: what went out of a withdrawn plan is taken back where its provider can. One job a plan, which a worker has for a while; a pass
//! over the plan's messages notes what became of each, and what a crash leaves out is asked again.

use std::time::Duration;

use deadpool_postgres::GenericClient;

use super::Error;
use crate::domain::recall::Withdrawal;
use crate::domain::{Channel, Lane};

/// How long a worker has a recall without a word of it.
pub const LEASE: Duration = Duration::from_secs(60);

/// Where a pass is: slot, lo and number of an attempt.
pub type Place = (i16, i32, i16);

/// A recall in a worker's hands.
#[derive(Debug, Clone)]
pub struct Recall {
    /// Its job.
    pub job: i64,
    /// Fences whoever had it before.
    pub token: i32,
    /// The plan.
    pub plan: i64,
    /// The message it has come to.
    pub place: Place,
}

/// A message that may still be with people.
#[derive(Debug, Clone)]
pub struct Message {
    /// Slot, lo and number of its attempt.
    pub place: Place,
    /// The account it went by.
    pub account: i64,
    /// The provider's id of it.
    pub provider_ref: Option<String>,
    /// Since it went out.
    pub age: Duration,
}

/// Takes a due recall of a lane for [`LEASE`]; `None`: there is none.
///
/// # Errors
/// [`Error`] of the database.
pub async fn take(client: &impl GenericClient, lane: Lane) -> Result<Option<Recall>, Error> {
    let statement = client.prepare_cached(include_str!("sql/recall/take.sql")).await?;
    let row = client.query_opt(&statement, &[&lane.code(), &LEASE.as_secs_f64()]).await?;
    Ok(row.map(|row| {
        let members: Option<Vec<i32>> = row.get("members");
        let small = |code: i32| i16::try_from(code).unwrap_or(i16::MAX);
        let place = match members.as_deref() {
            Some(&[slot, lo, number]) => (small(slot), lo, small(number)),
            _ => (0, 0, 0),
        };
        Recall { job: row.get("id"), token: row.get("token"), plan: row.get("plan_id"), place }
    }))
}

/// The next messages behind a place, at most `limit`, on channels where some provider takes messages back.
///
/// # Errors
/// [`Error`] of the database.
pub async fn next(
    client: &impl GenericClient,
    recall: &Recall,
    channels: &[Channel],
    limit: i64,
) -> Result<Vec<Message>, Error> {
    let statement = client.prepare_cached(include_str!("sql/recall/next.sql")).await?;
    let channels: Vec<i16> = channels.iter().map(|channel| channel.code()).collect();
    let (slot, lo, number) = recall.place;
    let rows = client.query(&statement, &[&recall.plan, &channels, &slot, &lo, &number, &limit]).await?;
    let message = |row: &tokio_postgres::Row| Message {
        place: (row.get("slot"), row.get("lo"), row.get("number")),
        account: row.get("account_id"),
        provider_ref: row.get("provider_ref"),
        age: Duration::try_from_secs_f64(row.get("age")).unwrap_or_default(),
    };
    Ok(rows.iter().map(message).collect())
}

/// Notes what became of messages, and that the pass has come to `place`; the job is the caller's for `again` more. `false`: it is
/// somebody else's meanwhile, and nothing was noted.
///
/// # Errors
/// [`Error`] of the database.
pub async fn note(
    client: &impl GenericClient,
    recall: &Recall,
    became: &[(Place, Withdrawal)],
    place: Place,
    again: Duration,
) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/recall/note.sql")).await?;
    let slots: Vec<i16> = became.iter().map(|((slot, _, _), _)| *slot).collect();
    let los: Vec<i32> = became.iter().map(|((_, lo, _), _)| *lo).collect();
    let numbers: Vec<i16> = became.iter().map(|((_, _, number), _)| *number).collect();
    let codes: Vec<i16> = became.iter().map(|(_, became)| became.code()).collect();
    let place = [i32::from(place.0), place.1, i32::from(place.2)];
    let again = again.as_secs_f64();
    let row = client
        .query_opt(
            &statement,
            &[&recall.job, &recall.token, &recall.plan, &slots, &los, &numbers, &codes, &&place[..], &again],
        )
        .await?;
    Ok(row.is_some())
}

/// Ends a pass. `nothing`: it found no message; the recall is done then, once nothing of the plan is open.
///
/// # Errors
/// [`Error`] of the database.
pub async fn end(client: &impl GenericClient, recall: &Recall, nothing: bool) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/recall/end.sql")).await?;
    client.execute(&statement, &[&recall.job, &recall.token, &recall.plan, &nothing]).await?;
    Ok(())
}
