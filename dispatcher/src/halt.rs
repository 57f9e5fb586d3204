//! Halt: jobs of plans that were paused, resumed or ended, a chunk of each plan in turn, so that no large one starves the others.

use std::sync::Arc;
use std::time::Duration;

use herald_shared::db::{self, ANSWER, Error, sweep};
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// Between two looks when nothing was to be done.
const IDLE: Duration = Duration::from_millis(200);

/// Sees to halted plans until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let pause = match round(&shared).await {
            Ok(true) => continue,
            Ok(false) => IDLE,
            Err(error) => {
                tracing::warn!(error = error.chain(), "cannot see to halted plans: trying again");
                Duration::from_secs(1)
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(pause) => {} }
    }
    Ok(())
}

/// One chunk of every halted plan; whether there is more to do at once.
async fn round(shared: &Shared) -> Result<bool, Error> {
    let mut more = false;
    let halted = db::ask(&shared.others, ANSWER, async |client| sweep::halted(client).await).await?;
    for plan in halted {
        more |= match db::ask(&shared.others, ANSWER, async |client| sweep::turn(client, plan).await).await {
            Ok(more) => more,
            // Lost against a worker's outcome: the chunk is done next time. Nobody else waits for it.
            Err(error) if error.is_conflict() => true,
            Err(error) => return Err(error),
        };
    }
    Ok(more)
}
