//! Purge: what belongs to plans that were purged goes in chunks that hurt nobody. The dispatcher does it; any number at once.

use deadpool_postgres::Client;

use super::Error;

/// Plans whose time in the bin is over, marked at once.
const DUE: i64 = 200;
/// Plans one look returns.
const PLANS: i64 = 200;
/// Rows of one kind that go at once.
const CHUNK: i64 = 5000;

/// Purges plans whose time in the bin is over; how many.
///
/// # Errors
/// [`Error`] of the database.
pub async fn due(client: &Client) -> Result<u64, Error> {
    let statement = client.prepare_cached(include_str!("sql/purge/due.sql")).await?;
    Ok(client.execute(&statement, &[&DUE]).await?)
}

/// A purged plan of which something is left.
#[derive(Debug, Clone)]
pub struct Left {
    /// The plan.
    pub id: i64,
    tenant_id: i64,
    slots: Vec<i16>,
}

/// Purged plans to work on after this one, and where the next look goes on (`None`: this one saw the last).
///
/// # Errors
/// [`Error`] of the database.
pub async fn left(client: &Client, after: i64) -> Result<(Vec<Left>, Option<i64>), Error> {
    let statement = client.prepare_cached(include_str!("sql/purge/open.sql")).await?;
    let rows = client.query(&statement, &[&after, &PLANS]).await?;
    let next = rows.last().filter(|_| rows.len() as i64 >= PLANS).map(|row| row.get("id"));
    let over = rows.iter().filter(|row| row.get("over"));
    let read = |row: &tokio_postgres::Row| Left {
        id: row.get("id"),
        tenant_id: row.get("tenant_id"),
        slots: row.get("slots"),
    };
    Ok((over.map(read).collect(), next))
}

/// One chunk of a purged plan, in a transaction of its own (async commit): what it sent first, then its people. Whether more is left.
///
/// # Errors
/// [`Error`] of the database; nothing of the chunk is done.
pub async fn chunk(client: &mut Client, plan: &Left) -> Result<bool, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let sent = transaction.prepare_cached(include_str!("sql/purge/deliveries.sql")).await?;
    let mut gone: i64 = transaction.query_one(&sent, &[&plan.id, &CHUNK]).await?.get(0);
    if gone == 0 {
        let people = transaction.prepare_cached(include_str!("sql/purge/people.sql")).await?;
        let parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)] =
            &[&plan.id, &plan.tenant_id, &plan.slots, &CHUNK];
        gone = transaction.query_one(&people, parameters).await?.get(0);
    }
    if gone == 0 {
        let over = transaction.prepare_cached(include_str!("sql/purge/over.sql")).await?;
        transaction.execute(&over, &[&plan.id]).await?;
    }
    transaction.commit().await?;
    Ok(gone > 0)
}
