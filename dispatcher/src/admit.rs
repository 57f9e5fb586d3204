//! Admission by scan: due jobs go to the broker while their queue's window has room. The truth behind every wake.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use herald_shared::db::admit::Queue;
use herald_shared::db::{self, ANSWER, Client, Error, admit};
use herald_shared::domain::pointer::Pointer;
use herald_shared::domain::{Channel, Lane};
use tokio_util::sync::CancellationToken;

use crate::backlog::Backlog;
use crate::choosing::Chooser;
use crate::{CHANNELS, Shared, window};

/// Between two looks when nothing is due.
const IDLE: Duration = Duration::from_millis(100);
/// Between two looks when a window is full.
const FULL: Duration = Duration::from_millis(10);

/// How a round went, the most urgent reason to look again last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Look again after this time.
    Pause(Duration),
    /// Jobs were published; there may be more.
    Admitted,
}

impl Round {
    fn sooner(self, other: Round) -> Round {
        match (self, other) {
            (Round::Pause(a), Round::Pause(b)) => Round::Pause(a.min(b)),
            _ => Round::Admitted,
        }
    }
}

/// One lane's admission.
struct Admission {
    shared: Arc<Shared>,
    lane: Lane,
    backlogs: HashMap<Channel, Backlog>,
    chooser: Chooser,
}

/// Admits jobs of one lane until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, lane: Lane, stop: CancellationToken) -> anyhow::Result<()> {
    let backlog = |channel| (channel, Backlog::new(Queue { channel, lane }));
    let backlogs = CHANNELS.into_iter().map(backlog).collect();
    let mut admission = Admission { shared: shared.clone(), lane, backlogs, chooser: Chooser::new() };
    while !stop.is_cancelled() {
        let pause = match admission.round().await {
            Ok(Round::Admitted) => continue,
            Ok(Round::Pause(pause)) => pause,
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

impl Admission {
    /// One look at every channel of the lane whose turn is ours.
    async fn round(&mut self) -> Result<Round, Error> {
        let mut best = Round::Pause(IDLE);
        let mine = |channel: &Channel| self.shared.turns.mine(*channel, self.lane);
        let asked: Vec<(Channel, f64)> = CHANNELS
            .into_iter()
            .filter(mine)
            .filter_map(|channel| Some((channel, self.backlogs.get_mut(&channel)?.back())))
            .collect();
        // Admission raises the visibility time; doing so while nothing can be published would outlive the outage.
        if asked.is_empty() || !self.shared.publisher.is_up() {
            return Ok(best);
        }
        let shared = self.shared.clone();
        let look = async |client: &mut Client| admit::channels_due(client, self.lane, &asked).await;
        let due = db::ask(shared.pool(self.lane), ANSWER, look).await?;
        for (channel, _) in asked {
            if due.contains(&channel) {
                best = best.sooner(self.admit(channel).await?);
            } else if let Some(backlog) = self.backlogs.get_mut(&channel) {
                backlog.empty();
            }
        }
        Ok(best)
    }

    async fn admit(&mut self, channel: Channel) -> Result<Round, Error> {
        let (shared, lane) = (self.shared.clone(), self.lane);
        let room = shared.windows.room(channel, lane);
        if room <= 0 {
            return Ok(Round::Pause(FULL));
        }
        let take = async |client: &mut Client| self.take(client, channel, room).await;
        let (pointers, wait) = db::ask(shared.pool(lane), ANSWER, take).await?;
        if pointers.is_empty() {
            return Ok(Round::Pause(wait.map_or(IDLE, |wait| wait.clamp(FULL, IDLE))));
        }
        // After the database's deadline: a publish that is given up halfway would leave its room taken.
        window::publish(&shared, channel, lane, pointers).await;
        Ok(Round::Admitted)
    }

    /// Marks published what goes next, about `room` units; none: how long its account makes it wait.
    async fn take(
        &mut self,
        client: &mut Client,
        channel: Channel,
        room: i64,
    ) -> Result<(Vec<Pointer>, Option<Duration>), Error> {
        let Some(backlog) = self.backlogs.get_mut(&channel) else { return Ok((Vec::new(), None)) };
        let waiting = backlog.read(client).await?;
        let limits = |account: &_| self.shared.wakes.limit(account);
        let chosen = self.chooser.choose(client, channel, waiting, room, limits).await?;
        if chosen.jobs.is_empty() {
            return Ok((Vec::new(), chosen.wait));
        }
        // None of them: taken by another dispatcher, or changed meanwhile.
        let visibility = self.shared.config.timings.visibility;
        Ok((admit::mark(client, &chosen.jobs, visibility).await?, chosen.wait))
    }
}
