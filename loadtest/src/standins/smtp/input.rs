//! The bytes read from a client and not yet used, cut into lines without copying.

use std::io;
use std::ops::Range;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Room made for one read.
const READ_BYTES: usize = 16 * 1024;

/// Longest command line taken, with CRLF: RFC 5321 4.5.3.1.4 says 512, SASL (RFC 4954) 12288.
const LONGEST_COMMAND: usize = 12_288;

/// A command line found in the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Where it lies in [`Input::bytes`], without its CRLF.
    At(Range<usize>),
    /// It ended in LF alone or had a CR inside: RFC 5321 2.3.8 forbids both.
    BareLineEnd,
    /// More than any client may send in one line.
    TooLong,
}

/// Read buffer: `start` marks what is used up.
#[derive(Default)]
pub(super) struct Input {
    buffer: Vec<u8>,
    start: usize,
}

impl Input {
    /// Everything unread.
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The bytes of a line found by [`Input::next_line`].
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// Drops the first `count` unread bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
    }

    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.start = 0;
    }

    /// Takes the next line; `None`: read more.
    pub(super) fn next_line(&mut self) -> Option<Line> {
        let unread = self.unread();
        let Some(length) = unread.iter().position(|byte| *byte == b'\n') else {
            return (unread.len() > LONGEST_COMMAND).then_some(Line::TooLong);
        };
        let from = self.start;
        let line = unread[..length].strip_suffix(b"\r");
        let line = match line {
            Some(text) if text.contains(&b'\r') => Line::BareLineEnd,
            Some(text) if text.len() > LONGEST_COMMAND => Line::TooLong,
            Some(text) => Line::At(from..from + text.len()),
            None => Line::BareLineEnd,
        };
        self.start += length + 1;
        Some(line)
    }

    /// Reads once; false at the end of the stream.
    pub(super) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
        if self.is_empty() {
            self.clear();
        } else if self.start > READ_BYTES {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(READ_BYTES);
        Ok(stream.read_buf(&mut self.buffer).await? > 0)
    }
}
