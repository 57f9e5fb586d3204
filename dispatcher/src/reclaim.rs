//! Reclaim: workers whose beat stands still are declared dead, and what they held is given back.

use std::sync::Arc;
use std::time::Instant;

use herald_shared::db::{self, ANSWER, Client, Error, incarnation, reclaim};
use herald_shared::domain::lease::Watch;
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// Watches workers until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) -> anyhow::Result<()> {
    let lease = shared.config.timings.lease;
    let mut watch = Watch::new(lease);
    let mut last = Instant::now();
    let mut tick = tokio::time::interval(lease / 10);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = stop.cancelled() => return Ok(()), _ = tick.tick() => {} }
        match round(&shared, &mut watch, &mut last).await {
            Ok(()) => {}
            Err(error) if error.is_unavailable() => {
                tracing::debug!(error = error.chain(), "cannot watch workers")
            }
            Err(error) => tracing::error!(error = error.chain(), "cannot watch workers"),
        }
    }
}

async fn round(shared: &Shared, watch: &mut Watch, last: &mut Instant) -> Result<(), Error> {
    let pool = &shared.others;
    let sightings = db::ask(pool, ANSWER, async |client| incarnation::sightings(client).await).await?;
    let beats: Vec<(i64, i64)> = sightings.iter().filter(|s| !s.ended).map(|s| (s.id, s.beat)).collect();
    let since = last.elapsed();
    *last = Instant::now();
    for (id, beat) in watch.look(since, &beats) {
        if db::ask(pool, ANSWER, async |client| reclaim::declare_dead(client, id, beat).await).await? {
            tracing::warn!(incarnation = id, "a worker is dead: taking over what it held");
        }
    }
    let timings = shared.config.timings;
    let (most, grace) = (timings.backoff.max_attempts, timings.unknown_grace);
    for job in db::ask(pool, ANSWER, async |client| reclaim::lost_jobs(client).await).await? {
        let give_back = async |client: &mut Client| reclaim::reclaim(client, job, most, grace).await;
        if let Some(done) = db::ask(pool, ANSWER, give_back).await? {
            shared.metrics.reclaimed.inc();
            shared.metrics.unknown.inc_by(done.unknown.unsigned_abs());
            shared.metrics.parked.inc_by(done.parked.unsigned_abs());
            tracing::info!(job, unknown = done.unknown, parked = done.parked, "reclaimed a job");
        }
    }
    Ok(())
}
