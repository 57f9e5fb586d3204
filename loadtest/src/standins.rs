//! Provider stand-ins: servers on loopback that play the other end of a channel.
//!
//! Strict where a real provider is (protocol order, signatures, headers), scriptable where it is moody (refusals,
//! stalls, dropped connections), and fast enough never to be the bottleneck of a measurement. Whole-system tests and
//! the load generator use the same ones. Nothing here knows Herald: they speak their protocols only.
//!
//! Each is started with `start(options)`, changed while it runs through its handle, waited for with `wait_for`
//! (a condition, never a sleep), and stops when the handle is dropped.

pub mod identity;
pub mod smtp;
mod watched;
pub mod webhook;
pub mod wecom;

use std::time::Instant;

pub use watched::TimedOut;

/// How often one thing (a Message-ID, a recipient, a webhook-id) was seen, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Times it was seen; 1 is exactly once.
    pub count: u32,
    /// First time, on this process's monotonic clock.
    pub first_at: Instant,
    /// Last time; equal to `first_at` when `count` is 1.
    pub last_at: Instant,
}

impl Tally {
    fn new(at: Instant) -> Self {
        Self { count: 1, first_at: at, last_at: at }
    }

    fn add(&mut self, at: Instant) {
        self.count += 1;
        self.last_at = at;
    }
}

/// Connections to a stand-in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Open at this moment.
    pub now: usize,
    /// Most that were open at once since the start or the last reset.
    pub max: usize,
    /// Accepted since the start or the last reset.
    pub total: u64,
}

impl Connections {
    fn opened(&mut self) {
        self.now += 1;
        self.total += 1;
        self.max = self.max.max(self.now);
    }

    fn closed(&mut self) {
        self.now -= 1;
    }

    /// Forgets the past, keeps what is open.
    fn reset(&mut self) {
        *self = Self { now: self.now, max: self.now, total: 0 };
    }
}

/// Adds one sighting of `key`; allocates only the first time.
fn tally(counts: &mut std::collections::HashMap<String, Tally>, key: &str, at: Instant) {
    match counts.get_mut(key) {
        Some(tally) => tally.add(at),
        None => {
            counts.insert(key.to_owned(), Tally::new(at));
        }
    }
}

/// Breaches of protocol kept; more only count.
const KEPT_VIOLATIONS: usize = 1000;

/// Notes what the peer did wrong, bounded.
fn note(violations: &mut Vec<String>, what: String) {
    if violations.len() < KEPT_VIOLATIONS {
        violations.push(what);
    }
}
