//! A question to the database with the asker's own deadline.

use std::time::Duration;

use deadpool_postgres::{Client, Pool};
use tokio::time::timeout;

use super::{Error, answered};

/// Runs `work` on a connection of `pool`, for at most `limit`.
///
/// A connection can fall silent without ending: a pooler, a balancer or a frozen server still acknowledges packets, so that neither
/// keepalives nor the server's `statement_timeout` end the wait. A connection whose work was given up, by the deadline (see
/// [`answered`]) or because nobody waits for this future any more, is thrown away: an answer may still be on its way.
///
/// # Errors
/// The work's own, [`Error::Deadline`], or that no connection could be had. After any of them the work may have been committed.
pub async fn ask<T>(
    pool: &Pool,
    limit: Duration,
    work: impl AsyncFnOnce(&mut Client) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut used = Used(Some(pool.get().await?));
    let answer = timeout(limit, work(used.0.as_mut().expect("it was just put there"))).await;
    answered(used.0.take().expect("nobody took it"), answer)
}

/// A connection at work.
struct Used(Option<Client>);

impl Drop for Used {
    fn drop(&mut self) {
        self.0.take().map(Client::take).into_iter().for_each(drop);
    }
}
