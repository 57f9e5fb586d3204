//! Escalation: due steps of ladders fire, chunk after chunk. Any number of dispatchers at once.

use std::sync::Arc;
use std::time::Duration;

use herald_shared::db::escalate::{self, Fired};
use herald_shared::db::{self, ANSWER, Error};
use herald_shared::domain::Lane;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::low::Low;

/// Between two looks when nothing was due.
const IDLE: Duration = Duration::from_millis(50);
/// How far behind the oldest seen a step may appear: a settle that took long commits it late.
const NEAR: Duration = Duration::from_secs(2);

/// Fires the steps of one lane until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, lane: Lane, stop: CancellationToken) -> anyhow::Result<()> {
    let mut low = Low::new(NEAR, NEAR);
    while !stop.is_cancelled() {
        let pause = match fire(&shared, lane, &mut low).await {
            Ok(true) => continue,
            Ok(false) => IDLE,
            Err(error) => {
                tracing::warn!(%lane, error = error.chain(), "cannot escalate: trying again");
                Duration::from_secs(1)
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(pause) => {} }
    }
    Ok(())
}

/// Fires one chunk; whether there may be more.
async fn fire(shared: &Shared, lane: Lane, low: &mut Low) -> Result<bool, Error> {
    let back = low.back();
    let fire = async |client: &mut db::Client| escalate::fire(client, lane, back).await;
    let Fired { jobs, oldest } = db::ask(shared.pool(lane), ANSWER, fire).await?;
    low.saw(oldest);
    shared.metrics.oldest_escalation.with_label_values(&[lane.as_str()]).set(oldest);
    if jobs > 0 {
        shared.due(lane).notify_one();
    }
    Ok(jobs > 0)
}
