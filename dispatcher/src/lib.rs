//! The dispatcher: everything that becomes due passes through here.
//!
//! `expand` turns plans into deliveries and jobs, `admit` (by scan) and `wake` (by hint) publish pointers to due jobs within
//! a window per queue, `escalate` fires the steps of ladders, `reclaim` gives back what dead workers held, `halt` sees to plans that were paused or ended, `sweep` ends
//! what has expired. Any number may run: each queue but the urgent ones has one that admits it (`turns`), other rows are
//! shared by SKIP LOCKED, and everything twice is harmless.
//!
//! Admission: `backlog` reads who waits, `choosing` says who is next and through which account, `window` how many.

mod admit;
mod backlog;
mod choosing;
mod config;
mod escalate;
mod expand;
mod forget;
mod halt;
mod low;
mod metrics;
mod reclaim;
mod sweep;
mod turns;
mod wake;
mod window;

use std::sync::Arc;

use herald_shared::amqp::{self, Publisher, Topology};
use herald_shared::db::{self, Hot, Pool, PoolSize};
use herald_shared::domain::{Channel, Lane};
use herald_shared::lifecycle::Process;
use herald_shared::ops::{Needed, Ops};
use herald_shared::serve::serve;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

pub use config::Config;
use metrics::Metrics;
use turns::Turns;
use wake::Wakes;
use window::Windows;

/// Everything the loops share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) topology: Topology,
    pub(crate) publisher: Publisher,
    /// Urgent work has connections of its own: it must not wait behind a chunk of five thousand rows.
    pub(crate) urgent: Pool,
    pub(crate) others: Pool,
    pub(crate) windows: Windows,
    pub(crate) turns: Turns,
    pub(crate) wakes: Wakes,
    pub(crate) metrics: Metrics,
    /// Says that a lane has new due jobs.
    pub(crate) due: [Notify; 3],
}

impl Shared {
    pub(crate) fn pool(&self, lane: Lane) -> &Pool {
        if lane == Lane::Urgent { &self.urgent } else { &self.others }
    }

    pub(crate) fn due(&self, lane: Lane) -> &Notify {
        &self.due[lane as usize]
    }
}

/// A built dispatcher, bound to its port, not yet running.
pub struct Dispatcher {
    shared: Arc<Shared>,
    ops: Ops,
    listener: TcpListener,
}

impl Dispatcher {
    /// Binds the port and prepares pools; connects to nothing yet.
    ///
    /// # Errors
    /// When the port is taken or a URL cannot be read.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let topology = Topology::new(&config.common.queue_prefix);
        let publisher = Publisher::new(topology.clone());
        let urgent = db::connect(&config.common.database_url, PoolSize(5), Hot::Walks)?;
        let others = db::connect(&config.common.database_url, PoolSize(9), Hot::Walks)?;
        let listener = TcpListener::bind(config.listen).await?;
        let broker = publisher.clone();
        let ops = Ops::new().database(others.clone()).check(
            "broker",
            Needed::Required,
            Arc::new(move || {
                let up = broker.is_up();
                Box::pin(
                    async move { if up { Ok(()) } else { Err("is away or blocks publishing".to_owned()) } },
                )
            }),
        );
        let metrics = Metrics::register(&ops.registry);
        let windows = Windows::new(config.window_units);
        let due = [Notify::new(), Notify::new(), Notify::new()];
        let (turns, wakes) = (Turns::default(), Wakes::default());
        let shared = Arc::new(Shared {
            config,
            topology,
            publisher,
            urgent,
            others,
            windows,
            turns,
            wakes,
            metrics,
            due,
        });
        Ok(Dispatcher { shared, ops, listener })
    }

    /// Starts every loop under `process`.
    pub fn spawn(self, process: &mut Process) {
        let stop = process.stop();
        let shared = self.shared;
        if let Ok(address) = self.listener.local_addr() {
            tracing::info!(%address, "herald-dispatcher serves /healthz, /readyz and /metrics");
        }
        process.spawn("ops", serve(self.listener, self.ops.router(), stop.clone()));
        let (url, topology) = (shared.config.common.amqp_url.clone(), shared.topology.clone());
        process.spawn("publisher", shared.publisher.clone().run(url.clone(), stop.clone()));
        let (sink, hints) = mpsc::channel(64);
        let queue = topology.wake();
        process.spawn("wakes", amqp::consume(url, topology, queue, 64, sink, stop.clone(), stop.clone()));
        process.spawn("wake", wake::run(shared.clone(), hints, stop.clone()));
        let beats = db::connect(&shared.config.common.database_url, PoolSize(1), Hot::Yes);
        let beats = beats.expect("the same URL made a pool before");
        process.spawn("turns", turns::run(shared.clone(), beats, stop.clone()));
        for &lane in Lane::ALL {
            process.spawn("expand", expand::run(shared.clone(), lane, stop.clone()));
            process.spawn("escalate", escalate::run(shared.clone(), lane, stop.clone()));
            process.spawn("admit", admit::run(shared.clone(), lane, stop.clone()));
        }
        process.spawn("watch queues", window::run(shared.clone(), stop.clone()));
        process.spawn("reclaim", reclaim::run(shared.clone(), stop.clone()));
        process.spawn("halt", halt::run(shared.clone(), stop.clone()));
        process.spawn("forget", forget::run(shared.clone(), stop.clone()));
        process.spawn("sweep", sweep::run(shared, stop));
    }
}

/// The channels that have a provider in this release.
pub(crate) const CHANNELS: [Channel; 4] = [Channel::Email, Channel::Wecom, Channel::Webhook, Channel::Inbox];
