//! Watches how the fleet finds the accounts in use: a pause one worker was told of reaches the others within a tenth of a second.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_shared::db::health::{self, Condition};
use herald_shared::db::{self, Client, Error, Pool};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::accounts::Open;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);
/// A look older than this says nothing of now.
const STALE: Duration = Duration::from_secs(1);

/// When the last look was.
pub(crate) struct Watch(watch::Sender<Option<Instant>>);

impl Default for Watch {
    fn default() -> Self {
        Watch(watch::Sender::new(None))
    }
}

impl Watch {
    /// Waits until the last look is fresh.
    pub(crate) async fn fresh(&self) {
        let fresh = |at: &Option<Instant>| at.is_some_and(|at| at.elapsed() < STALE);
        if fresh(&self.0.borrow()) {
            return;
        }
        // The sender lives as long as `self`.
        drop(self.0.subscribe().wait_for(fresh).await);
    }
}

/// Looks until everything in hand is recorded.
pub(crate) async fn run(shared: Arc<Shared>, pool: Pool, drained: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = drained.cancelled() => return Ok(()), _ = tick.tick() => {} }
        if let Err(error) = look(&shared, &pool).await {
            tracing::warn!(
                error = error.chain(),
                "cannot see how accounts are: calls wait until it is known"
            );
        }
    }
}

async fn look(shared: &Shared, pool: &Pool) -> Result<(), Error> {
    let at = Instant::now();
    let open = shared.accounts.all();
    if !open.is_empty() {
        let client = pool.get().await?;
        let answer = tokio::time::timeout(STALE, look_at(&client, &open)).await;
        db::answered(client, answer)?;
    }
    shared.watch.0.send_replace(Some(at));
    Ok(())
}

/// Looks how these accounts are, and tells them.
pub(crate) async fn look_at(client: &Client, accounts: &[Arc<Open>]) -> Result<(), Error> {
    let ids: Vec<i64> = accounts.iter().map(|account| account.id).collect();
    let found = health::conditions(client, &ids).await?;
    let found: HashMap<i64, Condition> = found.into_iter().map(|c| (c.account, c)).collect();
    for account in accounts {
        let condition = found.get(&account.id);
        account.limiter.set_open(condition.is_some_and(|c| c.open));
        if let Some(condition) = condition {
            account.limiter.pause(condition.paused, condition.rests);
        }
    }
    Ok(())
}
