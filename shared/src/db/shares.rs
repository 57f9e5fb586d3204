//! Shares of an account's calls at once, for the whole fleet. Who gets how many is `domain::shares`'.

use deadpool_postgres::Client;

use super::Error;
use crate::domain::shares::{Ask, Claimant, Share, share};

/// Changes this run's share of an account to what it may have now. One transaction. `None`: this run was declared dead.
///
/// # Errors
/// [`Error`] of the database; the share is as it was, or has changed to what this would have answered.
pub async fn take(client: &mut Client, account: i64, ask: &Ask) -> Result<Option<Share>, Error> {
    let transaction = client.transaction().await?;
    let lock = transaction.prepare_cached(include_str!("sql/shares/lock.sql")).await?;
    let read = transaction.prepare_cached(include_str!("sql/shares/read.sql")).await?;
    transaction.query(&lock, &[&account]).await?;
    let rows = transaction.query(&read, &[&account]).await?;
    let turn = rows.first().map_or(0, |row| row.get::<_, i64>(4).unsigned_abs());
    let (mine, others): (Vec<Claimant>, Vec<Claimant>) =
        rows.iter().map(claimant).partition(|claimant| claimant.run == ask.run);
    let share = share(ask, &others, turn);
    let now = Claimant { run: ask.run, places: share.places, wanted: ask.wanted, urgent: ask.urgent };
    if mine.first() == Some(&now) {
        return Ok(Some(share));
    }
    let write = transaction.prepare_cached(include_str!("sql/shares/write.sql")).await?;
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let (places, wanted) = (number(now.places), number(now.wanted));
    let written = transaction.execute(&write, &[&account, &ask.run, &places, &wanted, &ask.urgent]).await?;
    transaction.commit().await?;
    Ok((written == 1).then_some(share))
}

fn claimant(row: &tokio_postgres::Row) -> Claimant {
    let number = |column: usize| u32::try_from(row.get::<_, i32>(column)).unwrap_or(0);
    Claimant { run: row.get(0), places: number(1), wanted: number(2), urgent: row.get(3) }
}
