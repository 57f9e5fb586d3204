//! Subscriptions: where a tenant's own systems are told of what happens, and what they are still to be told. The events themselves are
//! written by triggers (migration 0049), in the transactions of whatever they tell of.

use std::time::Duration;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Error;
use crate::domain::EventKind;
use crate::domain::ids::PlanRef;
use crate::secrets::{self, KeyRing};

/// Most subscriptions of a tenant.
pub const MOST: i64 = 20;
/// Most events that one request tells again.
pub const REPLAY: i64 = 100_000;
/// Pending events are counted up to this.
pub const COUNTED: i64 = 10_000;

/// What binds a sealed signing secret to its subscription.
#[must_use]
pub fn secret_aad(uid: Uuid) -> String {
    format!("subscription|{uid}")
}

/// `subscription.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It takes what it is told, as far as known.
    Ok = 0,
    /// The last calls failed; it is called again.
    Failing = 1,
    /// It failed for long, or said that it is gone: it is not called any more.
    Paused = 2,
}

impl State {
    /// The word used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Failing => "failing",
            State::Paused => "paused",
        }
    }

    fn from_code(code: i16) -> Self {
        match code {
            0 => State::Ok,
            1 => State::Failing,
            _ => State::Paused,
        }
    }
}

/// A subscription as its owner sees it.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Internal id; the order of lists.
    pub id: i64,
    /// Public id.
    pub uid: Uuid,
    /// Where its calls go.
    pub url: String,
    /// What it is told of.
    pub kinds: Vec<EventKind>,
    /// Whether its owner wants it to be told.
    pub enabled: bool,
    /// How its calls go.
    pub state: State,
    /// What the last failed call came to; `None` exactly when ok.
    pub reason: Option<String>,
    /// Since when all calls fail.
    pub failing_since: Option<Timestamp>,
    /// When it last took an event.
    pub taken_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner last changed it.
    pub updated_at: Timestamp,
}

/// What the owner can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Where its calls go.
    pub url: String,
    /// What it is told of.
    pub kinds: Vec<EventKind>,
    /// Whether it is told.
    pub enabled: bool,
}

impl Draft {
    fn codes(&self) -> Vec<i16> {
        self.kinds.iter().map(|kind| kind.code()).collect()
    }
}

