//! Access tokens of accounts: fetched by one process at a time, used by all. No call to a provider happens in here.

use std::time::Duration;

use deadpool_postgres::GenericClient;

use super::Error;

/// Whose token: an account at one version of its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenSlot {
    /// `account.id`.
    pub account: i64,
    /// `account.version`.
    pub version: i32,
}

impl TokenSlot {
    /// What binds a sealed token to its place.
    #[must_use]
    pub fn aad(self) -> String {
        format!("provider_token|{}|{}", self.account, self.version)
    }
}

/// A stored token.
pub struct Row {
    /// Sealed; `None` before the first fetch.
    pub token: Option<Vec<u8>>,
    /// Counts fetches.
    pub serial: i64,
    /// How long it may still be used; zero when it may not.
    pub valid: Duration,
    /// Somebody fetches a new one, or a refused fetch is waited out.
    pub busy: bool,
    /// The provider's code when the last fetch was refused.
    pub refused: Option<String>,
}

/// The token as it is; `None` when there never was one for these credentials.
///
/// # Errors
/// [`Error`] of the database.
pub async fn read(client: &impl GenericClient, slot: TokenSlot) -> Result<Option<Row>, Error> {
    let statement = client.prepare_cached(include_str!("sql/tokens/read.sql")).await?;
    let row = client.query_opt(&statement, &[&slot.account, &slot.version]).await?;
    Ok(row.map(|row| Row {
        token: row.get("token"),
        serial: row.get("serial"),
        valid: Duration::try_from_secs_f64(row.get::<_, f64>("valid_ms") / 1000.0).unwrap_or_default(),
        busy: row.get("busy"),
        refused: row.get("refused_code"),
    }))
}

/// Takes the lease to fetch a token; `false` when somebody else has it, or has just fetched one later than `useless`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn lease(
    client: &impl GenericClient,
    slot: TokenSlot,
    useless: i64,
    length: Duration,
) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/tokens/lease.sql")).await?;
    let row = client.query_opt(&statement, &[&slot.account, &slot.version, &useless, &ms(length)]).await?;
    Ok(row.is_some())
}

/// Stores a fetched token and ends the lease; its serial, or `None` when the account has newer credentials meanwhile.
///
/// # Errors
/// [`Error`] of the database.
pub async fn put(
    client: &impl GenericClient,
    slot: TokenSlot,
    sealed: &[u8],
    valid: Duration,
) -> Result<Option<i64>, Error> {
    let statement = client.prepare_cached(include_str!("sql/tokens/put.sql")).await?;
    let row = client.query_opt(&statement, &[&slot.account, &slot.version, &sealed, &ms(valid)]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Notes that the fetch was refused; nobody tries again before `pause` is over.
///
/// # Errors
/// [`Error`] of the database.
pub async fn refuse(
    client: &impl GenericClient,
    slot: TokenSlot,
    code: &str,
    pause: Duration,
) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/tokens/refuse.sql")).await?;
    client.execute(&statement, &[&slot.account, &slot.version, &code, &ms(pause)]).await?;
    Ok(())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
