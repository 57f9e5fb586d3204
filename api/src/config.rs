//! Settings of the API process.

use std::net::SocketAddr;
use std::time::Duration;

use herald_shared::config::{Common, Env, Problems, listen_addr};
use herald_shared::domain::Wait;

use crate::Retention;

/// The largest attached file in MB, unless the operator says otherwise.
pub const MAX_FILE_MB: usize = 5;

/// Everything `herald-api` reads from its environment.
#[derive(Debug)]
pub struct Config {
    /// What every process needs.
    pub common: Common,
    /// `HERALD_API_ADDR`: where to listen; default `127.0.0.1:8080`, port 0 takes a free one.
    pub addr: SocketAddr,
    /// `HERALD_API_CONNECTIONS`: database connections, 6..=200; default 10. Four write plans, the rest answers questions.
    pub connections: usize,
    /// `HERALD_BIN_DAYS`: days a plan stays in the bin before it is purged, 1..=3650; default 30. `HERALD_KEEP_DAYS`: `keep` of plans that
    /// do not say it, 0..=3650 days; default 0, for good.
    pub retention: Retention,
    /// `HERALD_MAX_FILE_MB`: the largest file that may be attached, 1..=16 MB; default 5. In bytes here.
    pub max_file: usize,
}

impl Config {
    /// Reads the environment and `.env`.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load() -> Result<Self, Problems> {
        let mut env = Env::load();
        let config = Config {
            common: Common::from_env(&mut env),
            addr: listen_addr(&mut env, "HERALD_API_ADDR", "127.0.0.1:8080"),
            connections: env.parse_or("HERALD_API_CONNECTIONS", 10),
            retention: retention(&mut env),
            max_file: max_file(&mut env),
        };
        if !(6..=200).contains(&config.connections) {
            env.problem("HERALD_API_CONNECTIONS must be 6..200: four connections write plans".to_owned());
        }
        env.finish()?;
        Ok(config)
    }
}

fn max_file(env: &mut Env) -> usize {
    let megabytes: usize = env.parse_or("HERALD_MAX_FILE_MB", MAX_FILE_MB);
    if !(1..=16).contains(&megabytes) {
        env.problem(
            "HERALD_MAX_FILE_MB must be 1..16: a file is held in memory while it is taken".to_owned(),
        );
    }
    megabytes * 1024 * 1024
}

fn retention(env: &mut Env) -> Retention {
    let days: u64 = env.parse_or("HERALD_BIN_DAYS", 30);
    if !(1..=3650).contains(&days) {
        env.problem("HERALD_BIN_DAYS must be 1..3650".to_owned());
    }
    let keep: u64 = env.parse_or("HERALD_KEEP_DAYS", 0);
    if keep > 3650 {
        env.problem("HERALD_KEEP_DAYS must be 0 (for good) to 3650".to_owned());
    }
    let keep = (keep > 0).then(|| Wait::seconds(keep * 86_400));
    Retention { bin: Duration::from_secs(days * 86_400), keep }
}
