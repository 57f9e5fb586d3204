//! Settings of the API process.

use std::net::SocketAddr;

use herald_shared::config::{Common, Env, Problems, listen_addr};

/// Everything `herald-api` reads from its environment.
#[derive(Debug)]
pub struct Config {
    /// What every process needs.
    pub common: Common,
    /// `HERALD_API_ADDR`: where to listen; default `127.0.0.1:8080`, port 0 takes a free one.
    pub addr: SocketAddr,
    /// `HERALD_API_CONNECTIONS`: database connections, 6..=200; default 10. Four write plans, the rest answers questions.
    pub connections: usize,
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
        };
        if !(6..=200).contains(&config.connections) {
            env.problem("HERALD_API_CONNECTIONS must be 6..200: four connections write plans".to_owned());
        }
        env.finish()?;
        Ok(config)
    }
}
