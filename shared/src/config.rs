//! Settings from the environment (and a `.env` file), all problems reported at once.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::domain::backoff::Backoff;
use crate::domain::ip_net::IpNet;
use crate::links::PublicUrl;
use crate::secrets::KeyRing;

/// Everything wrong with the settings, a line each.
#[derive(Debug, thiserror::Error)]
#[error("the settings need attention:\n  {}", .0.join("\n  "))]
pub struct Problems(Vec<String>);

/// Reads settings and collects problems until [`Env::finish`].
pub struct Env {
    values: HashMap<String, String>,
    problems: Vec<String>,
}

impl Env {
    /// The process's environment over a `.env` file in the working directory.
    #[must_use]
    pub fn load() -> Self {
        let mut values = std::fs::read_to_string(".env").map(|text| dot_env(&text)).unwrap_or_default();
        values.extend(std::env::vars());
        Self::from_values(values)
    }

    /// Settings given as such, for tests.
    #[must_use]
    pub fn from_values(values: HashMap<String, String>) -> Self {
        Env { values, problems: Vec::new() }
    }

    /// A value; an empty one counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Overrides a value, as a command line flag does.
    pub fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// A value that must be there; `hint` says what to set it to.
    pub fn required(&mut self, name: &str, hint: &str) -> String {
        match self.get(name) {
            Some(value) => value.to_owned(),
            None => {
                self.problems.push(format!("{name} is not set: {hint}"));
                String::new()
            }
        }
    }

    /// A value of a type, or its default.
    pub fn parse_or<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> T {
        let Some(value) = self.get(name) else { return default };
        match value.trim().parse() {
            Ok(parsed) => parsed,
            Err(error) => {
                self.problems.push(format!("{name} cannot be read: {error}"));
                default
            }
        }
    }

    /// A comma-separated list; absent is empty.
    pub fn list<T: FromStr<Err: Display>>(&mut self, name: &str) -> Vec<T> {
        let Some(value) = self.get(name).map(str::to_owned) else { return Vec::new() };
        let mut items = Vec::new();
        for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match item.parse() {
                Ok(parsed) => items.push(parsed),
                Err(error) => self.problems.push(format!("{name} cannot be read: {error}")),
            }
        }
        items
    }

    /// A duration in whole milliseconds.
    pub fn millis_or(&mut self, name: &str, default: Duration) -> Duration {
        Duration::from_millis(self.parse_or(name, u64::try_from(default.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Adds a problem found by the caller.
    pub fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`Problems`] with everything that was wrong.
    pub fn finish(self) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(self.problems)) }
    }
}

fn dot_env(text: &str) -> HashMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
        .collect()
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

impl FromStr for LogFormat {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "json" => Ok(LogFormat::Json),
            "pretty" => Ok(LogFormat::Pretty),
            other => Err(format!("\"{other}\" is not json or pretty")),
        }
    }
}

/// What every process needs.
#[derive(Debug)]
pub struct Common {
    /// `DATABASE_URL`: PostgreSQL 15 or newer.
    pub database_url: String,
    /// `AMQP_URL`: RabbitMQ 3.10 or newer.
    pub amqp_url: String,
    /// `HERALD_QUEUE_PREFIX`: first part of every queue name; default `herald`.
    pub queue_prefix: String,
    /// `HERALD_DRAIN_SECONDS`: longest stop; default 20 s.
    pub drain: Duration,
    /// `HERALD_LOG_FORMAT`: `json` or `pretty` (default).
    pub log_format: LogFormat,
    /// `HERALD_LOG`: filter such as `info,herald_worker=debug`; default `info`.
    pub log_filter: String,
    /// `HERALD_ALLOW_NETS`: private networks that may be called; default none.
    pub allow_nets: Vec<IpNet>,
    /// `HERALD_PUBLIC_URL`: where recipients' browsers find the API; without it no message has a link to its page.
    pub public_url: Option<PublicUrl>,
    /// `HERALD_MASTER_KEY`, or the file `.herald/master.key`.
    pub master_key: KeyRing,
}

impl Common {
    /// Reads the common settings; problems stay in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        Common {
            database_url: env.required("DATABASE_URL", "e.g. postgres://herald:password@db:5432/herald"),
            amqp_url: env.required("AMQP_URL", "e.g. amqp://herald:password@broker:5672/%2f"),
            queue_prefix: env.parse_or("HERALD_QUEUE_PREFIX", "herald".to_owned()),
            drain: Duration::from_secs(env.parse_or("HERALD_DRAIN_SECONDS", 20)),
            log_format: env.parse_or("HERALD_LOG_FORMAT", LogFormat::Pretty),
            log_filter: env.parse_or("HERALD_LOG", "info".to_owned()),
            allow_nets: env.list("HERALD_ALLOW_NETS"),
            public_url: public_url(env),
            master_key: master_key(env),
        }
    }
}

fn public_url(env: &mut Env) -> Option<PublicUrl> {
    let text = env.get("HERALD_PUBLIC_URL")?.to_owned();
    let url = text.parse().ok();
    if url.is_none() {
        env.problem(format!(
            "HERALD_PUBLIC_URL: \"{text}\" must be like https://m.example.org, without query or user"
        ));
    }
    url
}

