//! The record of one webhook stand-in.

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use super::super::{Connections, Tally, note, tally};

/// What the server was sent, and how its clients behaved.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Valid requests read to their end, whatever was answered.
    pub requests: u64,
    /// Those answered 2xx, or recorded before a scripted drop.
    pub accepted: u64,
    /// Answers by status; dropped connections are not here.
    pub answers: HashMap<u16, u64>,
    /// Valid requests by `webhook-id`.
    pub by_id: HashMap<String, Tally>,
    /// Accepted requests by `webhook-id`: a count above 1 is a duplicate the receiver has to cope with.
    pub accepted_by_id: HashMap<String, Tally>,
    /// Valid requests by path, without query.
    pub by_path: HashMap<String, Tally>,
    /// The first valid requests in full; see `Options::keep`.
    pub first: Vec<Request>,
    /// When the first valid request had arrived.
    pub first_at: Option<Instant>,
    /// When the last valid request had arrived.
    pub last_at: Option<Instant>,
    /// Requests refused as wrong, with what was wrong; the first 1000.
    pub violations: Vec<String>,
    /// Valid requests not answered yet.
    pub at_once: u32,
    /// The most of them there were.
    pub most_at_once: u32,
    /// Scripted behaviours that acted.
    pub scripted: u64,
    /// Connections to the server.
    pub connections: Connections,
    keep: usize,
}

/// One valid request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Path without query.
    pub path: String,
    /// `webhook-id`.
    pub id: String,
    /// All headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The JSON as it came.
    pub body: Vec<u8>,
    /// When its body was complete.
    pub at: Instant,
}

impl Request {
    /// The first header of that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// None in practice: only valid JSON is recorded.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
    }
}

/// One valid request at the moment it is complete.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Path without query.
    pub path: &'a str,
    /// `webhook-id`.
    pub id: &'a str,
    /// The JSON as it came.
    pub body: &'a [u8],
    /// When the body was complete.
    pub at: Instant,
}

impl Received {
    pub(super) fn new(keep: usize) -> Self {
        Self { keep, ..Self::default() }
    }

    pub(super) fn reset(&mut self) {
        let mut connections = self.connections;
        connections.reset();
        let at_once = self.at_once;
        *self = Self { connections, at_once, ..Self::new(self.keep) };
    }

    pub(super) fn begin(&mut self) {
        self.at_once += 1;
        self.most_at_once = self.most_at_once.max(self.at_once);
    }

    pub(super) fn violated(&mut self, status: u16, what: &str) {
        self.answered(status);
        note(&mut self.violations, format!("{status} {what}"));
    }

    pub(super) fn answered(&mut self, status: u16) {
        *self.answers.entry(status).or_default() += 1;
    }

    pub(super) fn keeps_more(&self) -> bool {
        self.first.len() < self.keep
    }

    pub(super) fn arrived(&mut self, arrival: &Arrival<'_>) {
        self.requests += 1;
        self.first_at.get_or_insert(arrival.at);
        self.last_at = Some(arrival.at);
        tally(&mut self.by_id, arrival.id, arrival.at);
        tally(&mut self.by_path, arrival.path, arrival.at);
    }

    pub(super) fn accept(&mut self, id: &str, at: Instant) {
        self.accepted += 1;
        tally(&mut self.accepted_by_id, id, at);
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests with {} different ids, {} accepted, answers {:?}, violations {:?}",
            self.requests,
            self.by_id.len(),
            self.accepted,
            self.answers,
            self.violations.iter().take(3).collect::<Vec<_>>(),
        )
    }
}
