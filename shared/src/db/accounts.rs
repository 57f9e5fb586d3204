//! Accounts as their owners see them. Secrets pass through here sealed only.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Deleted, Error};
use crate::domain::Channel;
use crate::secrets::{self, KeyRing};

/// What binds a sealed secret to its account; the same text opens it.
#[must_use]
pub fn secret_aad(uid: Uuid) -> String {
    format!("account|{uid}")
}

/// `account.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It works, as far as known.
    Ok = 0,
    /// The provider asked for a pause.
    Paused = 1,
    /// It does not work, or was never verified.
    Down = 2,
}

impl State {
    /// The word used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Paused => "paused",
            State::Down => "down",
        }
    }

    fn from_code(code: i16) -> Self {
        match code {
            0 => State::Ok,
            1 => State::Paused,
            _ => State::Down,
        }
    }
}

/// What the owner can set.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Unique among the tenant's living accounts.
    pub name: String,
    /// What the driver needs that is not secret.
    pub settings: Value,
    /// Sealed credentials, bound by [`secret_aad`].
    pub secret: Option<Vec<u8>>,
    /// `domain::limits::Limits` as JSON, each optional.
    pub limits: Value,
    /// Lower is used first, 1..=1000.
    pub order: i32,
    /// Share of the work among accounts of the same order, 1..=1000.
    pub weight: i32,
    /// Whether new work may use it.
    pub enabled: bool,
    /// Price of one message, a decimal.
    pub price: String,
    /// What the last verification found.
    pub state: State,
    /// Why it is not ok; `None` exactly when it is.
    pub reason: Option<String>,
}

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Internal id; the order of lists.
    pub id: i64,
    /// Public id.
    pub uid: Uuid,
    /// Its medium.
    pub channel: Channel,
    /// Its driver.
    pub provider: String,
    /// What its owner set.
    pub draft: Draft,
    /// When its state last changed.
    pub since: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner last changed it.
    pub updated_at: Timestamp,
}

/// Makes an account. A taken name violates constraint `account_name`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn insert(
    client: &impl GenericClient,
    tenant_id: i64,
    uid: Uuid,
    (channel, provider): (Channel, &str),
    draft: &Draft,
) -> Result<Account, Error> {
    let statement = client.prepare_cached(include_str!("sql/accounts/insert.sql")).await?;
    let state = draft.state as i16;
    let row = client
        .query_one(
            &statement,
            &[
                &uid,
                &tenant_id,
                &draft.name,
                &channel.code(),
                &provider,
                &draft.settings,
                &draft.secret,
                &draft.limits,
                &draft.order,
                &draft.enabled,
                &draft.price,
                &state,
                &draft.reason,
                &draft.weight,
            ],
        )
        .await?;
    read(&row)
}

/// One account; `None` when the tenant has no such account.
///
/// # Errors
/// [`Error`] of the database.
pub async fn get(client: &impl GenericClient, tenant_id: i64, uid: Uuid) -> Result<Option<Account>, Error> {
    let statement = client.prepare_cached(include_str!("sql/accounts/get.sql")).await?;
    client.query_opt(&statement, &[&tenant_id, &uid]).await?.as_ref().map(read).transpose()
}

/// A tenant's accounts after internal id `after`, oldest first.
///
/// # Errors
/// [`Error`] of the database.
pub async fn list(
    client: &impl GenericClient,
    tenant_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<Account>, Error> {
    let statement = client.prepare_cached(include_str!("sql/accounts/list.sql")).await?;
    client.query(&statement, &[&tenant_id, &after, &limit]).await?.iter().map(read).collect()
}

/// Changes an account that was read as `before`; `None` when somebody changed or deleted it meanwhile.
///
/// # Errors
/// [`Error`] of the database; a taken name violates constraint `account_name`.
pub async fn update(
    client: &impl GenericClient,
    tenant_id: i64,
    before: &Account,
    draft: &Draft,
) -> Result<Option<Account>, Error> {
    let statement = client.prepare_cached(include_str!("sql/accounts/update.sql")).await?;
    let state = draft.state as i16;
    let row = client
        .query_opt(
            &statement,
            &[
                &tenant_id,
                &before.uid,
                &before.updated_at,
                &draft.name,
                &draft.settings,
                &draft.secret,
                &draft.limits,
                &draft.order,
                &draft.enabled,
                &draft.price,
                &state,
                &draft.reason,
                &draft.weight,
            ],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Records what a verification found; `None` when the tenant has no such account.
///
/// # Errors
/// [`Error`] of the database.
pub async fn set_state(
    client: &impl GenericClient,
    tenant_id: i64,
    uid: Uuid,
    state: State,
    reason: Option<&str>,
) -> Result<Option<Account>, Error> {
    let statement = client.prepare_cached(include_str!("sql/accounts/set_state.sql")).await?;
    let row = client.query_opt(&statement, &[&tenant_id, &uid, &(state as i16), &reason]).await?;
    row.as_ref().map(read).transpose()
}

/// Deletes an account unless work needs it. One statement.
///
/// # Errors
/// [`Error`] of the database.
pub async fn delete(client: &impl GenericClient, tenant_id: i64, uid: Uuid) -> Result<Deleted, Error> {
    let statement = client.prepare_cached(include_str!("sql/accounts/delete.sql")).await?;
    let row = client.query_one(&statement, &[&tenant_id, &uid]).await?;
    Ok(Deleted::read(&row))
}

/// The accounts that new work of each channel uses first, with their part of it.
///
/// # Errors
/// [`Error`] of the database.
pub async fn choices(client: &impl GenericClient, tenant_id: i64) -> Result<Vec<(Channel, i64, f64)>, Error> {
    let statement = client.prepare_cached(include_str!("sql/accounts/choices.sql")).await?;
    let rows = client.query(&statement, &[&tenant_id]).await?;
    rows.iter()
        .map(|row| Ok((Channel::from_code(row.get("channel"))?, row.get("id"), row.get("part"))))
        .collect()
}

/// Seals every secret again that is not under the first master key; returns how many. Run it in a transaction.
///
/// # Errors
/// The database's, or a secret the ring does not open.
pub async fn rewrap(client: &impl GenericClient, ring: &KeyRing) -> anyhow::Result<usize> {
    let mut count = 0;
    for row in client.query(include_str!("sql/accounts/sealed.sql"), &[]).await? {
        let (uid, secret): (Uuid, Vec<u8>) = (row.get("uid"), row.get("secret"));
        if ring.needs_rewrap(&secret) {
            let sealed = reseal(ring, uid, &secret)?;
            client.execute(include_str!("sql/accounts/reseal.sql"), &[&uid, &sealed]).await?;
            count += 1;
        }
    }
    Ok(count)
}

fn reseal(ring: &KeyRing, uid: Uuid, secret: &[u8]) -> Result<Vec<u8>, secrets::Error> {
    Ok(ring.seal(&ring.open(secret, &secret_aad(uid))?, &secret_aad(uid)))
}

fn read(row: &Row) -> Result<Account, Error> {
    Ok(Account {
        id: row.get("id"),
        uid: row.get("uid"),
        channel: Channel::from_code(row.get("channel"))?,
        provider: row.get("provider"),
        draft: Draft {
            name: row.get("name"),
            settings: row.get("settings"),
            secret: row.get("secret"),
            limits: row.get("limits"),
            order: row.get("failover_order"),
            weight: row.get("weight"),
            enabled: row.get("enabled"),
            price: row.get("price"),
            state: State::from_code(row.get("state")),
            reason: row.get("reason"),
        },
        since: row.get("since"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    })
}
