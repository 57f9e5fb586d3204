//! Accounts in use: each with its driver and the calls it may have at once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use herald_channels::{Deps, Driver, Spec};
use herald_shared::db::{self, ANSWER, Error, Pool, pace, worker};
use herald_shared::domain::limits::Limits;
use herald_shared::secrets::KeyRing;
use tokio::sync::Notify;

use crate::capacity::Capacity;
use crate::health::Tally;
use crate::limiter::Limiter;

/// How long a loaded account is used before a look whether it changed. A claim that names another version looks at once.
const FRESH: Duration = Duration::from_secs(5);
/// Calls of a tenant without `per_second` that may stand between place and slot in a worker.
const STANDING: u32 = 64;
/// Accounts kept open.
const KEPT: usize = 1000;

/// An account ready for calls.
pub(crate) struct Open {
    pub(crate) id: i64,
    pub(crate) version: i32,
    pub(crate) spec: &'static Spec,
    pub(crate) driver: Arc<dyn Driver>,
    /// Calls it may have at once in this worker.
    pub(crate) capacity: Arc<Capacity>,
    /// When its calls may start.
    pub(crate) limiter: Arc<Limiter>,
    /// When calls of its tenant may start, where that has limits of its own.
    tenant: Option<Arc<Limiter>>,
    /// How its calls went since the fleet was last told.
    pub(crate) tally: Arc<Tally>,
    /// It was out of use when loaded: the first success tells that it works again.
    pub(crate) down: AtomicBool,
    loaded: Instant,
}

/// All accounts of this worker.
pub(crate) struct Accounts {
    deps: Deps,
    open: Mutex<HashMap<i64, Arc<Open>>>,
    /// Held while an account is loaded: two loads at once would give it two sets of connections and permits.
    loading: tokio::sync::Mutex<()>,
    /// Accounts to be loaded again although they were loaded just now.
    stale: Mutex<HashSet<i64>>,
    /// Every account's calls at once for as long as one is under way, whatever was loaded or forgotten meanwhile.
    capacities: Mutex<HashMap<i64, Weak<Capacity>>>,
    /// Tenants with limits over all their accounts.
    tenants: Mutex<HashMap<i64, Arc<Limiter>>>,
    /// Told when a larger share of calls at once is wanted.
    pub(crate) wanted: Arc<Notify>,
}

impl Accounts {
    pub(crate) fn new(deps: Deps) -> Self {
        Accounts {
            deps,
            open: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            stale: Mutex::default(),
            capacities: Mutex::default(),
            wanted: Arc::default(),
            tenants: Mutex::default(),
        }
    }

    /// The account, loaded or from memory; `None` when it is deleted, disabled, or cannot be used by this build.
    ///
    /// # Errors
    /// When the database is away.
    pub(crate) async fn get(&self, id: i64, ring: &KeyRing, pool: &Pool) -> Result<Option<Arc<Open>>, Error> {
        if let Some(open) = self.fresh(id) {
            return Ok(Some(open));
        }
        let _loading = self.loading.lock().await;
        if let Some(open) = self.fresh(id) {
            return Ok(Some(open));
        }
        self.stale.lock().expect("nothing panics while it is held").remove(&id);
        let known = self.open.lock().expect("nothing panics while it is held").get(&id).cloned();
        // Everybody waits for this one: it must not wait for a silent connection.
        let row = db::ask(pool, ANSWER, async |client| worker::account(client, id).await).await?;
        let Some(row) = row else {
            self.forget(id);
            return Ok(None);
        };
        let same = known.filter(|open| open.version == row.version);
        let is_new = same.is_none();
        if same.is_none() && Limits::read(&row.limits).is_paced() {
            db::ask(pool, ANSWER, async |client| pace::open(client, id).await).await?;
        }
        let tenant = self.tenant(&row, pool).await?;
        let fresh = match self.build(id, row, ring, same.as_deref(), tenant) {
            Ok(open) => Arc::new(open),
            Err(problem) => {
                tracing::error!(account = id, %problem, "an account cannot be used: its jobs wait");
                return Ok(None);
            }
        };
        if is_new {
            // The next look of `watch` comes after the first call.
            crate::watch::look_at(&pool.get().await?, std::slice::from_ref(&fresh)).await?;
        }
        let mut open = self.open.lock().expect("nothing panics while it is held");
        if open.len() >= KEPT {
            open.clear();
        }
        open.insert(id, fresh.clone());
        Ok(Some(fresh))
    }

    fn fresh(&self, id: i64) -> Option<Arc<Open>> {
        let stale = self.stale.lock().expect("nothing panics while it is held").contains(&id);
        let open = self.open.lock().expect("nothing panics while it is held");
        open.get(&id).filter(|open| !stale && open.loaded.elapsed() < FRESH).cloned()
    }

    /// Every account in use.
    pub(crate) fn all(&self) -> Vec<Arc<Open>> {
        self.open.lock().expect("nothing panics while it is held").values().cloned().collect()
    }

