//! Admission by scan: due jobs go to the broker while their queue's window has room. The truth behind every wake.

use std::sync::Arc;
use std::time::Duration;

use herald_shared::db::{Error, admit};
use herald_shared::domain::{Channel, Lane};
use tokio_util::sync::CancellationToken;

use crate::{CHANNELS, Shared, window};

/// Jobs one statement takes at most.
const LIMIT: i64 = 512;
/// Between two looks when nothing is due.
const IDLE: Duration = Duration::from_millis(100);
/// Between two looks when a window is full.
const FULL: Duration = Duration::from_millis(10);

/// How a round went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Round {
    /// Nothing was due.
    Idle,
    /// Something is due and its window is full.
    Full,
    /// Jobs were published; there may be more.
    Admitted,
}

/// Admits jobs of one lane until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, lane: Lane, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let pause = match round(&shared, lane).await {
            Ok(Round::Admitted) => continue,
            Ok(Round::Full) => FULL,
            Ok(Round::Idle) => IDLE,
            Err(error) => {
                tracing::warn!(%lane, error = error.chain(), "cannot admit: trying again");
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = shared.due(lane).notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(())
}

/// One look at every channel of a lane.
async fn round(shared: &Shared, lane: Lane) -> Result<Round, Error> {
    // Admission raises the visibility time; doing so while nothing can be published would outlive the outage.
    if !shared.publisher.is_up() {
        return Ok(Round::Idle);
    }
    let mut client = shared.pool(lane).get().await?;
    let mut best = Round::Idle;
    for channel in admit::channels_due(&client, lane, &CHANNELS).await? {
        best = best.max(admit_one(shared, &mut client, channel, lane).await?);
    }
    Ok(best)
}

async fn admit_one(
    shared: &Shared,
    client: &mut herald_shared::db::Client,
    channel: Channel,
    lane: Lane,
) -> Result<Round, Error> {
    let room = shared.windows.room(channel, lane);
    if room <= 0 {
        return Ok(Round::Full);
    }
    let visibility = shared.config.timings.visibility;
    let pointers = admit::admit(client, channel, lane, room, LIMIT, visibility).await?;
    if pointers.is_empty() {
        // Due, but without a usable account, or taken by another dispatcher.
        return Ok(Round::Idle);
    }
    window::publish(shared, channel, lane, pointers).await;
    Ok(Round::Admitted)
}
