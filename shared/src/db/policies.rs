//! Policies: named ladders. Plans take a snapshot when they are accepted; the job protocol never comes here.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::Error;
use crate::domain::Tier;

/// Fields of a plan, as they were given.
pub type Rules = BTreeMap<String, Box<RawValue>>;

/// A policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Internal id; the order of lists.
    pub id: i64,
    /// Public id.
    pub uid: Uuid,
    /// Counted per tenant.
    pub number: i32,
    /// Unique within the tenant, and for good.
    pub name: String,
    /// Whether new plans may name it.
    pub enabled: bool,
    /// Counts changes of its rules.
    pub version: i32,
    /// The fields of a plan it stands for.
    pub rules: Rules,
    /// Its tiers, as read.
    pub tiers: Vec<Tier>,
    /// Internal ids of the templates they name.
    pub templates: Vec<i64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed, enabled or disabled.
    pub updated_at: Timestamp,
}

/// `P0007`.
#[must_use]
pub fn shown_number(number: i32) -> String {
    format!("P{number:04}")
}

/// Reads what [`shown_number`] wrote; the word may be in any case.
#[must_use]
pub fn parse_number(text: &str) -> Option<i32> {
    let digits = text.trim().strip_prefix(['P', 'p'])?;
    digits.parse().ok().filter(|number| *number > 0)
}

/// What a policy says, to be stored.
#[derive(Debug, Clone, Copy)]
pub struct Says<'a> {
    /// The fields of a plan, as a JSON object.
    pub rules: &'a str,
    /// The tiers in them, as read.
    pub tiers: &'a [Tier],
    /// Internal ids of the templates they name.
    pub templates: &'a [i64],
}

/// Makes a policy. A taken name violates constraint `policy_name`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn insert(
    client: &impl GenericClient,
    tenant_id: i64,
    (uid, name, enabled): (Uuid, &str, bool),
    says: Says<'_>,
) -> Result<Policy, Error> {
    let statement = client.prepare_cached(include_str!("sql/policies/insert.sql")).await?;
    let tiers = Json(says.tiers);
    read(
        &client
            .query_one(&statement, &[&uid, &tenant_id, &name, &enabled, &says.rules, &tiers, &says.templates])
            .await?,
    )
}

/// One policy; `None` when the tenant has no such.
///
/// # Errors
/// [`Error`] of the database.
pub async fn get(client: &impl GenericClient, tenant_id: i64, uid: Uuid) -> Result<Option<Policy>, Error> {
    let statement = client.prepare_cached(include_str!("sql/policies/get.sql")).await?;
    client.query_opt(&statement, &[&tenant_id, &uid]).await?.as_ref().map(read).transpose()
}

/// Which policies are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Called exactly so.
    pub name: Option<String>,
    /// With this number.
    pub number: Option<i32>,
    /// Enabled or not.
    pub enabled: Option<bool>,
    /// With this in the name, in any case.
    pub text: Option<String>,
}

/// A tenant's policies after internal id `after`, oldest first.
///
/// # Errors
/// [`Error`] of the database.
pub async fn list(
    client: &impl GenericClient,
    tenant_id: i64,
    filter: &Filter,
    (after, limit): (i64, i64),
) -> Result<Vec<Policy>, Error> {
    let statement = client.prepare_cached(include_str!("sql/policies/list.sql")).await?;
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    let Filter { name, number, enabled, .. } = filter;
    let rows = client.query(&statement, &[&tenant_id, &after, name, number, enabled, &text, &limit]).await?;
    rows.iter().map(read).collect()
}

/// The policy called so, by name or public id.
///
/// # Errors
/// [`Error`] of the database.
pub async fn named(client: &impl GenericClient, tenant_id: i64, name: &str) -> Result<Option<Policy>, Error> {
    let statement = client.prepare_cached(include_str!("sql/policies/named.sql")).await?;
    let uid = Uuid::try_parse(name).ok();
    client.query_opt(&statement, &[&tenant_id, &name, &uid]).await?.as_ref().map(read).transpose()
}

/// Changes what a policy says that was read at version `before`; `None` when it is at another by now.
///
/// # Errors
/// [`Error`] of the database.
pub async fn change(
    client: &impl GenericClient,
    tenant_id: i64,
    (uid, before): (Uuid, i32),
    says: Says<'_>,
) -> Result<Option<Policy>, Error> {
    let statement = client.prepare_cached(include_str!("sql/policies/change.sql")).await?;
    let tiers = Json(says.tiers);
    let row = client
        .query_opt(&statement, &[&tenant_id, &uid, &before, &says.rules, &tiers, &says.templates])
        .await?;
    row.as_ref().map(read).transpose()
}

/// Lets new plans name a policy, or not; `None` when the tenant has no such.
///
/// # Errors
/// [`Error`] of the database.
pub async fn enable(
    client: &impl GenericClient,
    tenant_id: i64,
    uid: Uuid,
    enabled: bool,
) -> Result<Option<Policy>, Error> {
    let statement = client.prepare_cached(include_str!("sql/policies/enable.sql")).await?;
    client.query_opt(&statement, &[&tenant_id, &uid, &enabled]).await?.as_ref().map(read).transpose()
}

/// What [`delete`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Yes,
    /// It is enabled; nothing changed.
    Enabled,
    /// A plan that is not over uses it; nothing changed.
    InUse,
    /// The tenant has no such policy.
    NotFound,
}

/// Deletes a policy if it is disabled and not used. One statement.
///
/// # Errors
/// [`Error`] of the database.
pub async fn delete(client: &impl GenericClient, tenant_id: i64, uid: Uuid) -> Result<Deleted, Error> {
    let statement = client.prepare_cached(include_str!("sql/policies/delete.sql")).await?;
    let row = client.query_one(&statement, &[&tenant_id, &uid]).await?;
    Ok(match (row.get("found"), row.get("enabled"), row.get("in_use")) {
        (false, _, _) => Deleted::NotFound,
        (true, true, _) => Deleted::Enabled,
        (true, false, true) => Deleted::InUse,
        (true, false, false) => Deleted::Yes,
    })
}

fn read(row: &Row) -> Result<Policy, Error> {
    Ok(Policy {
        id: row.get("id"),
        uid: row.get("uid"),
        number: row.get("number"),
        name: row.get("name"),
        enabled: row.get("enabled"),
        version: row.get("version"),
        rules: serde_json::from_str(row.get("rules"))?,
        tiers: row.get::<_, Json<Vec<Tier>>>("tiers").0,
        templates: row.get("templates"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_back_as_it_is_shown() {
        for (number, text) in [(1, "P0001"), (12_345, "P12345")] {
            assert_eq!(shown_number(number), text);
            assert_eq!(parse_number(text), Some(number));
        }
        assert_eq!(parse_number("p7"), Some(7));
        for text in ["", "7", "P0", "P-1", "PX", "P99999999999"] {
            assert_eq!(parse_number(text), None, "{text}");
        }
    }
}
