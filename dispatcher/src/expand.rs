//! Expansion: one chunk after another, of whichever plan is due.

use std::sync::Arc;
use std::time::Duration;

use herald_shared::db::expand::{self, Step};
use herald_shared::db::{self, ANSWER};
use herald_shared::domain::Lane;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::low::Low;

/// How far behind the oldest seen a plan may appear: a minute is what acceptance allows `send_at` to lie in the past.
const NEAR: Duration = Duration::from_secs(75);

/// Expands plans of one lane until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, lane: Lane, stop: CancellationToken) -> anyhow::Result<()> {
    let mut low = Low::new(NEAR, NEAR);
    while !stop.is_cancelled() {
        let pause = match step(&shared, lane, low.back()).await {
            Ok(Step::Wrote { recipients, age }) => {
                low.saw(age);
                shared
                    .metrics
                    .expanded
                    .with_label_values(&[lane.as_str()])
                    .inc_by(recipients.unsigned_abs().into());
                shared.due(lane).notify_one();
                continue;
            }
            Ok(Step::Turned { started, skipped, age }) => {
                low.saw(age);
                shared.metrics.occurrences.with_label_values(&["started"]).inc_by(u64::from(started));
                shared.metrics.occurrences.with_label_values(&["skipped"]).inc_by(u64::from(skipped));
                continue;
            }
            Ok(Step::Idle) => {
                low.saw(0.0);
                Duration::from_millis(50)
            }
            Err(error) => {
                tracing::warn!(%lane, error = error.chain(), "cannot expand: trying again");
                Duration::from_secs(1)
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(pause) => {} }
    }
    Ok(())
}

async fn step(shared: &Shared, lane: Lane, back: f64) -> Result<Step, herald_shared::db::Error> {
    db::ask(shared.pool(lane), ANSWER, async |client| expand::step(client, lane, back).await).await
}
