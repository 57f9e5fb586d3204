//! What subscriptions are still to be told, and who tells it: leases, rounds of calls, and events that are old.

use std::time::Duration;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::State;
use crate::db::Error;
use crate::domain::EventKind;
use crate::domain::ids::PlanRef;

/// A subscription that this process calls, until the lease is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leased {
    /// Internal id.
    pub id: i64,
    /// Public id.
    pub uid: Uuid,
    /// Fencing token.
    pub lease: i64,
}

/// How a leased subscription is called.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where.
    pub url: String,
    /// Its sealed signing secret.
    pub secret: Vec<u8>,
    /// Failed rounds in a row.
    pub failures: i32,
}

/// An event that a subscription is to be told of.
#[derive(Debug, Clone)]
pub struct Call {
    /// Internal id; the order.
    pub event_id: i64,
    /// Failed calls about it.
    pub attempts: i16,
    /// Whether it may be told now.
    pub is_due: bool,
    /// The event; `None`: it, or its plan, is gone.
    pub event: Option<Event>,
}

/// What happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// `webhook-id`.
    pub uid: Uuid,
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// To which plan; `None`: a test.
    pub plan: Option<PlanRef>,
    /// To which delivery; 0: to none.
    pub slot: i16,
    /// To whom; 0: to the plan.
    pub no: i32,
    /// What may have changed since.
    pub data: Value,
    /// The plan's reference.
    pub reference: Option<String>,
    /// The caller's name for the recipient.
    pub key: Option<String>,
}

/// Takes at most `most` subscriptions that have something due, for `lease`; not those in `own`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn take(
    client: &impl GenericClient,
    lease: Duration,
    most: i64,
    own: &[i64],
) -> Result<Vec<Leased>, Error> {
    let statement = client.prepare_cached(include_str!("../sql/subscriptions/take.sql")).await?;
    let rows = client.query(&statement, &[&millis(lease), &most, &own]).await?;
    Ok(rows
        .iter()
        .map(|row| Leased { id: row.get("id"), uid: row.get("uid"), lease: row.get("lease") })
        .collect())
}

/// Renews a lease and tells how to call; `None`: it was lost, or nothing is to be told now.
///
/// # Errors
/// [`Error`] of the database.
pub async fn renew(
    client: &impl GenericClient,
    leased: Leased,
    lease: Duration,
) -> Result<Option<Target>, Error> {
    let statement = client.prepare_cached(include_str!("../sql/subscriptions/renew.sql")).await?;
    let row = client.query_opt(&statement, &[&leased.id, &leased.lease, &millis(lease)]).await?;
    Ok(row.map(|row| Target {
        url: row.get("url"),
        secret: row.get("secret"),
        failures: row.get("failures"),
    }))
}

/// What a subscription is to be told next, in order, at most `most`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn window(client: &impl GenericClient, leased: Leased, most: i64) -> Result<Vec<Call>, Error> {
    let statement = client.prepare_cached(include_str!("../sql/subscriptions/window.sql")).await?;
    let rows = client.query(&statement, &[&leased.id, &most]).await?;
    rows.iter()
        .map(|row| {
            Ok(Call {
                event_id: row.get("event_id"),
                attempts: row.get("attempts"),
                is_due: row.get("is_due"),
                event: event(row)?,
            })
        })
        .collect()
}

fn event(row: &Row) -> Result<Option<Event>, Error> {
    let (Some(uid), Some(plan_id)) = (row.get("uid"), row.get::<_, Option<i64>>("plan_id")) else {
        return Ok(None);
    };
    let made: Option<Timestamp> = row.get("plan_created_at");
    if plan_id != 0 && made.is_none() {
        return Ok(None);
    }
    Ok(Some(Event {
        uid,
        kind: EventKind::from_code(row.get("kind"))?,
        at: row.get("at"),
        plan: made.map(|made| PlanRef::new(made, plan_id)),
        slot: row.get("slot"),
        no: row.get("no"),
        data: row.get("data"),
        reference: row.get("reference"),
        key: row.get("key"),
    }))
}

/// What a round of calls came to.
#[derive(Debug, Default)]
pub struct Round {
    /// Events that were taken, or are not to be told any more.
    pub taken: Vec<i64>,
    /// Events that were not, with the wait until they are told again.
    pub refused: Vec<(i64, Duration)>,
    /// Failed rounds in a row before this one.
    pub failures: i32,
    /// Why nothing was taken; `None`: something was, or nothing was refused.
    pub trouble: Option<String>,
    /// No call before.
    pub wait: Duration,
    /// The receiver wants no calls any more.
    pub is_gone: bool,
}

/// Records a round; the state afterwards, `None` when the lease was lost: what was told will be told again. `patience`: pause what has
/// failed for so long.
///
/// # Errors
/// [`Error`] of the database; the call may be repeated.
pub async fn record(
    client: &impl GenericClient,
    leased: Leased,
    round: &Round,
    patience: Duration,
) -> Result<Option<State>, Error> {
    let statement = client.prepare_cached(include_str!("../sql/subscriptions/record.sql")).await?;
    let (refused, waits): (Vec<i64>, Vec<f64>) =
        round.refused.iter().map(|(event, wait)| (*event, millis(*wait))).unzip();
    let row = client
        .query_opt(
            &statement,
            &[
                &leased.id,
                &leased.lease,
                &round.taken,
                &refused,
                &waits,
                &round.failures,
                &round.trouble,
                &millis(round.wait),
                &round.is_gone,
                &millis(patience),
            ],
        )
        .await?;
    Ok(row.map(|row| State::from_code(row.get("state"))))
}

/// Gives a subscription back; nobody looks at it again before `rest` is over.
///
/// # Errors
/// [`Error`] of the database.
pub async fn release(client: &impl GenericClient, leased: Leased, rest: Duration) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("../sql/subscriptions/release.sql")).await?;
    client.execute(&statement, &[&leased.id, &leased.lease, &millis(rest)]).await?;
    Ok(())
}

/// For how many seconds the oldest event waits to be told to a subscription that is not paused.
///
/// # Errors
/// [`Error`] of the database.
pub async fn oldest_seconds(client: &impl GenericClient) -> Result<f64, Error> {
    let statement = client.prepare_cached(include_str!("../sql/subscriptions/oldest.sql")).await?;
    Ok(client.query_one(&statement, &[]).await?.get("seconds"))
}

/// Forgets events older than `days`, at most `most`: how many, and how many calls were never taken.
///
/// # Errors
/// [`Error`] of the database.
pub async fn sweep(client: &impl GenericClient, days: i32, most: i64) -> Result<(i64, i64), Error> {
    let statement = client.prepare_cached(include_str!("../sql/subscriptions/sweep.sql")).await?;
    let row = client.query_one(&statement, &[&days, &most]).await?;
    Ok((row.get("forgotten"), row.get("untold")))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
