//! Tells tenants' own systems what happened: takes subscriptions that have something due, and calls each in a task of its own.
//!
//! In the worker, because calls to strangers are its trade: it has the network guard, and it is what an operator adds more of. A
//! subscription is called by one worker at a time, which holds a lease on it; a worker that dies loses nothing but the lease, and the
//! next one tells again what was not recorded as taken. A slow receiver keeps nothing busy but its own task.

mod body;
mod courier;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_channels::Hooks;
use herald_shared::db::subscriptions::{self, Leased};
use herald_shared::db::{self, Error, Pool};
use herald_shared::secrets::KeyRing;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Between two looks for subscriptions that have something due.
const EVERY: Duration = Duration::from_millis(400);
/// Looks between two measurements of what waits.
const MEASURE: u64 = 12;
/// Subscriptions one worker calls at once.
const AT_ONCE: usize = 200;
/// Calls to one subscription at once.
pub(crate) const CALLS: u32 = 8;
/// Longest wait for the database.
const ANSWER: Duration = Duration::from_secs(5);
/// How long a worker may call a subscription without renewing that. A round's calls take at most 11 s.
const LEASE: Duration = Duration::from_secs(30);

/// What all couriers share.
pub(crate) struct Office {
    pub(crate) pool: Pool,
    pub(crate) ring: KeyRing,
    pub(crate) hooks: Hooks,
    pub(crate) metrics: Arc<Metrics>,
    /// First wait after a failed call.
    pub(crate) base: Duration,
    /// What has failed for so long is paused.
    pub(crate) patience: Duration,
    pub(crate) stop: CancellationToken,
    /// Internal ids of those being called by this process.
    own: Mutex<HashSet<i64>>,
}

impl Office {
    pub(crate) fn new(
        (pool, ring, hooks): (Pool, KeyRing, Hooks),
        metrics: Arc<Metrics>,
        (base, patience): (Duration, Duration),
        stop: CancellationToken,
    ) -> Self {
        Office { pool, ring, hooks, metrics, base, patience, stop, own: Mutex::default() }
    }

    fn own(&self) -> std::sync::MutexGuard<'_, HashSet<i64>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls until `stop`; then the calls in hand are made and recorded.
pub(crate) async fn run(office: Office) -> anyhow::Result<()> {
    let office = Arc::new(office);
    let mut couriers = JoinSet::new();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 0u64.. {
        tokio::select! { () = office.stop.cancelled() => break, _ = tick.tick() => {} }
        while couriers.try_join_next().is_some() {}
        match look(&office, round.is_multiple_of(MEASURE)).await {
            Ok(found) => {
                for leased in found {
                    office.own().insert(leased.id);
                    couriers.spawn(call(office.clone(), leased));
                }
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "cannot see which subscriptions have something due");
            }
        }
    }
    while couriers.join_next().await.is_some() {}
    Ok(())
}

async fn look(office: &Office, measure: bool) -> Result<Vec<Leased>, Error> {
    let own: Vec<i64> = office.own().iter().copied().collect();
    let room = AT_ONCE.saturating_sub(own.len()) as i64;
    db::ask(&office.pool, ANSWER, async |client| {
        if measure {
            office.metrics.oldest_event.set(subscriptions::oldest_seconds(client).await?);
        }
        if room == 0 { Ok(Vec::new()) } else { subscriptions::take(client, LEASE, room, &own).await }
    })
    .await
}

async fn call(office: Arc<Office>, leased: Leased) {
    if let Err(error) = courier::run(&office, leased).await {
        tracing::warn!(
            subscription = %leased.uid,
            error = error.chain(),
            "what was told is not recorded: it will be told again"
        );
    }
    office.own().remove(&leased.id);
}
