//! The last check before a call's first byte: a slot of the account, this run's lease, fresh knowledge of pauses.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use herald_channels::Gate;
use herald_shared::db::{self, worker};
use herald_shared::domain::account_choice::WAITED_FOR;
use herald_shared::domain::slots;
use herald_shared::domain::{Lane, Slot};
use tokio::time::timeout;

use crate::Shared;
use crate::accounts::Open;
use crate::limiter::{CROWDED, DAY_USED, Limiter, MINUTE_USED, Refused};
use crate::permits::Places;

/// Longest stay at the gate: connections are open meanwhile.
const PATIENCE: Duration = Duration::from_millis(2500);

/// How long after its mark a call may go out without a second look at its plan: a recall or pause holds within a second.
const RECENT: Duration = Duration::from_millis(500);

/// The gate of one call.
pub(crate) struct CallGate {
    shared: Arc<Shared>,
    account: Arc<Open>,
    lane: Lane,
    /// Its plan, step and channel; `None`: it is to go out whatever became of its plan.
    plan: Option<(i64, Slot)>,
    /// To whom it goes.
    nos: Vec<i32>,
    leave: Option<Instant>,
    /// When it was marked, or is known to have been wanted still.
    marked: Instant,
    /// What the tenant may have over all its accounts.
    tenant: Option<Arc<Limiter>>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Given back once the slot is had.
    place: Option<Places>,
    /// How long the call waits that was refused.
    wait: Duration,
    /// When it was entered.
    entered: Option<Instant>,
}

impl CallGate {
    /// The gate of a call to these people of a plan (`None`: of whatever plan), with a place; `leave`: until when they may be called.
    pub(crate) fn new(
        shared: Arc<Shared>,
        account: Arc<Open>,
        (lane, plan, nos): (Lane, Option<(i64, Slot)>, &[i32]),
        leave: Option<Instant>,
        place: Places,
    ) -> Self {
        let inner = Mutex::new(Inner { place: Some(place), wait: Duration::ZERO, entered: None });
        let tenant = account.tenant();
        let nos = nos.to_vec();
        CallGate { shared, account, lane, plan, nos, leave, marked: Instant::now(), tenant, inner }
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
            // It is claimed again as smaller calls.
            Refused::TooLarge => CROWDED,
            Refused::MinuteUsed => {
                self.account.limiter.pause(MINUTE_USED, false);
                MINUTE_USED
            }
            // Admission finds another account, or knows how long to wait.
            Refused::DayUsed(whose) => {
                crate::health::rest(&self.shared, &self.account, DAY_USED, whose).await;
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
        let (mut of_account, mut of_tenant) = (None, None);
        loop {
            // After a freeze, nothing is known of the last seconds' pauses before the next look.
            self.shared.watch.fresh().await;
            // A slot that is still good is kept while the other is waited for.
            self.slot(Some(&self.account.limiter), &mut of_account).await?;
            self.slot(self.tenant.as_ref(), &mut of_tenant).await?;
            if !self.is_wanted().await {
                return Ok(false);
            }
            let lease = &self.shared.lease;
            if !lease.is_alive() || !self.account.capacity.is_of(lease.incarnation()) {
                return Ok(false);
            }
            if self.leave.is_some_and(|until| Instant::now() >= until) {
                return Err(Refused::Later(CROWDED));
            }
            if is_good(of_account) && is_good(of_tenant) {
                let mut inner = self.inner.lock().expect("nothing panics while it is held");
                (inner.place, inner.entered) = (None, Some(Instant::now()));
                return Ok(true);
            }
            // A slot lapsed while this task waited for the other, or for a processor.
        }
    }

    async fn slot(&self, of: Option<&Arc<Limiter>>, slot: &mut Option<slots::Slot>) -> Result<(), Refused> {
        if let Some(limiter) = of
            && (slot.is_none() || !is_good(*slot))
        {
            *slot = limiter.slot(self.lane, self.nos.len(), &self.shared.pace).await?;
        }
        Ok(())
    }

    /// Whether the call may still go: one that has waited asks once more, since its plan may have been recalled or paused, or somebody
    /// may have read or answered.
    async fn is_wanted(&self) -> bool {
        let Some(plan) = self.plan.filter(|_| self.marked.elapsed() >= RECENT) else { return true };
        let asked = async {
            let client = self.shared.pace.unsynced.get().await?;
            let answer = timeout(RECENT, worker::is_wanted(&client, plan, &self.nos)).await;
            db::answered(client, answer)
        };
        asked.await.unwrap_or(false)
    }
}

/// Whether a call may start under this slot; without one there is no such limit.
fn is_good(slot: Option<slots::Slot>) -> bool {
    slot.is_none_or(|slot| Instant::now() < slot.until)
}