/// Makes a subscription with a sealed secret; `None` when the tenant has [`MOST`] already.
///
/// # Errors
/// [`Error`] of the database.
pub async fn insert(
    client: &impl GenericClient,
    tenant_id: i64,
    uid: Uuid,
    draft: &Draft,
    secret: &[u8],
) -> Result<Option<Subscription>, Error> {
    let statement = client.prepare_cached(include_str!("sql/subscriptions/insert.sql")).await?;
    let row = client
        .query_opt(
            &statement,
            &[&uid, &tenant_id, &draft.url, &draft.codes(), &secret, &draft.enabled, &MOST],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// One subscription; `None` when the tenant has no such one.
///
/// # Errors
/// [`Error`] of the database.
pub async fn get(
    client: &impl GenericClient,
    tenant_id: i64,
    uid: Uuid,
) -> Result<Option<Subscription>, Error> {
    let statement = client.prepare_cached(include_str!("sql/subscriptions/get.sql")).await?;
    client.query_opt(&statement, &[&tenant_id, &uid]).await?.as_ref().map(read).transpose()
}

/// A tenant's subscriptions after internal id `after`, oldest first.
///
/// # Errors
/// [`Error`] of the database.
pub async fn list(
    client: &impl GenericClient,
    tenant_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<Subscription>, Error> {
    let statement = client.prepare_cached(include_str!("sql/subscriptions/list.sql")).await?;
    client.query(&statement, &[&tenant_id, &after, &limit]).await?.iter().map(read).collect()
}

/// Changes a subscription that was read as `before`; `None` when somebody changed or deleted it meanwhile. `afresh`: it is called at
/// once, whatever failed before.
///
/// # Errors
/// [`Error`] of the database.
pub async fn update(
    client: &impl GenericClient,
    tenant_id: i64,
    before: &Subscription,
    draft: &Draft,
    afresh: bool,
) -> Result<Option<Subscription>, Error> {
    let statement = client.prepare_cached(include_str!("sql/subscriptions/update.sql")).await?;
    let row = client
        .query_opt(
            &statement,
            &[
                &tenant_id,
                &before.uid,
                &before.updated_at,
                &draft.url,
                &draft.codes(),
                &draft.enabled,
                &afresh,
            ],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Deletes a subscription; whether the tenant had it.
///
/// # Errors
/// [`Error`] of the database.
pub async fn delete(client: &impl GenericClient, tenant_id: i64, uid: Uuid) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/subscriptions/delete.sql")).await?;
    Ok(client.query_opt(&statement, &[&tenant_id, &uid]).await?.is_some())
}

/// How many events wait to be told (counted up to [`COUNTED`]), and the time of the oldest: of each in `ids`, in this order.
///
/// # Errors
/// [`Error`] of the database.
pub async fn pending(
    client: &impl GenericClient,
    ids: &[i64],
) -> Result<Vec<(i64, i64, Option<Timestamp>)>, Error> {
    let statement = client.prepare_cached(include_str!("sql/subscriptions/pending.sql")).await?;
    let rows = client.query(&statement, &[&ids, &COUNTED]).await?;
    Ok(rows.iter().map(|row| (row.get("id"), row.get("pending"), row.get("oldest"))).collect())
}

/// Tells a subscription again of what it wants to know since `from`, at most [`REPLAY`] events, oldest first. How many, and when the
/// last of them was.
///
/// # Errors
/// [`Error`] of the database.
pub async fn replay(
    client: &impl GenericClient,
    tenant_id: i64,
    id: i64,
    from: Timestamp,
) -> Result<(i64, Option<Timestamp>), Error> {
    let statement = client.prepare_cached(include_str!("sql/subscriptions/replay.sql")).await?;
    let row = client.query_one(&statement, &[&tenant_id, &id, &from, &REPLAY]).await?;
    Ok((row.get("events"), row.get("last")))
}

/// Has a test sent; its id, `None` when the tenant has no such subscription.
///
/// # Errors
/// [`Error`] of the database.
pub async fn test(client: &impl GenericClient, tenant_id: i64, uid: Uuid) -> Result<Option<Uuid>, Error> {
    let statement = client.prepare_cached(include_str!("sql/subscriptions/test.sql")).await?;
    Ok(client.query_opt(&statement, &[&tenant_id, &uid]).await?.map(|row| row.get("uid")))
}

/// Seals every secret again that is not under the first master key; returns how many. Run it in a transaction.
///
/// # Errors
/// The database's, or a secret the ring does not open.
pub async fn rewrap(client: &impl GenericClient, ring: &KeyRing) -> anyhow::Result<usize> {
    let mut count = 0;
    for row in client.query(include_str!("sql/subscriptions/sealed.sql"), &[]).await? {
        let (uid, secret): (Uuid, Vec<u8>) = (row.get("uid"), row.get("secret"));
        if ring.needs_rewrap(&secret) {
            let sealed = reseal(ring, uid, &secret)?;
            client.execute(include_str!("sql/subscriptions/reseal.sql"), &[&uid, &sealed]).await?;
            count += 1;
        }
    }
    Ok(count)
}

fn reseal(ring: &KeyRing, uid: Uuid, secret: &[u8]) -> Result<Vec<u8>, secrets::Error> {
    Ok(ring.seal(&ring.open(secret, &secret_aad(uid))?, &secret_aad(uid)))
}

fn read(row: &Row) -> Result<Subscription, Error> {
    let kinds: Vec<i16> = row.get("kinds");
    Ok(Subscription {
        id: row.get("id"),
        uid: row.get("uid"),
        url: row.get("url"),
        kinds: kinds.into_iter().map(EventKind::from_code).collect::<Result<_, _>>()?,
        enabled: row.get("enabled"),
        state: State::from_code(row.get("state")),
        reason: row.get("reason"),
        failing_since: row.get("failing_since"),
        taken_at: row.get("taken_at"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    })
}

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
    let statement = client.prepare_cached(include_str!("sql/subscriptions/take.sql")).await?;
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
    let statement = client.prepare_cached(include_str!("sql/subscriptions/renew.sql")).await?;
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
    let statement = client.prepare_cached(include_str!("sql/subscriptions/window.sql")).await?;
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
    let statement = client.prepare_cached(include_str!("sql/subscriptions/record.sql")).await?;
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
    let statement = client.prepare_cached(include_str!("sql/subscriptions/release.sql")).await?;
    client.execute(&statement, &[&leased.id, &leased.lease, &millis(rest)]).await?;
    Ok(())
}

/// For how many seconds the oldest event waits to be told to a subscription that is not paused.
///
/// # Errors
/// [`Error`] of the database.
pub async fn oldest_seconds(client: &impl GenericClient) -> Result<f64, Error> {
    let statement = client.prepare_cached(include_str!("sql/subscriptions/oldest.sql")).await?;
    Ok(client.query_one(&statement, &[]).await?.get("seconds"))
}

/// Forgets events older than `days`, at most `most`: how many, and how many calls were never taken.
///
/// # Errors
/// [`Error`] of the database.
pub async fn sweep(client: &impl GenericClient, days: i32, most: i64) -> Result<(i64, i64), Error> {
    let statement = client.prepare_cached(include_str!("sql/subscriptions/sweep.sql")).await?;
    let row = client.query_one(&statement, &[&days, &most]).await?;
    Ok((row.get("forgotten"), row.get("untold")))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
