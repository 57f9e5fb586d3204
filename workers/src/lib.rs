//! The worker: pointer in, provider called, outcome out.
//!
//! `intake` takes pointers from the queues, `runner` carries one job through claim, calls and settle, `batches` puts the
//! claims, marks and outcomes of all running jobs into few statements, `accounts` holds drivers and their capacity,
//! `lease` keeps this run alive in the eyes of the dispatchers. Nothing is held that cannot be lost: a worker killed at any
//! instruction leaves open attempts, which become `unknown`, and claimed jobs, which are given back.

mod accounts;
mod batches;
mod call;
mod capacity;
mod config;
mod gate;
mod health;
mod intake;
mod job;
mod lease;
mod limiter;
mod messages;
mod metrics;
mod outcome;
mod permits;
mod recall;
mod recipients;
mod runner;
mod shares;
mod subscriptions;
mod watch;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use herald_channels::{Attachments, Deps, FleetTokens, Hooks, NetPolicy};
use herald_shared::amqp::{self, Topology};
use herald_shared::db::{self, Hot, Pool, PoolSize};
use herald_shared::domain::Lane;
use herald_shared::lifecycle::Process;
use herald_shared::links::LinkSource;
use herald_shared::ops::{Needed, Ops};
use herald_shared::serve::serve;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use accounts::Accounts;
use batches::Batches;
pub use config::{Config, Flags};
use lease::Lease;
use limiter::Pools;
use messages::Messages;
use metrics::Metrics;
use recipients::Recipients;
use watch::Watch;

/// What every lane of this worker shares.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) accounts: Accounts,
    pub(crate) messages: Messages,
    /// Where recipients' links come from.
    pub(crate) links: LinkSource,
    pub(crate) lease: Arc<Lease>,
    pub(crate) metrics: Arc<Metrics>,
    /// Connections to ask for an account's pace.
    pub(crate) pace: Pools,
    /// How accounts are, as the fleet knows it.
    pub(crate) watch: Watch,
    /// Jobs in work here: a second pointer to one of them is dropped.
    pub(crate) running: Mutex<HashSet<i64>>,
    pub(crate) stop: CancellationToken,
}

/// One lane: its own connections and batches, so that urgent work never waits behind bulk.
pub(crate) struct LaneContext {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lane: Lane,
    pub(crate) pool: Pool,
    pub(crate) batches: Batches,
    pub(crate) recipients: Recipients,
}

/// A built worker, bound to its port, not yet running.
pub struct Worker {
    config: Config,
    pool: Pool,
    ops: Ops,
    listener: TcpListener,
}

