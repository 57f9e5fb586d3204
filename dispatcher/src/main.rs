//! `herald-dispatcher`: expands plans, admits due jobs to the broker, takes over from dead workers.

use herald_dispatcher::{Config, Dispatcher};
use herald_shared::lifecycle::Process;
use herald_shared::telemetry;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    telemetry::init(&config.common);
    let drain = config.common.drain;
    let mut process = Process::with_signals()?;
    Dispatcher::build(config).await?.spawn(&mut process);
    process.run(drain).await
}
