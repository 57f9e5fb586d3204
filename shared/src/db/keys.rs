//! API keys: stored as keyed hashes, shown once.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Error;

/// A key to be stored.
#[derive(Debug, Clone)]
pub struct NewKey<'a> {
    /// Public id.
    pub uid: Uuid,
    /// Owner.
    pub tenant_id: i64,
    /// What it is for, 1..=100 characters.
    pub name: &'a str,
    /// First characters of the key, for recognising it.
    pub prefix: &'a str,
    /// HMAC of the whole key.
    pub hash: [u8; 32],
    /// What it may do.
    pub scopes: Vec<String>,
    /// Requests a second, 1..=100,000.
    pub rate_per_second: i32,
}

/// A key as its owner sees it.
#[derive(Debug, Clone)]
pub struct Key {
    /// Internal id; the order of lists.
    pub id: i64,
    /// Public id.
    pub uid: Uuid,
    /// What it is for.
    pub name: String,
    /// First characters.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Requests a second.
    pub rate_per_second: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stopped working.
    pub revoked_at: Option<Timestamp>,
}

/// Whoever shows a valid key.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Internal id of the key.
    pub key_id: i64,
    /// The tenant it acts for.
    pub tenant_id: i64,
    /// The tenant's public id.
    pub tenant_uid: Uuid,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Requests a second.
    pub rate_per_second: i32,
}

/// Stores a key.
///
/// # Errors
/// [`Error`] of the database.
pub async fn insert(client: &impl GenericClient, key: &NewKey<'_>) -> Result<Key, Error> {
    let statement = client.prepare_cached(include_str!("sql/keys/insert.sql")).await?;
    let hash = key.hash.as_slice();
    let row = client
        .query_one(
            &statement,
            &[&key.uid, &key.tenant_id, &key.name, &key.prefix, &hash, &key.scopes, &key.rate_per_second],
        )
        .await?;
    Ok(read(&row))
}

/// Who holds the key with this hash; `None` when nobody does or it was revoked.
///
/// # Errors
/// [`Error`] of the database.
pub async fn by_hash(client: &impl GenericClient, hash: &[u8; 32]) -> Result<Option<Holder>, Error> {
    let statement = client.prepare_cached(include_str!("sql/keys/by_hash.sql")).await?;
    let row = client.query_opt(&statement, &[&hash.as_slice()]).await?;
    Ok(row.map(|row| Holder {
        key_id: row.get("id"),
        tenant_id: row.get("tenant_id"),
        tenant_uid: row.get("tenant_uid"),
        scopes: row.get("scopes"),
        rate_per_second: row.get("rate_per_second"),
    }))
}

/// A tenant's keys after internal id `after`, oldest first.
///
/// # Errors
/// [`Error`] of the database.
pub async fn list(
    client: &impl GenericClient,
    tenant_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<Key>, Error> {
    let statement = client.prepare_cached(include_str!("sql/keys/list.sql")).await?;
    let rows = client.query(&statement, &[&tenant_id, &after, &limit]).await?;
    Ok(rows.iter().map(read).collect())
}

/// Ends a key, idempotently; its internal id, or `None` when the tenant has no such key.
///
/// # Errors
/// [`Error`] of the database.
pub async fn revoke(client: &impl GenericClient, tenant_id: i64, uid: Uuid) -> Result<Option<i64>, Error> {
    let statement = client.prepare_cached(include_str!("sql/keys/revoke.sql")).await?;
    let row = client.query_opt(&statement, &[&tenant_id, &uid]).await?;
    Ok(row.map(|row| row.get("id")))
}

fn read(row: &Row) -> Key {
    Key {
        id: row.get("id"),
        uid: row.get("uid"),
        name: row.get("name"),
        prefix: row.get("prefix"),
        scopes: row.get("scopes"),
        rate_per_second: row.get("rate_per_second"),
        created_at: row.get("created_at"),
        revoked_at: row.get("revoked_at"),
    }
}
