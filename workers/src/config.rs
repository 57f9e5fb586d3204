//! Settings of a worker.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use herald_shared::config::{Common, Env, Problems, Timings, listen_addr};
use herald_shared::domain::{Channel, Lane};

/// Command line of `herald-worker`; each flag also has a variable.
#[derive(Debug, Parser)]
#[command(version, about = "Takes jobs from RabbitMQ, calls providers, records outcomes in PostgreSQL.")]
pub struct Flags {
    /// Channels to serve, e.g. `email,webhook`; default (or HERALD_CHANNELS): all that have a provider.
    #[arg(long)]
    pub channels: Option<String>,
    /// Lanes to serve, of urgent, normal and bulk; default (or HERALD_LANES): all.
    #[arg(long)]
    pub lanes: Option<String>,
}

/// What a worker reads from its environment.
#[derive(Debug)]
pub struct Config {
    /// What every process needs.
    pub common: Common,
    /// Timings of the job protocol.
    pub timings: Timings,
    /// `HERALD_WORKER_ADDR`: where `/metrics` and the health routes are; default 127.0.0.1:8082.
    pub listen: SocketAddr,
    /// Channels served.
    pub channels: Vec<Channel>,
    /// Lanes served.
    pub lanes: Vec<Lane>,
    /// `HERALD_PREFETCH`: queue messages in hand per channel and lane; default 16, each up to 100 deliveries or one job.
    pub prefetch: u16,
    /// `HERALD_SUBSCRIPTION_PATIENCE_MS` (three days): a subscription that has failed for so long is paused.
    pub patience: Duration,
}

impl Config {
    /// Reads flags and environment.
    ///
    /// # Errors
    /// All problems at once.
    pub fn from_env(flags: &Flags) -> Result<Self, Problems> {
        let mut env = Env::load();
        if let Some(channels) = &flags.channels {
            env.set("HERALD_CHANNELS", channels);
        }
        if let Some(lanes) = &flags.lanes {
            env.set("HERALD_LANES", lanes);
        }
        let config = Config {
            common: Common::from_env(&mut env),
            timings: Timings::from_env(&mut env),
            listen: listen_addr(&mut env, "HERALD_WORKER_ADDR", "127.0.0.1:8082"),
            channels: channels(&mut env),
            lanes: some_or(env.list("HERALD_LANES"), Lane::ALL.to_vec()),
            prefetch: env.parse_or("HERALD_PREFETCH", 16),
            patience: env.millis_or("HERALD_SUBSCRIPTION_PATIENCE_MS", Duration::from_secs(3 * 24 * 3600)),
        };
        if config.prefetch == 0 {
            env.problem("HERALD_PREFETCH must be at least 1: 0 means without bound in RabbitMQ".to_owned());
        }
        env.finish()?;
        Ok(config)
    }
}

fn channels(env: &mut Env) -> Vec<Channel> {
    let mut served: Vec<Channel> = herald_channels::registry().iter().map(|p| p.spec().channel).collect();
    served.sort();
    served.dedup();
    let wanted: Vec<Channel> = some_or(env.list("HERALD_CHANNELS"), served.clone());
    for channel in wanted.iter().filter(|channel| !served.contains(channel)) {
        env.problem(format!("HERALD_CHANNELS: {channel} has no provider in this release"));
    }
    wanted
}

fn some_or<T>(list: Vec<T>, default: Vec<T>) -> Vec<T> {
    if list.is_empty() { default } else { list }
}
