//! Keep: plans that were to be kept for so long after their end. What they said, and everybody's names, addresses and variables, are
//! erased; counts and results stay. In chunks, by the dispatcher; twice is harmless. Sensitive plans have rules of their own (`erase`).

use deadpool_postgres::Client;
use tokio_postgres::types::ToSql;

use super::Error;

/// Plans one look returns.
const PLANS: i64 = 100;
/// People one chunk has.
const CHUNK: i64 = 5000;

/// A plan to be erased.
#[derive(Debug, Clone)]
pub struct Due {
    /// The plan.
    pub id: i64,
    tenant_id: i64,
    slots: Vec<i16>,
}

/// Plans whose time is over, oldest first; at most some.
///
/// # Errors
/// [`Error`] of the database.
pub async fn due(client: &Client) -> Result<Vec<Due>, Error> {
    let statement = client.prepare_cached(include_str!("sql/keep/due.sql")).await?;
    let rows = client.query(&statement, &[&PLANS]).await?;
    let read = |row: &tokio_postgres::Row| Due {
        id: row.get("id"),
        tenant_id: row.get("tenant_id"),
        slots: row.get("slots"),
    };
    Ok(rows.iter().map(read).collect())
}

/// Erases a chunk of people behind position `after`, or, behind the last one, what was said to them, in a transaction of its own (async
/// commit). Where to go on; `None`: all is done.
///
/// # Errors
/// [`Error`] of the database; nothing of the chunk is done.
pub async fn chunk(client: &mut Client, plan: &Due, after: i32) -> Result<Option<i32>, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let people = transaction.prepare_cached(include_str!("sql/keep/people.sql")).await?;
    let parameters: &[&(dyn ToSql + Sync)] = &[&plan.id, &plan.tenant_id, &plan.slots, &after, &CHUNK];
    let last: Option<i32> = transaction.query_one(&people, parameters).await?.get(0);
    if last.is_none() {
        let words = transaction.prepare_cached(include_str!("sql/keep/words.sql")).await?;
        transaction.execute(&words, &[&plan.id]).await?;
    }
    transaction.commit().await?;
    Ok(last)
}
