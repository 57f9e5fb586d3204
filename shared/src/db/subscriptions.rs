//! Subscriptions: where a tenant's own systems are told of what happens, as their owners see them; `calls` is what they are still to be
//! told. The events themselves are written by triggers (migration 0049), in the transactions of whatever they tell of.

mod calls;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Error;
use crate::domain::EventKind;
use crate::secrets::{self, KeyRing};

pub use calls::{
    Call, Event, Leased, Round, Target, oldest_seconds, record, release, renew, sweep, take, window,
};

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
