//! What a test wants started.

use crate::Servers;
use crate::system::MASTER_KEY;

/// The profile of all tests: timings short enough to wait for, long enough for a busy machine.
pub const PROFILE: [(&str, &str); 14] = [
    ("HERALD_LOG_FORMAT", "json"),
    ("HERALD_ALLOW_NETS", "127.0.0.0/8"),
    ("HERALD_DRAIN_SECONDS", "10"),
    ("HERALD_BACKOFF_BASE_MS", "200"),
    ("HERALD_BACKOFF_CAP_MS", "1000"),
    ("HERALD_MAX_ATTEMPTS", "4"),
    ("HERALD_UNKNOWN_GRACE_MS", "500"),
    ("HERALD_LEASE_MS", "5000"),
    ("HERALD_VISIBILITY_MS", "2000"),
    ("HERALD_PROBE_MS", "500"),
    ("HERALD_PAUSE_CAP_MS", "4000"),
    ("HERALD_MASTER_KEY", MASTER_KEY),
    ("HERALD_PUBLIC_URL", "https://m.herald.test"),
    ("RUST_BACKTRACE", "1"),
];

/// The machine. A system has a third of it unless it says otherwise, so that many cores do not mean more connections than the
/// servers have.
pub(crate) const ALL: u32 = 6;

/// What to start.
#[derive(Clone)]
pub struct Options {
    pub(crate) env: Vec<(String, String)>,
    pub(crate) workers: usize,
    pub(crate) dispatchers: usize,
    pub(crate) servers: Option<&'static Servers>,
    pub(crate) share: u32,
}

impl Default for Options {
    /// One API, one dispatcher, one worker, on the shared servers.
    fn default() -> Self {
        Options { env: Vec::new(), workers: 1, dispatchers: 1, servers: None, share: ALL / 3 }
    }
}

impl Options {
    /// With one more variable for every process.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With so many workers.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Options { workers, ..self }
    }

    /// With so many dispatchers.
    #[must_use]
    pub fn dispatchers(self, dispatchers: usize) -> Self {
        Options { dispatchers, ..self }
    }

    /// While no other system runs: for what is measured.
    #[must_use]
    pub fn alone(self) -> Self {
        Options { share: ALL, ..self }
    }

    /// Beside one other at most: for what keeps to a pace and waits most of the time.
    #[must_use]
    pub fn paced(self) -> Self {
        Options { share: ALL / 2, ..self }
    }

    /// On servers that may be broken.
    #[must_use]
    pub fn on(self, servers: &'static Servers) -> Self {
        Options { servers: Some(servers), ..self }
    }
}
