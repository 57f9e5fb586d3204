//! One-time codes that ask a recipient who they are, and the browsers that are remembered because a right one was entered there.
//!
//! A code belongs to a recipient of a plan, whatever page asks for it. It is stored as a keyed hash (`links::LinkKey::code_hash`).

use std::collections::BTreeMap;

use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::types::Json;

use super::Error;

/// Codes a recipient gets in an hour.
const AN_HOUR: i64 = 3;
/// What may be entered for one code.
const TRIES: i16 = 5;

/// What became of a wish for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issued {
    /// It is stored: send it.
    Yes,
    /// There were three in the last hour; the next one may be had in so many seconds.
    In(i64),
    /// There is no such recipient.
    Nobody,
}

/// What became of an entered code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// It is right, and used up.
    Right,
    /// It is wrong.
    Wrong,
    /// There is no code that may be tried: none was sent, it is too old, was used, or was tried too often.
    Nothing,
}

/// Somebody a code can be sent to.
#[derive(Debug, Clone)]
pub struct Person {
    /// The plan's owner.
    pub tenant_id: i64,
    /// Display name.
    pub name: Option<String>,
    /// Address kind to address.
    pub addresses: BTreeMap<String, String>,
}

/// Whom a code would go to; `None`: there is no such recipient.
///
/// # Errors
/// [`Error`] of the database.
pub async fn person(client: &impl GenericClient, (plan_id, no): (i64, i32)) -> Result<Option<Person>, Error> {
    let statement = client.prepare_cached(include_str!("sql/codes/person.sql")).await?;
    let row = client.query_opt(&statement, &[&plan_id, &no]).await?;
    Ok(row.map(|row| Person {
        tenant_id: row.get("tenant_id"),
        name: row.get("name"),
        addresses: row.get::<_, Json<BTreeMap<String, String>>>("addresses").0,
    }))
}

/// The recipient of a plan with this mail address or phone number; `None`: there is none, or the plan's pages are closed.
///
/// Reads up to all recipients of the plan: not to be run by many at once.
///
/// # Errors
/// [`Error`] of the database.
pub async fn member(client: &impl GenericClient, plan_id: i64, address: &str) -> Result<Option<i32>, Error> {
    let statement = client.prepare_cached(include_str!("sql/codes/member.sql")).await?;
    Ok(client.query_opt(&statement, &[&plan_id, &address]).await?.map(|row| row.get("no")))
}

/// Stores the hash of a new code for a recipient: good for 10 minutes, 5 tries and once; the one before is void.
///
/// Joins the caller's transaction, so that the message that carries the code is written with it or not at all.
///
/// # Errors
/// [`Error`] of the database.
pub async fn issue(
    db: &Transaction<'_>,
    (plan_id, no): (i64, i32),
    hash: &[u8; 32],
) -> Result<Issued, Error> {
    let hold = db.prepare_cached(include_str!("sql/codes/hold.sql")).await?;
    if db.query_opt(&hold, &[&plan_id, &no]).await?.is_none() {
        return Ok(Issued::Nobody);
    }
    let issue = db.prepare_cached(include_str!("sql/codes/issue.sql")).await?;
    let wait: i64 = db.query_one(&issue, &[&plan_id, &no, &hash.as_slice(), &AN_HOUR]).await?.get(0);
    Ok(if wait > 0 { Issued::In(wait) } else { Issued::Yes })
}

/// Tries the hash of what was entered. One statement, its own transaction: a try counts whatever follows.
///
/// # Errors
/// [`Error`] of the database.
pub async fn check(
    client: &impl GenericClient,
    (plan_id, no): (i64, i32),
    hash: &[u8; 32],
) -> Result<Checked, Error> {
    let statement = client.prepare_cached(include_str!("sql/codes/check.sql")).await?;
    let row = client.query_opt(&statement, &[&plan_id, &no, &hash.as_slice(), &TRIES]).await?;
    Ok(match row.map(|row| row.get::<_, bool>("good")) {
        Some(true) => Checked::Right,
        Some(false) => Checked::Wrong,
        None => Checked::Nothing,
    })
}

/// Remembers a browser for 30 days; the id its cookie names.
///
/// # Errors
/// [`Error`] of the database.
pub async fn remember(client: &impl GenericClient, (plan_id, no): (i64, i32)) -> Result<i64, Error> {
    let statement = client.prepare_cached(include_str!("sql/codes/remember.sql")).await?;
    Ok(client.query_one(&statement, &[&plan_id, &no]).await?.get(0))
}

/// Whether the browser with pass `id` is remembered as this recipient's.
///
/// # Errors
/// [`Error`] of the database.
pub async fn is_known(
    client: &impl GenericClient,
    id: i64,
    (plan_id, no): (i64, i32),
) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/codes/known.sql")).await?;
    Ok(client.query_one(&statement, &[&id, &plan_id, &no]).await?.get(0))
}

/// Forgets all browsers of a recipient.
///
/// # Errors
/// [`Error`] of the database.
pub async fn forget(client: &impl GenericClient, (plan_id, no): (i64, i32)) -> Result<u64, Error> {
    let statement = client.prepare_cached(include_str!("sql/codes/forget.sql")).await?;
    Ok(client.execute(&statement, &[&plan_id, &no]).await?)
}
