//! `herald-worker`: takes jobs, calls providers, records what came of it.

use clap::Parser as _;
use herald_shared::lifecycle::Process;
use herald_shared::telemetry;
use herald_worker::{Config, Flags, Worker};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::from_env(&Flags::parse())?;
    telemetry::init(&config.common);
    install_tls_provider();
    let drain = config.common.drain;
    let mut process = Process::with_signals()?;
    Worker::build(config).await?.spawn(&mut process);
    process.run(drain).await
}

fn install_tls_provider() {
    // An error only says that one is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
}
