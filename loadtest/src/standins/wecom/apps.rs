//! Apps, their tokens, and who is a member.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// An app with its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The corporation's id.
    pub corp_id: String,
    /// The app's secret.
    pub secret: String,
    /// The app's number.
    pub agent_id: u64,
}

impl Default for App {
    fn default() -> Self {
        Self { corp_id: "ww-canary".to_owned(), secret: "canary-secret".to_owned(), agent_id: 1_000_002 }
    }
}

struct Issued {
    agent_id: u64,
    until: Instant,
}

/// What the corporation's administrator sees.
pub(super) struct Apps {
    apps: Vec<App>,
    life: Duration,
    tokens: HashMap<String, Issued>,
    /// In lower case.
    pub(super) invalid: HashSet<String>,
    /// In lower case.
    pub(super) unlicensed: HashSet<String>,
}

impl Apps {
    pub(super) fn new(apps: Vec<App>, life: Duration) -> Self {
        Self { apps, life, tokens: HashMap::new(), invalid: HashSet::new(), unlicensed: HashSet::new() }
    }

    /// The app with these credentials, or the `errcode`.
    pub(super) fn log_in(&self, corp_id: &str, secret: &str) -> Result<u64, i64> {
        let mut corp = self.apps.iter().filter(|app| app.corp_id == corp_id).peekable();
        if corp.peek().is_none() {
            return Err(40013);
        }
        corp.find(|app| app.secret == secret).map(|app| app.agent_id).ok_or(40001)
    }

    /// The app's token and the seconds it has left: the same one while it is valid.
    pub(super) fn token(&mut self, agent_id: u64) -> (String, u64) {
        let now = Instant::now();
        let known = self.tokens.iter().find(|(_, issued)| issued.agent_id == agent_id && now < issued.until);
        if let Some((token, issued)) = known {
            return (token.clone(), (issued.until - now).as_secs());
        }
        let token: String = (0..64).map(|_| fastrand::alphanumeric()).collect();
        self.tokens.insert(token.clone(), Issued { agent_id, until: now + self.life });
        (token, self.life.as_secs())
    }

    /// Whose token it is, or the `errcode`.
    pub(super) fn owner(&self, token: &str) -> Result<u64, i64> {
        match self.tokens.get(token) {
            None => Err(40014),
            Some(issued) if issued.until <= Instant::now() => Err(42001),
            Some(issued) => Ok(issued.agent_id),
        }
    }

    /// Ends every token.
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        self.tokens.values_mut().for_each(|issued| issued.until = now);
    }
}
