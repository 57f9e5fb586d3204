//! A plan's state as listeners get it, and its id.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use herald_shared::db::plans::View;
use herald_shared::domain::PlanStatus;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};

use crate::views;

/// Names a state of a plan, whichever process told it: when it was seen by the database's clock, which only grows, and what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId {
    /// Unix time in milliseconds.
    pub ms: i64,
    /// Of what was told: a client that has it needs no repetition.
    pub digest: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.ms, self.digest)
    }
}

impl FromStr for EventId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (ms, digest) = text.split_once('-').ok_or(())?;
        let digest = u64::from_str_radix(digest, 16).map_err(drop)?;
        Ok(EventId { ms: ms.parse().map_err(drop)?, digest })
    }
}

/// A state of a plan.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its name.
    pub id: EventId,
    /// Nothing of the plan is open, and nothing will be by itself.
    pub ended: bool,
    /// Status and counts as JSON.
    pub counts: Arc<str>,
}

impl Seen {
    /// What was seen, at `at` by the database's clock or later.
    #[must_use]
    pub fn new(at: Timestamp, view: &View) -> Self {
        use PlanStatus as P;
        let over = matches!(view.status, P::Finished | P::Recalled | P::Stopped | P::Expired);
        // The results of a plan that was ended follow within seconds of its status.
        let ended = over && view.finished_at.is_some();
        let counts: Arc<str> =
            serde_json::to_string(&views::progress(view)).expect("strings and numbers are JSON").into();
        let hash = digest(&SHA256, counts.as_bytes());
        let first = hash.as_ref()[..8].try_into().expect("a SHA-256 digest has 32 bytes");
        Seen { id: EventId { ms: at.as_millisecond(), digest: u64::from_be_bytes(first) }, ended, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::EventId;

    #[test]
    fn an_id_reads_back_and_strangers_are_none() {
        let id = EventId { ms: 1_795_320_000_123, digest: 0xa0b };
        assert_eq!(id.to_string(), "1795320000123-0000000000000a0b");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "7", "-", "x-1", "1-x", "1-11111111111111111"] {
            assert_eq!(text.parse::<EventId>(), Err(()), "{text}");
        }
    }
}
