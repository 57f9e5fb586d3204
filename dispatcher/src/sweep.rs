//! Sweep: ends what has expired, deletes what nobody needs, and measures what is due.

use std::sync::Arc;
use std::time::Duration;

use herald_shared::db::{self, ANSWER, Error, admit, sweep};
use herald_shared::domain::Lane;
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// Sweeps until `stop`: expiry twice a second, tidying once a minute.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 0u64.. {
        tokio::select! { () = stop.cancelled() => break, _ = tick.tick() => {} }
        if let Err(error) = once(&shared, round % 120 == 0).await {
            tracing::warn!(error = error.chain(), "cannot sweep: trying again");
        }
    }
    Ok(())
}

async fn once(shared: &Shared, tidy: bool) -> Result<(), Error> {
    let pool = &shared.others;
    let expired = db::ask(pool, ANSWER, async |client| sweep::expire_plans(client).await).await?;
    if expired > 0 {
        tracing::info!(plans = expired, "plans expired before everything in them was sent");
    }
    if tidy {
        db::ask(pool, ANSWER, async |client| sweep::tidy(client).await).await?;
    }
    for &lane in Lane::ALL {
        let due = db::ask(pool, ANSWER, async |client| admit::due(client, lane).await).await?;
        shared.metrics.jobs_due.with_label_values(&[lane.as_str()]).set(due.jobs);
        shared.metrics.oldest_due.with_label_values(&[lane.as_str()]).set(due.oldest_seconds);
    }
    shared
        .metrics
        .pool_wait
        .set(shared.others.status().waiting as f64 + shared.urgent.status().waiting as f64);
    Ok(())
}
