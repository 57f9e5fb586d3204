//! Calls at once of an account in this worker: a number of its own, or a share of what its owner allows the fleet (`shares`).

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use herald_shared::domain::shares::{Ask, Share};
use tokio::sync::Notify;

/// How long a share is kept that nobody uses: a call a moment later need not ask the database.
const KEPT: Duration = Duration::from_millis(500);

/// How many calls may be made at once.
pub(crate) struct Capacity {
    inner: Mutex<Inner>,
    /// A place is free, or there are more of them.
    freed: Notify,
    /// Whoever asks for shares has something to ask.
    wanted: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    /// The limit of the whole fleet, where there is one.
    total: Option<u32>,
    /// Calls allowed here.
    allowed: u32,
    /// Calls that count as this run's in the database.
    places: u32,
    /// The run whose share it is.
    run: i64,
    used: u32,
    /// Calls that jobs here would make now.
    wished: u32,
    /// Urgent calls that wait.
    urgent: u32,
    /// The most calls wanted lately, and when.
    peak: (u32, Option<Instant>),
}

/// One of the calls at once; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place(Arc<Capacity>);

/// Calls that a job would make; they are forgotten when it is dropped.
pub(crate) struct Wish {
    capacity: Arc<Capacity>,
    calls: u32,
    urgent: bool,
}

impl std::fmt::Debug for Capacity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Capacity")
    }
}

impl Capacity {
    /// Nothing is allowed before [`limit`](Self::limit). `wanted` is told when a larger share is.
    pub(crate) fn new(wanted: Arc<Notify>) -> Self {
        Capacity { inner: Mutex::default(), freed: Notify::new(), wanted }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it is held")
    }

    /// Sets the limit: `fleet` calls at once of all workers, or `own` of this one.
    pub(crate) fn limit(&self, fleet: Option<u32>, own: u32) {
        let mut inner = self.inner();
        if fleet.is_none() {
            inner.allowed = own;
        } else if inner.total.is_none() {
            inner.allowed = 0;
        }
        inner.total = fleet;
        drop(inner);
        self.freed.notify_waiters();
    }

    /// A place, if one is free. Urgent calls that wait go first.
    pub(crate) fn try_take(self: &Arc<Self>, urgent: bool) -> Option<Place> {
        let mut inner = self.inner();
        if inner.used >= inner.allowed || (inner.urgent > 0 && !urgent) {
            return None;
        }
        inner.used += 1;
        Some(Place(self.clone()))
    }

    /// A place; waits for one.
    pub(crate) async fn take(self: &Arc<Self>, urgent: bool) -> Place {
        let waiting = self.wish(1, urgent);
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(place) = self.try_take(urgent) {
                drop(waiting);
                return place;
            }
            freed.await;
        }
    }

    /// Waits until there is a free place.
    pub(crate) async fn freed(&self) {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.is_free() {
                return;
            }
            freed.await;
        }
    }

    fn is_free(&self) -> bool {
        let inner = self.inner();
        inner.used < inner.allowed
    }

    /// Places that a job must not use again when its calls end: those beyond the share, which are another worker's, and those that
    /// urgent calls wait for.
    pub(crate) fn owed(&self, urgent: bool) -> usize {
        let inner = self.inner();
        let waiting = if urgent { 0 } else { inner.urgent };
        (inner.used.saturating_sub(inner.allowed) + waiting) as usize
    }

    /// Notes that a job would make so many more calls.
    pub(crate) fn wish(self: &Arc<Self>, calls: u32, urgent: bool) -> Wish {
        let mut wish = Wish { capacity: self.clone(), calls: 0, urgent };
        wish.set(calls);
        wish
    }

    /// Whether the fleet shares it.
    pub(crate) fn is_shared(&self) -> bool {
        self.inner().total.is_some()
    }

    /// Whether calls here are within `run`'s share.
    pub(crate) fn is_of(&self, run: i64) -> bool {
        let inner = self.inner();
        inner.total.is_none() || inner.run == run
    }

    /// What to ask for; `None` when there is nothing to ask.
    pub(crate) fn ask(&self, run: i64) -> Option<Ask> {
        let mut inner = self.inner();
        let total = inner.total?;
        if inner.run != run {
            // Another run's share ended with it; its calls that are under way count until they end.
            (inner.allowed, inner.places) = (0, 0);
        }
        let wanted = (inner.used + inner.wished).min(total);
        let kept = inner.peak.1.filter(|at| at.elapsed() < KEPT).map_or(0, |_| inner.peak.0);
        if wanted >= kept && wanted > 0 {
            inner.peak = (wanted, Some(Instant::now()));
        }
        let wanted = wanted.max(kept).min(total);
        let bound = inner.used.max(inner.allowed);
        (wanted > 0 || inner.places > 0).then_some(Ask {
            run,
            total,
            bound,
            wanted,
            urgent: inner.urgent > 0,
        })
    }

    /// Takes the share that was answered. `true`: some of it is to be given back at once.
    pub(crate) fn set(&self, run: i64, share: Option<Share>) -> bool {
        let mut inner = self.inner();
        let share = share.unwrap_or(Share { allowed: 0, places: 0 });
        let more = share.allowed > inner.used;
        (inner.run, inner.allowed, inner.places) = (run, share.allowed, share.places);
        let spare = share.places > inner.used.max(share.allowed);
        drop(inner);
        if more {
            self.freed.notify_waiters();
        }
        spare
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        inner.used -= 1;
        // A place beyond the share is waited for by another worker.
        let beyond = inner.total.is_some() && inner.used >= inner.allowed;
        drop(inner);
        if beyond {
            self.0.wanted.notify_one();
        } else {
            self.0.freed.notify_waiters();
        }
    }
}

impl Wish {
    /// Changes it to so many calls.
    pub(crate) fn set(&mut self, calls: u32) {
        let mut inner = self.capacity.inner();
        inner.wished = inner.wished + calls - self.calls;
        if self.urgent {
            inner.urgent = inner.urgent + u32::from(calls > 0) - u32::from(self.calls > 0);
        }
        let larger = calls > self.calls
            && inner.total.is_some_and(|total| inner.allowed < total)
            && inner.used + inner.wished > inner.allowed;
        self.calls = calls;
        drop(inner);
        if larger {
            self.capacity.wanted.notify_one();
        }
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        let was_urgent = self.urgent && self.calls > 0;
        self.set(0);
        if was_urgent {
            // Others waited for it.
            self.capacity.freed.notify_waiters();
        }
    }
}
