//! Keeps this worker's shares of accounts whose calls at once are limited for the whole fleet.

use std::sync::Arc;
use std::time::Duration;

use herald_shared::db::{self, Client, Error, Pool, shares};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::accounts::Open;

/// Between two looks at what the others want.
const EVERY: Duration = Duration::from_millis(100);
/// Between two rounds that calls asked for.
const SOONEST: Duration = Duration::from_millis(20);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Asks until everything in hand is recorded, each time a share is too small or others may want some of it.
pub(crate) async fn run(
    shared: Arc<Shared>,
    pool: Pool,
    wanted: Arc<Notify>,
    drained: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        for account in shared.accounts.all() {
            if let Err(error) = keep(&shared, &account, &pool).await {
                tracing::warn!(
                    account = account.id,
                    error = error.chain(),
                    "cannot ask for a share of an account's calls at once: it stays as it is"
                );
            }
        }
        tokio::time::sleep(SOONEST).await;
        tokio::select! {
            () = drained.cancelled() => return Ok(()),
            () = wanted.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn keep(shared: &Shared, account: &Open, pool: &Pool) -> Result<(), Error> {
    // Twice: what the first answer takes away is given back by the second question, where no call is in it.
    for _ in 0..2 {
        let run = shared.lease.incarnation();
        let Some(ask) = account.capacity.ask(run) else { return Ok(()) };
        let mut client: Client = pool.get().await?;
        let answer = timeout(ANSWER, shares::take(&mut client, account.id, &ask)).await;
        let share = db::answered(client, answer)?;
        if !account.capacity.set(run, share) {
            return Ok(());
        }
    }
    Ok(())
}