    /// An account is known to have another version: unless that is the one at hand, the next use loads it. What it has going stays.
    pub(crate) fn is_stale(&self, id: i64, version: i32) {
        let mut stale = self.stale.lock().expect("nothing panics while it is held");
        let open = self.open.lock().expect("nothing panics while it is held");
        if open.get(&id).is_some_and(|open| open.version != version) {
            stale.insert(id);
        }
    }

    /// Drops what is known about an account; the next use loads it.
    pub(crate) fn forget(&self, id: i64) {
        self.open.lock().expect("nothing panics while it is held").remove(&id);
    }

    /// What the account's tenant may have over all its accounts; the same limiter for all of them while its limits do not change.
    async fn tenant(&self, row: &worker::AccountRow, pool: &Pool) -> Result<Option<Arc<Limiter>>, Error> {
        let limits = Limits::read(&row.tenant_limits);
        if !limits.is_paced() {
            return Ok(None);
        }
        let known = |tenants: &HashMap<i64, Arc<Limiter>>| {
            tenants.get(&row.tenant_id).filter(|limiter| *limiter.limits() == limits).cloned()
        };
        if let Some(known) = known(&self.tenants.lock().expect("nothing panics while it is held")) {
            return Ok(Some(known));
        }
        // Accounts and tenants share the table of paces.
        pace::open(&pool.get().await?, -row.tenant_id).await?;
        let limiter = Arc::new(Limiter::new(-row.tenant_id, limits, STANDING));
        let mut tenants = self.tenants.lock().expect("nothing panics while it is held");
        if tenants.len() >= KEPT {
            tenants.clear();
        }
        tenants.insert(row.tenant_id, limiter.clone());
        Ok(Some(limiter))
    }

    fn capacity(&self, id: i64) -> Arc<Capacity> {
        let mut capacities = self.capacities.lock().expect("nothing panics while it is held");
        if let Some(known) = capacities.get(&id).and_then(Weak::upgrade) {
            return known;
        }
        capacities.retain(|_, capacity| capacity.strong_count() > 0);
        let fresh = Arc::new(Capacity::new(self.wanted.clone()));
        capacities.insert(id, Arc::downgrade(&fresh));
        fresh
    }

    /// Opens an account; the same version keeps its connections and the calls it has going.
    fn build(
        &self,
        id: i64,
        row: worker::AccountRow,
        ring: &KeyRing,
        same: Option<&Open>,
        tenant: Option<Arc<Limiter>>,
    ) -> Result<Open, String> {
        let (version, down, loaded) = (row.version, AtomicBool::new(row.down), Instant::now());
        if let Some(open) = same {
            let (spec, driver, capacity) = (open.spec, open.driver.clone(), open.capacity.clone());
            let (limiter, tally) = (open.limiter.clone(), open.tally.clone());
            return Ok(Open { id, version, spec, driver, capacity, limiter, tenant, tally, down, loaded });
        }
        let provider = herald_channels::provider(&row.provider)
            .ok_or_else(|| format!("this build has no provider \"{}\"", row.provider))?;
        let spec = provider.spec();
        let secret = match row.secret {
            Some(sealed) => {
                let plain =
                    ring.open(&sealed, &format!("account|{}", row.uid)).map_err(|error| error.to_string())?;
                serde_json::from_slice(&plain).map_err(|_| "its secret is not JSON".to_owned())?
            }
            None => serde_json::Value::Null,
        };
        let limits = Limits::read(&row.limits);
        let concurrency = limits.concurrency;
        let account = herald_channels::Account {
            id,
            version,
            tenant_id: row.tenant_id,
            name: row.name,
            settings: row.settings,
            secret,
            concurrency,
        };
        let driver = provider.open(account, &self.deps).map_err(|problem| problem.detail)?;
        let calls = concurrency.unwrap_or(spec.concurrency);
        let capacity = self.capacity(id);
        capacity.limit(concurrency, calls);
        let limiter = Arc::new(Limiter::new(id, limits, calls));
        Ok(Open { id, version, spec, driver, capacity, limiter, tenant, tally: Arc::default(), down, loaded })
    }
}

impl Open {
    /// When calls of its tenant may start, where that has limits of its own.
    pub(crate) fn tenant(&self) -> Option<Arc<Limiter>> {
        self.tenant.clone()
    }

    /// People one call may carry of `wanted`: where people are counted, no more than a minute's or day's worth, else it could never go.
    pub(crate) fn most(&self, wanted: u32) -> i32 {
        let of_tenant = self.tenant.as_ref().map_or(u32::MAX, |tenant| tenant.most_in_a_call());
        i32::try_from(wanted.min(self.limiter.most_in_a_call()).min(of_tenant)).unwrap_or(i32::MAX).max(1)
    }

    /// Whether the provider lets only so many messages through to one recipient.
    pub(crate) fn limits_recipients(&self) -> bool {
        !self.spec.per_recipient.is_empty()
    }

    /// Notes that a call went through; `true` the first time after it was down.
    pub(crate) fn works(&self) -> bool {
        self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed)
    }
}
