//! Settings of the dispatcher.

use std::net::SocketAddr;

use herald_shared::config::{Common, Env, Problems, Timings, listen_addr};

/// What the dispatcher reads from its environment.
#[derive(Debug)]
pub struct Config {
    /// What every process needs.
    pub common: Common,
    /// Timings of the job protocol.
    pub timings: Timings,
    /// `HERALD_DISPATCHER_ADDR`: where `/metrics` and the health routes are; default 127.0.0.1:8081.
    pub listen: SocketAddr,
    /// `HERALD_WINDOW_UNITS`: the most deliveries that may wait in one queue of the broker; default 5,000. The
    /// window itself is a second of what the queue's workers take; the rest of a backlog waits in PostgreSQL.
    pub window_units: i64,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All problems at once.
    pub fn from_env() -> Result<Self, Problems> {
        let mut env = Env::load();
        let config = Config {
            common: Common::from_env(&mut env),
            timings: Timings::from_env(&mut env),
            listen: listen_addr(&mut env, "HERALD_DISPATCHER_ADDR", "127.0.0.1:8081"),
            window_units: env.parse_or("HERALD_WINDOW_UNITS", 5000),
        };
        if config.window_units < 1 {
            env.problem("HERALD_WINDOW_UNITS must be at least 1".to_owned());
        }
        env.finish()?;
        Ok(config)
    }
}
