//! What a worker needs besides jobs: accounts, and putting back what it has not claimed.

use std::time::Duration;

use deadpool_postgres::GenericClient;
use serde_json::Value;
use uuid::Uuid;

use super::Error;
use crate::domain::Slot;

/// An account as a worker loads it; the secret is still sealed.
pub struct AccountRow {
    /// Public id, part of the secret's seal.
    pub uid: Uuid,
    /// Its tenant.
    pub tenant_id: i64,
    /// Its name.
    pub name: String,
    /// Its driver.
    pub provider: String,
    /// Settings.
    pub settings: Value,
    /// Sealed credentials.
    pub secret: Option<Vec<u8>>,
    /// Limits.
    pub limits: Value,
    /// Limits of its tenant, over all accounts.
    pub tenant_limits: Value,
    /// Counts changes.
    pub version: i32,
    /// Out of use.
    pub down: bool,
}

/// Loads an account; `None` when it was deleted or disabled.
///
/// # Errors
/// [`Error`] of the database.
pub async fn account(client: &impl GenericClient, id: i64) -> Result<Option<AccountRow>, Error> {
    let statement = client.prepare_cached(include_str!("sql/worker/account.sql")).await?;
    let row = client.query_opt(&statement, &[&id]).await?;
    Ok(row.map(|row| AccountRow {
        uid: row.get(0),
        tenant_id: row.get(1),
        name: row.get(2),
        provider: row.get(3),
        settings: row.get(4),
        secret: row.get(5),
        limits: row.get(6),
        version: row.get(7),
        down: row.get(8),
        tenant_limits: row.get(9),
    }))
}

/// Whether a plan's call to these people may go out: the plan runs, has not expired and not had enough answers, and none of them has
/// ended their ladder by reading or answering, or is no longer one of those a reminder is for.
///
/// # Errors
/// [`Error`] of the database; nothing may be sent then.
pub async fn is_wanted(
    client: &impl GenericClient,
    (plan, slot): (i64, Slot),
    nos: &[i32],
) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/worker/is_wanted.sql")).await?;
    Ok(client.query_opt(&statement, &[&plan, &nos, &slot.code()]).await?.is_some_and(|row| row.get(0)))
}

/// Puts back a published job this worker has no room for. Harmless when somebody else has it meanwhile.
///
/// # Errors
/// [`Error`]; the job comes back by its visibility time.
pub async fn put_back(client: &impl GenericClient, job: i64, delay: Duration) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/worker/put_back.sql")).await?;
    client.execute(&statement, &[&job, &(delay.as_secs_f64() * 1000.0)]).await?;
    Ok(())
}
