//! Looking at plans for whoever waits for them: one look per plan and process, however many listen.
//!
//! A listener holds the newest state only, so a slow client costs no memory. One task looks, with one connection at a time.

mod listener;
mod seen;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use herald_shared::db;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use listener::Listener;
pub use seen::{EventId, Seen};

use crate::App;
use crate::error::{Kind, Problem, Result};
use crate::metrics::Metrics;

/// Listeners (event streams and waiting requests) of one process at most.
pub const MAX_LISTENERS: usize = 1_000;
/// Listeners of one key and process at most.
pub const MAX_PER_KEY: usize = 50;
/// First time between two looks at a plan.
const SOON: Duration = Duration::from_millis(400);
/// Longest time between two looks at a plan whose counts stand still: changes are told within a second.
const LATER: Duration = Duration::from_millis(800);
/// Looking at a plan takes at most one in so many parts of the time: counting a large plan's people is not cheap.
const COST: u32 = 10;
/// Plans of one look.
const TOGETHER: usize = 50;
/// Wait after a look that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// Tenant and plan.
type Key = (i64, i64);

/// Who waits for what.
pub struct Watches {
    state: Mutex<State>,
    wake: Notify,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    plans: HashMap<Key, Watched>,
    by_key: HashMap<i64, usize>,
    listeners: usize,
    closed: bool,
}

/// A plan somebody waits for.
struct Watched {
    sender: watch::Sender<Option<Seen>>,
    listeners: usize,
    due: Instant,
    pause: Duration,
}

impl Watches {
    /// Nobody waits yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Arc<Self> {
        Arc::new(Watches { state: Mutex::default(), wake: Notify::new(), metrics })
    }

    /// Begins to listen to a plan that exists, with the API key `key_id`.
    ///
    /// # Errors
    /// 429 when the key or the process has all listeners it may; 503 while the process stops.
    pub fn listen(self: &Arc<Self>, key_id: i64, tenant_id: i64, plan_id: i64) -> Result<Listener> {
        let mut state = self.lock();
        if state.closed {
            return Err(Problem::unavailable("This process is stopping; try again.", 1));
        }
        if state.listeners >= MAX_LISTENERS {
            let detail = format!(
                "This process has {MAX_LISTENERS} listeners already; try again, or GET the plan now and then."
            );
            return Err(Problem::new(Kind::RateLimited, detail).retry_after(5));
        }
        let mine = state.by_key.entry(key_id).or_default();
        if *mine >= MAX_PER_KEY {
            let detail = format!(
                "This key has {MAX_PER_KEY} event streams and waiting requests open: close some, or GET the plan now and then."
            );
            return Err(Problem::new(Kind::RateLimited, detail).retry_after(5));
        }
        *mine += 1;
        state.listeners += 1;
        let watched = state.plans.entry((tenant_id, plan_id)).or_insert_with(|| Watched {
            sender: watch::Sender::new(None),
            listeners: 0,
            due: Instant::now(),
            pause: SOON,
        });
        watched.listeners += 1;
        let receiver = watched.sender.subscribe();
        self.metrics.listening(state.listeners, state.plans.len());
        drop(state);
        self.wake.notify_one();
        Ok(Listener::new(self.clone(), key_id, (tenant_id, plan_id), receiver))
    }

    /// Looks until `stop`, then lets all listeners go.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self: Arc<Self>, app: App, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            for (tenant_id, plans) in self.due() {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = self.look(&app, tenant_id, &plans) => {}
                }
            }
            let next = self.next();
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(next.into()) => {}
            }
        }
        let mut state = self.lock();
        state.closed = true;
        // Without its sender a listener's channel is closed: streams end, waiting requests are answered.
        state.plans.clear();
        Ok(())
    }

    /// What has to be looked at now, by tenant.
    fn due(&self) -> Vec<(i64, Vec<i64>)> {
        let (state, now) = (self.lock(), Instant::now());
        let mut by_tenant: HashMap<i64, Vec<i64>> = HashMap::new();
        for (&(tenant_id, plan_id), watched) in &state.plans {
            if watched.due <= now {
                by_tenant.entry(tenant_id).or_default().push(plan_id);
            }
        }
        let chunked = |(tenant_id, plans): (i64, Vec<i64>)| {
            plans.chunks(TOGETHER).map(|plans| (tenant_id, plans.to_vec())).collect::<Vec<_>>()
        };
        by_tenant.into_iter().flat_map(chunked).collect()
    }

    /// When something is due; nobody listens: some time.
    fn next(&self) -> Instant {
        let state = self.lock();
        let soonest = state.plans.values().map(|watched| watched.due).min();
        soonest.unwrap_or_else(|| Instant::now() + Duration::from_secs(60))
    }

    async fn look(&self, app: &App, tenant_id: i64, plans: &[i64]) {
        let started = Instant::now();
        let asked = async {
            let client = app.pool.get().await?;
            db::watch::look(&client, tenant_id, plans).await
        };
        let found = timeout(app.deadline, asked).await.unwrap_or_else(|_| {
            // As for requests: a silent connection must not be handed to the next.
            app.pool.retain(|_, _| false);
            Err(db::Error::Deadline)
        });
        self.metrics.looked(started);
        match found {
            Ok((at, views)) => {
                let seen: HashMap<i64, Seen> =
                    views.iter().map(|view| (view.plan.id, Seen::new(at, view))).collect();
                self.tell(tenant_id, plans, seen, started.elapsed());
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "listeners of plans hear nothing for the moment");
                self.postpone(tenant_id, plans);
            }
        }
    }

    fn tell(&self, tenant_id: i64, plans: &[i64], mut seen: HashMap<i64, Seen>, cost: Duration) {
        let mut state = self.lock();
        for &plan_id in plans {
            // Everybody may have gone meanwhile.
            let Some(watched) = state.plans.get_mut(&(tenant_id, plan_id)) else { continue };
            let Some(new) = seen.remove(&plan_id) else { continue };
            let last = watched.sender.borrow().as_ref().map(|last| last.id.digest);
            let changed = last != Some(new.id.digest);
            // Told in either case: a state that stands still is known to be that new.
            watched.sender.send_replace(Some(new));
            watched.pause = if changed { SOON } else { (watched.pause * 5 / 4).min(LATER) };
            watched.due = Instant::now() + watched.pause.max(cost * COST);
        }
    }

    fn postpone(&self, tenant_id: i64, plans: &[i64]) {
        let mut state = self.lock();
        for &plan_id in plans {
            if let Some(watched) = state.plans.get_mut(&(tenant_id, plan_id)) {
                watched.due = Instant::now() + AGAIN;
            }
        }
    }

    /// Looks at a plan at once.
    fn hurry(&self, plan: Key) {
        if let Some(watched) = self.lock().plans.get_mut(&plan) {
            watched.due = Instant::now();
        }
        self.wake.notify_one();
    }

    /// A listener went away.
    fn left(&self, key_id: i64, plan: Key) {
        let mut state = self.lock();
        state.listeners -= 1;
        if let Some(mine) = state.by_key.get_mut(&key_id) {
            *mine -= 1;
            if *mine == 0 {
                state.by_key.remove(&key_id);
            }
        }
        if let Some(watched) = state.plans.get_mut(&plan) {
            watched.listeners -= 1;
            if watched.listeners == 0 {
                state.plans.remove(&plan);
            }
        }
        self.metrics.listening(state.listeners, state.plans.len());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