impl Worker {
    /// Binds the port and prepares the pool; connects to nothing yet.
    ///
    /// # Errors
    /// When the port is taken or a URL cannot be read.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        if config.common.public_url.is_none() {
            tracing::warn!("HERALD_PUBLIC_URL is not set: no message has a link to its page");
        }
        let pool = db::connect(&config.common.database_url, PoolSize(4), Hot::Yes)?;
        let listener = TcpListener::bind(config.listen).await?;
        let ops = Ops::new().database(pool.clone());
        Ok(Worker { config, pool, ops, listener })
    }

    /// Starts everything under `process`.
    pub fn spawn(self, process: &mut Process) {
        if let Ok(address) = self.listener.local_addr() {
            tracing::info!(%address, "herald-worker serves /healthz, /readyz and /metrics");
        }
        let stop = process.stop();
        let metrics = Arc::new(Metrics::register(&self.ops.registry));
        let lease = Arc::new(Lease::new(self.config.timings.lease));
        let (url, topology) =
            (self.config.common.amqp_url.clone(), Topology::new(&self.config.common.queue_prefix));
        let net = Arc::new(NetPolicy::new(self.config.common.allow_nets.clone()));
        let tokens = Arc::new(FleetTokens::new(self.pool.clone(), self.config.common.master_key.clone()));
        let accounts = Accounts::new(deps(self.pool.clone(), net.clone(), tokens));
        let (lanes, prefetch) = (self.config.lanes.clone(), self.config.prefetch);
        let url_of_database = &self.config.common.database_url;
        let unsynced = |size| {
            let pool = db::connect(url_of_database, PoolSize(size), Hot::Unsynced);
            pool.expect("the same URL made a pool before")
        };
        // Beats have a connection of their own: they must not queue behind an account's statements.
        let (beats, looks, reports) = (unsynced(1), unsynced(1), unsynced(1));
        tell(process, &self.config, unsynced(2), net, &metrics);
        let pace = Pools { unsynced: unsynced(3), synced: self.pool.clone() };
        let shared = Arc::new(Shared {
            accounts,
            pace,
            watch: Watch::default(),
            messages: Messages::default(),
            links: link_source(&self.config),
            lease: lease.clone(),
            metrics,
            running: Mutex::default(),
            stop: stop.clone(),
            config: self.config,
        });
        let drained = CancellationToken::new();
        // Cancelled when the last intake has ended, i.e. when every job in hand is recorded.
        let guard = Arc::new(drained.clone().drop_guard());
        let ops = self.ops.check("lease", Needed::Required, lease.check());
        process.spawn("ops", serve(self.listener, ops.router(), stop.clone()));
        for lane in lanes {
            let context = lane_context(process, &shared, lane, &guard);
            for &channel in &shared.config.channels {
                let (sink, messages) = mpsc::channel(prefetch.into());
                let queue = topology.jobs(channel, lane);
                let consume = amqp::consume(
                    url.clone(),
                    topology.clone(),
                    queue,
                    prefetch,
                    sink,
                    stop.clone(),
                    drained.clone(),
                );
                process.spawn("consume", consume);
                process.spawn("intake", intake::run(context.clone(), messages, guard.clone()));
            }
        }
        let wanted = shared.accounts.wanted.clone();
        let asks = shared.pace.synced.clone();
        process.spawn("shares", shares::run(shared.clone(), asks, wanted, drained.clone()));
        process.spawn("watch", watch::run(shared.clone(), looks, drained.clone()));
        process.spawn("health", health::run(shared, reports, drained.clone()));
        process.spawn("lease", lease::run(lease, beats, drained));
    }
}

/// Has subscriptions told of events, as long as there are certificate authorities to call them with.
fn tell(process: &mut Process, config: &Config, pool: Pool, net: Arc<NetPolicy>, metrics: &Arc<Metrics>) {
    match Hooks::new(net, subscriptions::CALLS) {
        Ok(hooks) => {
            let parts = (pool, config.common.master_key.clone(), hooks);
            let waits = (config.timings.backoff.base, config.patience);
            let office = subscriptions::Office::new(parts, metrics.clone(), waits, process.stop());
            process.spawn("subscriptions", subscriptions::run(office));
        }
        Err(problem) => {
            tracing::error!(detail = problem.detail, "this worker tells subscriptions of nothing");
        }
    }
}

/// What drivers get. Files are shared by the accounts, so that each is encoded once.
fn deps(pool: Pool, net: Arc<NetPolicy>, tokens: Arc<FleetTokens>) -> Deps {
    let attachments = Arc::new(Attachments::new(pool.clone()));
    Deps { pool, net, tokens, attachments }
}

fn link_source(config: &Config) -> LinkSource {
    LinkSource::new(config.common.master_key.clone(), config.common.public_url.clone())
}

fn lane_context(
    process: &mut Process,
    shared: &Arc<Shared>,
    lane: Lane,
    in_hand: &Arc<DropGuard>,
) -> Arc<LaneContext> {
    let url = &shared.config.common.database_url;
    let pool = db::connect(url, PoolSize(6), Hot::Keyed).expect("the same URL made a pool before");
    let (batches, tasks) = Batches::new(pool.clone(), shared.clone());
    for (name, task) in tasks {
        process.spawn(name, task);
    }
    let (recipients, (name, task)) = Recipients::new(shared.pace.unsynced.clone(), lane);
    process.spawn(name, task);
    let context = Arc::new(LaneContext { shared: shared.clone(), lane, pool, batches, recipients });
    process.spawn("recalls", recall::run(context.clone(), in_hand.clone()));
    context
}
