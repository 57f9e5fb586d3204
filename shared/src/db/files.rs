//! Files: what plans carry. Which plan uses which is noted by the schema (migration 0056); here they come, are read, and go.

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Deleted, Error};

/// Files removed at once.
const DUE: i64 = 100;

/// A file to be stored. Its bytes are what its media type says.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// Owner.
    pub tenant_id: i64,
    /// Its name with its ending, 1 to 150 characters.
    pub name: &'a str,
    /// Its media type.
    pub media_type: &'a str,
    /// SHA-256 of its bytes.
    pub sha256: &'a [u8],
    /// At least one byte.
    pub bytes: &'a [u8],
}

/// A file without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Internal id.
    pub id: i64,
    /// Public id.
    pub uid: Uuid,
    /// Its name with its ending.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Bytes it has.
    pub size: usize,
    /// SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// When it was uploaded.
    pub created_at: Timestamp,
}

/// Stores a file under a new id. It is removed a day later unless a plan uses it.
///
/// # Errors
/// [`Error`] of the database.
pub async fn insert(client: &impl GenericClient, file: NewFile<'_>) -> Result<File, Error> {
    let statement = client.prepare_cached(include_str!("sql/files/insert.sql")).await?;
    let NewFile { tenant_id, name, media_type, sha256, bytes } = file;
    let row = client
        .query_one(&statement, &[&Uuid::now_v7(), &tenant_id, &name, &media_type, &sha256, &bytes])
        .await?;
    Ok(read(&row))
}

/// Those of some public ids that are files of the tenant, in no order.
///
/// # Errors
/// [`Error`] of the database.
pub async fn named(client: &impl GenericClient, tenant_id: i64, uids: &[Uuid]) -> Result<Vec<File>, Error> {
    let statement = client.prepare_cached(include_str!("sql/files/named.sql")).await?;
    Ok(client.query(&statement, &[&tenant_id, &uids]).await?.iter().map(read).collect())
}

/// The files of a plan, in its order.
///
/// # Errors
/// [`Error`] of the database.
pub async fn of_plan(client: &impl GenericClient, plan_id: i64) -> Result<Vec<File>, Error> {
    let statement = client.prepare_cached(include_str!("sql/files/of_plan.sql")).await?;
    Ok(client.query(&statement, &[&plan_id]).await?.iter().map(read).collect())
}

/// At most `most` bytes of a file behind the first `from`; `None`: it is gone.
///
/// # Errors
/// [`Error`] of the database.
pub async fn piece(
    client: &impl GenericClient,
    file: i64,
    from: usize,
    most: usize,
) -> Result<Option<Vec<u8>>, Error> {
    let statement = client.prepare_cached(include_str!("sql/files/piece.sql")).await?;
    let bytes = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let row = client.query_opt(&statement, &[&file, &bytes(from), &bytes(most)]).await?;
    Ok(row.map(|row| row.get("piece")))
}

/// Removes a file that no plan uses, in a transaction of its own.
///
/// # Errors
/// [`Error`] of the database; nothing is removed.
pub async fn delete(client: &mut Client, tenant_id: i64, uid: Uuid) -> Result<Deleted, Error> {
    let transaction = client.transaction().await?;
    let hold = transaction.prepare_cached(include_str!("sql/files/hold.sql")).await?;
    let Some(row) = transaction.query_opt(&hold, &[&tenant_id, &uid]).await? else {
        return Ok(Deleted::NotFound);
    };
    let gone = remove(&transaction, &[row.get("id")]).await?;
    transaction.commit().await?;
    Ok(if gone > 0 { Deleted::Yes } else { Deleted::InUse })
}

/// Removes some of the files whose time has come and that no plan uses, in a transaction of its own; how many, 100 at most.
///
/// # Errors
/// [`Error`] of the database; nothing is removed.
pub async fn tidy(client: &mut Client) -> Result<u64, Error> {
    let transaction = client.transaction().await?;
    let hold = transaction.prepare_cached(include_str!("sql/files/hold_due.sql")).await?;
    let due: Vec<i64> = transaction.query(&hold, &[&DUE]).await?.iter().map(|row| row.get("id")).collect();
    let gone = if due.is_empty() { 0 } else { remove(&transaction, &due).await? };
    transaction.commit().await?;
    Ok(gone)
}

async fn remove(client: &impl GenericClient, held: &[i64]) -> Result<u64, Error> {
    let statement = client.prepare_cached(include_str!("sql/files/remove.sql")).await?;
    Ok(client.execute(&statement, &[&held]).await?)
}

fn read(row: &Row) -> File {
    File {
        id: row.get("id"),
        uid: row.get("uid"),
        name: row.get("name"),
        media_type: row.get("media_type"),
        size: usize::try_from(row.get::<_, i32>("size")).unwrap_or(0),
        sha256: row.get("sha256"),
        created_at: row.get("created_at"),
    }
}
