//! Tenants: made by the operator, never deleted.

use deadpool_postgres::GenericClient;
use uuid::Uuid;

use super::Error;

/// A tenant's ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenant {
    /// Internal id.
    pub id: i64,
    /// Public id.
    pub uid: Uuid,
}

/// Makes a tenant; `None` when the name is taken.
///
/// # Errors
/// [`Error`] of the database.
pub async fn create(client: &impl GenericClient, uid: Uuid, name: &str) -> Result<Option<Tenant>, Error> {
    let row = client.query_opt(include_str!("sql/tenants/create.sql"), &[&uid, &name]).await?;
    Ok(row.map(|row| Tenant { id: row.get("id"), uid }))
}

/// The tenant of that name.
///
/// # Errors
/// [`Error`] of the database.
pub async fn by_name(client: &impl GenericClient, name: &str) -> Result<Option<Tenant>, Error> {
    let row = client.query_opt(include_str!("sql/tenants/by_name.sql"), &[&name]).await?;
    Ok(row.map(|row| Tenant { id: row.get("id"), uid: row.get("uid") }))
}

/// Sets a tenant's limits over all its accounts; `None` when there is no such tenant.
///
/// # Errors
/// [`Error`] of the database.
pub async fn limit(
    client: &impl GenericClient,
    name: &str,
    limits: &serde_json::Value,
) -> Result<Option<Tenant>, Error> {
    let row = client.query_opt(include_str!("sql/tenants/limit.sql"), &[&name, limits]).await?;
    Ok(row.map(|row| Tenant { id: row.get("id"), uid: row.get("uid") }))
}
