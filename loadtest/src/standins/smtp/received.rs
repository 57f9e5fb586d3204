//! The record of one SMTP stand-in.

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use super::super::{Connections, Tally, note, tally};
use super::transaction::Transaction;

/// What the server accepted, and how its clients behaved.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Messages accepted (final dot processed), one per transaction.
    pub mails: u64,
    /// Accepted messages times their recipients.
    pub deliveries: u64,
    /// Bytes of the accepted messages as they came over the wire, without the final dot.
    pub bytes: u64,
    /// By Message-ID, with its angle brackets; messages without one are not here.
    pub by_message_id: HashMap<String, Tally>,
    /// By recipient, as written in RCPT TO.
    pub by_recipient: HashMap<String, Tally>,
    /// The first messages in full, in order of arrival; see `Options::keep`.
    pub first: Vec<Mail>,
    /// When the first message was accepted.
    pub first_at: Option<Instant>,
    /// When the last message was accepted.
    pub last_at: Option<Instant>,
    /// Breaches of protocol or message format, in order; the first 1000.
    pub violations: Vec<String>,
    /// AUTH attempts with wrong credentials.
    pub auth_failures: u64,
    /// Scripted behaviours that acted.
    pub scripted: u64,
    /// Connections to the server.
    pub connections: Connections,
    keep: usize,
}

/// One accepted message.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Envelope sender, empty for `<>`.
    pub from: String,
    /// Envelope recipients that were accepted.
    pub to: Vec<String>,
    /// The message as it is meant: dot-stuffing undone, CRLF line ends.
    pub data: Vec<u8>,
    /// When its final dot was read.
    pub at: Instant,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Whether the client had logged in.
    pub authenticated: bool,
}

impl Mail {
    /// The first header of that name, unfolded, without the name; compared without case.
    pub fn header(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.data);
        let head = text.split("\r\n\r\n").next()?;
        let mut found: Option<String> = None;
        for line in head.split("\r\n") {
            match (&mut found, line.starts_with([' ', '\t'])) {
                (Some(value), true) => value.push_str(line),
                (Some(_), false) => break,
                (None, _) => {
                    found = line
                        .split_once(':')
                        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
                        .map(|(_, value)| value.trim_start().to_owned());
                }
            }
        }
        found
    }

    /// What follows the header block.
    pub fn body(&self) -> &[u8] {
        let end = self.data.windows(4).position(|window| window == b"\r\n\r\n");
        end.map_or(&[], |end| &self.data[end + 4..])
    }
}

/// A message on its way into the record.
pub(super) struct Accepted<'a> {
    pub(super) envelope: &'a Transaction,
    pub(super) wire: &'a [u8],
    pub(super) message_id: Option<&'a str>,
    pub(super) at: Instant,
    pub(super) tls: bool,
    pub(super) authenticated: bool,
}

impl Received {
    pub(super) fn new(keep: usize) -> Self {
        Self { keep, ..Self::default() }
    }

    pub(super) fn reset(&mut self) {
        let mut connections = self.connections;
        connections.reset();
        *self = Self { connections, ..Self::new(self.keep) };
    }

    pub(super) fn violated(&mut self, what: &str) {
        note(&mut self.violations, what.to_owned());
    }

    pub(super) fn accept(&mut self, mail: Accepted<'_>) {
        let keep = self.first.len() < self.keep;
        let mut kept = Vec::new();
        self.mails += 1;
        self.bytes += mail.wire.len() as u64;
        for recipient in mail.envelope.recipients() {
            self.deliveries += 1;
            tally(&mut self.by_recipient, recipient, mail.at);
            if keep {
                kept.push(recipient.to_owned());
            }
        }
        if let Some(id) = mail.message_id {
            tally(&mut self.by_message_id, id, mail.at);
        }
        self.first_at.get_or_insert(mail.at);
        self.last_at = Some(mail.at);
        if keep {
            self.first.push(Mail {
                from: mail.envelope.from.clone(),
                to: kept,
                data: unstuffed(mail.wire),
                at: mail.at,
                tls: mail.tls,
                authenticated: mail.authenticated,
            });
        }
    }
}

/// Undoes dot-stuffing (RFC 5321 4.5.2): the first dot of a line that starts with one goes.
fn unstuffed(wire: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(wire.len());
    for line in wire.split_inclusive(|byte| *byte == b'\n') {
        data.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    data
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} mails for {} recipients, {} different Message-IDs, {} connections open, violations {:?}",
            self.mails,
            self.by_recipient.len(),
            self.by_message_id.len(),
            self.connections.now,
            self.violations.iter().take(3).collect::<Vec<_>>(),
        )
    }
}
