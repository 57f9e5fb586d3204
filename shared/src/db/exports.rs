//! What exports show beside the rows of a list.

use std::collections::HashMap;

use deadpool_postgres::GenericClient;

use super::Error;

/// How a plan's owner knows a recipient.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// The caller's name for the person.
    pub key: Option<String>,
    /// Display name.
    pub name: Option<String>,
}

/// The recipients at these positions of a plan.
///
/// # Errors
/// [`Error`] of the database.
pub async fn people(
    client: &impl GenericClient,
    (tenant_id, plan_id): (i64, i64),
    positions: &[i32],
) -> Result<HashMap<i32, Person>, Error> {
    let statement = client.prepare_cached(include_str!("sql/exports/people.sql")).await?;
    let rows = client.query(&statement, &[&tenant_id, &plan_id, &positions]).await?;
    let person =
        |row: &tokio_postgres::Row| (row.get("no"), Person { key: row.get("key"), name: row.get("name") });
    Ok(rows.iter().map(person).collect())
}
