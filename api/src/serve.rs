//! Running the process.

use std::time::Duration;

use anyhow::Context as _;
use herald_channels::NetPolicy;
use herald_shared::amqp::{Topology, Waker};
use herald_shared::db::{self, Hot, PoolSize};
use herald_shared::lifecycle::Process;
use herald_shared::ops::Ops;
use herald_shared::serve::serve;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::observe::DEADLINE;
use crate::{App, router};

/// How often idle rate limiters are forgotten.
const TIDY: Duration = Duration::from_secs(60);

/// Serves until SIGTERM or SIGINT, then finishes open requests.
///
/// Starts while the database or the broker is away and answers 503 until they come.
///
/// # Errors
/// When the address cannot be had, a setting is unusable, or a task ends unasked.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let common = config.common;
    let mut process = Process::with_signals()?;
    // Every query here goes by key or key range. Plans are written by connections of their own, whose few statements are planned
    // once: making the plan anew for each would cost as much as running it.
    let writers = PoolSize(crate::accept::CONNECTIONS);
    let writing = db::connect(&common.database_url, writers, Hot::Keyed)?;
    let pool = db::connect(&common.database_url, PoolSize(config.connections - writers.0), Hot::Yes)?;
    let ops = Ops::new().database(pool.clone());
    let topology = Topology::new(&common.queue_prefix);
    let (waker, waking) = Waker::new(common.amqp_url, topology, process.stop());
    if common.public_url.is_none() {
        tracing::warn!("HERALD_PUBLIC_URL is not set: plans that ask for reading or answers are refused");
    }
    let net = NetPolicy::new(common.allow_nets);
    let (app, accepting) = App::new(
        (pool, writing),
        common.master_key,
        common.public_url,
        net,
        &ops.registry,
        waker,
        (DEADLINE, config.retention, config.max_file),
    )?;
    let listener =
        TcpListener::bind(config.addr).await.with_context(|| format!("cannot listen on {}", config.addr))?;
    tracing::info!(addr = %listener.local_addr()?, "herald-api listens");
    process.spawn("wake", waking);
    // It ends with the last holder of `app`: plans of requests that are still open are written first.
    process.spawn("accept", accepting);
    process.spawn("tidy", tidy(app.clone(), process.stop()));
    process.spawn("notices", crate::notices::run(app.clone(), process.stop()));
    process.spawn("watch", app.watches.clone().run(app.clone(), process.stop()));
    process.spawn("http", serve(listener, router(app, ops), process.stop()));
    process.run(common.drain).await
}

async fn tidy(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(TIDY) => {
                app.limiters.tidy();
                app.page_limiter.tidy();
            }
        }
    }
}