/// The address a process serves on; port 0 takes a free one.
pub fn listen_addr(env: &mut Env, name: &str, default: &str) -> SocketAddr {
    let default = default.parse().expect("defaults are written in this code base");
    env.parse_or(name, default)
}

/// Timings of the job protocol; tests make them short.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// `HERALD_BACKOFF_BASE_MS` (5,000), `HERALD_BACKOFF_CAP_MS` (3,600,000), `HERALD_MAX_ATTEMPTS` (8).
    pub backoff: Backoff,
    /// `HERALD_UNKNOWN_GRACE_MS` (10,000): a resend after an unknown outcome waits this long.
    pub unknown_grace: Duration,
    /// `HERALD_LEASE_MS` (10,000): a worker whose beat stands still this long is dead.
    pub lease: Duration,
    /// `HERALD_VISIBILITY_MS` (10,000): a published pointer not claimed by then counts as lost; doubles each time.
    pub visibility: Duration,
    /// `HERALD_PROBE_MS` (15,000): the first wait before an account that failed is tried again; doubles each time in a row.
    pub probe: Duration,
    /// `HERALD_PAUSE_CAP_MS` (3,600,000): no pause a provider asks for is longer; then it is asked again.
    pub longest_pause: Duration,
}

impl Timings {
    /// Reads the timings; problems stay in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let rule = Backoff::default();
        let backoff = Backoff {
            base: env.millis_or("HERALD_BACKOFF_BASE_MS", rule.base),
            cap: env.millis_or("HERALD_BACKOFF_CAP_MS", rule.cap),
            max_attempts: env.parse_or("HERALD_MAX_ATTEMPTS", rule.max_attempts),
        };
        if !(1..=100).contains(&backoff.max_attempts) {
            env.problem("HERALD_MAX_ATTEMPTS must be 1..100".to_owned());
        }
        let ten = Duration::from_secs(10);
        let timings = Timings {
            backoff,
            unknown_grace: env.millis_or("HERALD_UNKNOWN_GRACE_MS", ten),
            lease: env.millis_or("HERALD_LEASE_MS", ten),
            visibility: env.millis_or("HERALD_VISIBILITY_MS", ten),
            probe: env.millis_or("HERALD_PROBE_MS", Duration::from_secs(15)),
            longest_pause: env.millis_or("HERALD_PAUSE_CAP_MS", Duration::from_secs(3600)),
        };
        if timings.lease < Duration::from_secs(1) {
            env.problem("HERALD_LEASE_MS must be at least 1000: a worker beats every fifth of it".to_owned());
        }
        timings
    }
}

/// The key ring: `HERALD_MASTER_KEY`, else `.herald/master.key`, generated where a `.herald` folder exists (`make run`).
/// Anywhere else a missing key is a problem: a key made up silently would be lost with the machine, and every secret with it.
fn master_key(env: &mut Env) -> KeyRing {
    let text = match env.get("HERALD_MASTER_KEY") {
        Some(text) => Ok(text.to_owned()),
        None => key_file(Path::new(".herald")),
    };
    let ring = text.and_then(|text| KeyRing::parse(text.trim()).map_err(|error| error.to_string()));
    ring.unwrap_or_else(|problem| {
        env.problem(format!("HERALD_MASTER_KEY: {problem}"));
        KeyRing::parse(&KeyRing::generate()).expect("a generated ring is well formed")
    })
}

fn key_file(folder: &Path) -> Result<String, String> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = folder.join("master.key");
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Ok(text);
    }
    if !folder.is_dir() {
        return Err("is not set: account secrets are encrypted under it; set it to \"k1:$(head -c32 /dev/urandom | base64)\" and keep it safe".to_owned());
    }
    // Written aside and linked into place: three processes start at once, and none may read half a key.
    let aside = folder.join(format!("master.key.{}", std::process::id()));
    let write = || {
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(KeyRing::generate().as_bytes())?;
        file.sync_all()?;
        let linked = std::fs::hard_link(&aside, &path);
        std::fs::remove_file(&aside)?;
        linked
    };
    match write() {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(format!("cannot write {}: {error}", path.display()))
        }
        _ => {
            std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_at_once() {
        let mut env = Env::from_values(HashMap::from([
            ("HERALD_LOG_FORMAT".to_owned(), "xml".to_owned()),
            ("HERALD_ALLOW_NETS".to_owned(), "10.0.0.0/8, nonsense".to_owned()),
            ("HERALD_MASTER_KEY".to_owned(), "nonsense".to_owned()),
        ]));
        let common = Common::from_env(&mut env);
        assert_eq!(common.allow_nets.len(), 1);
        let text = env.finish().unwrap_err().to_string();
        for name in
            ["DATABASE_URL", "AMQP_URL", "HERALD_LOG_FORMAT", "HERALD_ALLOW_NETS", "HERALD_MASTER_KEY"]
        {
            assert!(text.contains(name), "{name} is missing in:\n{text}");
        }
    }

    #[test]
    fn a_dot_env_file_is_lines_of_name_and_value() {
        let values = dot_env("# comment\nA=1\nexport B=\"two words\"\n\nC='x=y'\n");
        assert_eq!(values["A"], "1");
        assert_eq!(values["B"], "two words");
        assert_eq!(values["C"], "x=y");
    }
}
