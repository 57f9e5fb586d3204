//! One who waits for a plan.

use std::sync::Arc;

use tokio::sync::watch::Receiver;

use super::{EventId, Key, Seen, Watches};

/// A client whose last event is said to be this much newer than what is known (milliseconds) has it from somewhere else.
const STRANGE: i64 = 60_000;

/// Hears of a plan's states; always of the newest one only. Counts against its key until it is dropped.
pub struct Listener {
    watches: Arc<Watches>,
    key_id: i64,
    plan: Key,
    receiver: Receiver<Option<Seen>>,
}

impl Listener {
    pub(super) fn new(
        watches: Arc<Watches>,
        key_id: i64,
        plan: Key,
        receiver: Receiver<Option<Seen>>,
    ) -> Self {
        Listener { watches, key_id, plan, receiver }
    }

    /// The newest state, and not an older one than the client knows: another process may have told it what this one has yet to see.
    /// `None`: the process stops.
    pub async fn newest(&mut self, known: Option<EventId>) -> Option<Seen> {
        let seen = self.heard(|_| true).await?;
        match known {
            Some(known) if (seen.id.ms..seen.id.ms + STRANGE).contains(&known.ms) => {
                self.watches.hurry(self.plan);
                self.heard(|seen| seen.id.ms >= known.ms).await
            }
            _ => Some(seen),
        }
    }

    /// Waits for another state than the one of `known`. `None`: the process stops.
    pub async fn other(&mut self, known: EventId) -> Option<Seen> {
        self.heard(|seen| seen.id.digest != known.digest).await
    }

    /// Waits until nothing of the plan is open. `None`: the process stops.
    pub async fn end(&mut self) -> Option<Seen> {
        self.heard(|seen| seen.ended).await
    }

    async fn heard(&mut self, wanted: impl Fn(&Seen) -> bool) -> Option<Seen> {
        self.receiver.wait_for(|seen| seen.as_ref().is_some_and(&wanted)).await.ok()?.clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.watches.left(self.key_id, self.plan);
    }
}
