//! Reclaim: workers whose beat stands still are declared dead, and what they held is given back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_shared::db::{self, ANSWER, Client, Error, incarnation, reclaim};
use herald_shared::domain::lease::Watch;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::low::Low;

/// Between two looks for claimed jobs past their backstop: the last resort, for what no run that ended explains.
const OVERDUE_EVERY: Duration = Duration::from_secs(5);
/// How far behind the oldest seen the next look goes.
const NEAR: Duration = Duration::from_secs(1);

/// Watches workers until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) -> anyhow::Result<()> {
    let lease = shared.config.timings.lease;
    let mut watch = Watch::new(lease);
    let mut last = Instant::now();
    let mut overdue = Overdue { low: Low::new(NEAR, NEAR), at: None };
    let mut tick = tokio::time::interval(lease / 10);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = stop.cancelled() => return Ok(()), _ = tick.tick() => {} }
        match round(&shared, &mut watch, &mut last, &mut overdue).await {
            Ok(()) => {}
            Err(error) if error.is_unavailable() => {
                tracing::debug!(error = error.chain(), "cannot watch workers")
            }
            Err(error) => tracing::error!(error = error.chain(), "cannot watch workers"),
        }
    }
}

/// When claimed jobs past their backstop were last looked for, and how far back that goes.
struct Overdue {
    low: Low,
    at: Option<Instant>,
}

impl Overdue {
    async fn look(&mut self, shared: &Shared) -> Result<Vec<i64>, Error> {
        if self.at.is_some_and(|at| at.elapsed() < OVERDUE_EVERY) {
            return Ok(Vec::new());
        }
        let back = self.low.back();
        let overdue = async |client: &mut Client| reclaim::overdue_jobs(client, back).await;
        let found = db::ask(&shared.others, ANSWER, overdue).await?;
        self.low.saw(found.iter().map(|(_, age)| *age).fold(0.0, f64::max));
        self.at = Some(Instant::now());
        Ok(found.into_iter().map(|(job, _)| job).collect())
    }
}

async fn round(
    shared: &Shared,
    watch: &mut Watch,
    last: &mut Instant,
    overdue: &mut Overdue,
) -> Result<(), Error> {
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
    let mut lost = db::ask(pool, ANSWER, async |client| reclaim::lost_jobs(client).await).await?;
    lost.extend(overdue.look(shared).await?);
    for job in lost {
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
