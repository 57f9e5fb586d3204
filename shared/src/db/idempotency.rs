//! First answers by `Idempotency-Key`. Plans keep theirs inside `accept`; here is what the other routes use.

use deadpool_postgres::GenericClient;

use super::Error;

/// One request's key: unique per API key and route.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Internal id of the API key.
    pub api_key_id: i64,
    /// Method and route template.
    pub route: &'a str,
    /// The header, 1..=255 printable characters.
    pub key: &'a str,
}

/// A kept answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Hash of the body it answered.
    pub hash: Vec<u8>,
    /// HTTP status.
    pub status: i16,
    /// `Location`.
    pub location: Option<String>,
    /// Body.
    pub body: String,
}

/// The kept answer; `None` when there is none of the last 24 h.
///
/// # Errors
/// [`Error`] of the database.
pub async fn find(client: &impl GenericClient, scope: Scope<'_>) -> Result<Option<Kept>, Error> {
    let statement = client.prepare_cached(include_str!("sql/idempotency/find.sql")).await?;
    let row = client.query_opt(&statement, &[&scope.api_key_id, &scope.route, &scope.key]).await?;
    Ok(row.map(|row| Kept {
        hash: row.get("hash"),
        status: row.get("status"),
        location: row.get("location"),
        body: row.get("body"),
    }))
}

/// Takes the key within the caller's transaction, waiting for a parallel holder to end; `false`: it is taken,
/// read the answer with [`find`].
///
/// # Errors
/// [`Error`] of the database.
pub async fn reserve(client: &impl GenericClient, scope: Scope<'_>, hash: &[u8; 32]) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/idempotency/reserve.sql")).await?;
    let hash = hash.as_slice();
    let row = client.query_opt(&statement, &[&scope.api_key_id, &scope.route, &scope.key, &hash]).await?;
    Ok(row.is_some())
}

/// Keeps the answer in the transaction that [`reserve`]d the key.
///
/// # Errors
/// [`Error`] of the database.
pub async fn complete(
    client: &impl GenericClient,
    scope: Scope<'_>,
    (status, location, body): (i16, Option<&str>, &str),
) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/idempotency/complete.sql")).await?;
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&scope.api_key_id, &scope.route, &scope.key, &status, &location, &body];
    client.execute(&statement, &params).await?;
    Ok(())
}
