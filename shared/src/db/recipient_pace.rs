//! Leave for messages under limits per account and recipient. See `domain::recipients`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use deadpool_postgres::Client;

use super::Error;
use crate::domain::Slot;
use crate::domain::recipients::{Counted, counted_over};

/// Counts messages to recipients of an account, each as far as `limits` allow. `members` are recipients and messages to each.
/// One transaction; the mark of the calls must be committed after it.
///
/// # Errors
/// [`Error`] of the database; nothing may be sent then.
pub async fn count(
    client: &mut Client,
    account: i64,
    limits: &[(Duration, u32)],
    members: &BTreeMap<i64, u32>,
    urgent: bool,
) -> Result<HashMap<i64, Counted>, Error> {
    let (spans, mosts) = counted_over(limits);
    let asked: Vec<i32> = members.values().map(|n| i32::try_from(*n).unwrap_or(i32::MAX)).collect();
    let members: Vec<i64> = members.keys().copied().collect();
    let transaction = client.transaction().await?;
    let share = transaction.prepare_cached(include_str!("sql/recipient_pace/share.sql")).await?;
    let count = transaction.prepare_cached(include_str!("sql/recipient_pace/count.sql")).await?;
    transaction.query(&share, &[&account]).await?;
    let rows = transaction.query(&count, &[&account, &members, &asked, &spans, &mosts, &urgent]).await?;
    transaction.commit().await?;
    let number = |n: i32| u32::try_from(n).unwrap_or(0);
    let counted = |row: &tokio_postgres::Row| Counted {
        given: number(row.get(1)),
        ahead: number(row.get(2)),
        first: Duration::from_secs(number(row.get(3)).into()),
    };
    Ok(rows.iter().map(|row| (row.get(0), counted(row))).collect())
}

/// Enters a round of an account, or says that it goes on: whom it must leave out, or `None` when it is one too many and its recipients
/// are to be counted one by one. One transaction.
///
/// # Errors
/// [`Error`] of the database; nothing may be sent then.
pub async fn enter(
    client: &mut Client,
    account: i64,
    limits: &[(Duration, u32)],
    (plan, slot, attempt): (i64, Slot, i16),
) -> Result<Option<HashSet<i64>>, Error> {
    let (spans, mosts) = counted_over(limits);
    let transaction = client.transaction().await?;
    let lock = transaction.prepare_cached(include_str!("sql/recipient_pace/lock.sql")).await?;
    let enter = transaction.prepare_cached(include_str!("sql/recipient_pace/enter.sql")).await?;
    transaction.query(&lock, &[&account]).await?;
    let row =
        transaction.query_one(&enter, &[&account, &plan, &slot.code(), &attempt, &spans, &mosts]).await?;
    transaction.commit().await?;
    let entered: bool = row.get(0);
    Ok(entered.then(|| row.get::<_, Vec<i64>>(1).into_iter().collect()))
}
