//! The last check before a call's first byte: a slot of the account, this run's lease, fresh knowledge of pauses.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use herald_channels::Gate;
use herald_shared::domain::Lane;
use herald_shared::domain::account_choice::WAITED_FOR;
use tokio::sync::OwnedSemaphorePermit;

use crate::Shared;
use crate::accounts::Open;
use crate::limiter::{CROWDED, DAY_USED, MINUTE_USED, Refused};

/// Longest stay at the gate: connections are open meanwhile.
const PATIENCE: Duration = Duration::from_secs(3);

/// The gate of one call.
pub(crate) struct CallGate {
    shared: Arc<Shared>,
    account: Arc<Open>,
    lane: Lane,
    people: usize,
    leave: Option<Instant>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Given back once the slot is had.
    place: Option<OwnedSemaphorePermit>,
    /// How long the call waits that was refused.
    wait: Duration,
    /// When it was entered.
    entered: Option<Instant>,
}

impl CallGate {
    pub(crate) fn new(
        shared: Arc<Shared>,
        account: Arc<Open>,
        lane: Lane,
        people: usize,
        leave: Option<Instant>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let inner = Mutex::new(Inner { place: Some(place), wait: Duration::ZERO, entered: None });
        CallGate { shared, account, lane, people, leave, inner }
    }

    /// How long the call is to wait that was refused.
    pub(crate) fn wait(&self) -> Duration {
        self.inner.lock().expect("nothing panics while it is held").wait
    }

    /// The time since the call began in earnest.
    pub(crate) fn since_entered(&self) -> Option<Duration> {
        let entered = self.inner.lock().expect("nothing panics while it is held").entered;
        entered.map(|at| at.elapsed())
    }

    async fn refuse(&self, refused: Refused) {
        let wait = match refused {
            Refused::Later(wait) if wait < WAITED_FOR => wait,
            Refused::Later(_) => Duration::ZERO,
            Refused::MinuteUsed => {
                self.account.limiter.pause(MINUTE_USED, false);
                MINUTE_USED
            }
            // Admission finds another account, or knows how long to wait.
            Refused::DayUsed => {
                crate::health::rest(&self.shared, &self.account, DAY_USED).await;
                Duration::ZERO
            }
        };
        self.inner.lock().expect("nothing panics while it is held").wait = wait;
    }
}

#[async_trait]
impl Gate for CallGate {
    async fn enter(&self) -> bool {
        match tokio::time::timeout(PATIENCE, self.pass()).await {
            Ok(Ok(passed)) => passed,
            Ok(Err(refused)) => {
                self.refuse(refused).await;
                false
            }
            Err(_) => {
                self.refuse(Refused::Later(CROWDED)).await;
                false
            }
        }
    }
}

impl CallGate {
    async fn pass(&self) -> Result<bool, Refused> {
        loop {
            // After a freeze, nothing is known of the last seconds' pauses before the next look.
            self.shared.watch.fresh().await;
            let slot = self.account.limiter.slot(self.lane, self.people, &self.shared.pace).await?;
            let lease = &self.shared.lease;
            if !lease.is_alive() || !self.account.capacity.is_of(lease.incarnation()) {
                return Ok(false);
            }
            if self.leave.is_some_and(|until| Instant::now() >= until) {
                return Err(Refused::Later(CROWDED));
            }
            if slot.is_none_or(|slot| Instant::now() < slot.until) {
                let mut inner = self.inner.lock().expect("nothing panics while it is held");
                (inner.place, inner.entered) = (None, Some(Instant::now()));
                return Ok(true);
            }
            // The slot lapsed while this task waited for a processor.
        }
    }
}
