//! Bytes in and out of one connection, each step with a deadline. Knows lines and replies, not their meaning.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::reply::Reply;

/// RFC 5321 4.5.3.1.5 says 512; some servers are more talkative.
const MAX_LINE: usize = 4096;
/// EHLO answers have some ten lines.
const MAX_LINES: usize = 128;

/// A TCP or TLS stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A buffered connection. Errors are in words for an attempt's detail; after one it is good for nothing.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    input: Vec<u8>,
    /// Ends every wait, however long its own limit is.
    pub(super) deadline: Instant,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>, deadline: Instant) -> Self {
        Wire { stream, input: Vec::with_capacity(512), deadline }
    }

    /// The stream for a TLS handshake; `None` when the server has said something out of turn, which could be
    /// text that an attacker slipped in before the handshake.
    pub(super) fn into_stream(self) -> Option<Box<dyn Stream>> {
        self.is_quiet().then_some(self.stream)
    }

    /// Whether everything received was read.
    pub(super) fn is_quiet(&self) -> bool {
        self.input.is_empty()
    }

    /// Writes everything and flushes. `Err` means that the last byte did not leave.
    pub(super) async fn write(&mut self, bytes: &[u8], limit: Duration) -> Result<(), String> {
        let until = self.until(limit);
        let stream = &mut self.stream;
        let written = timeout_at(until, async {
            stream.write_all(bytes).await?;
            stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err("the server stopped reading".to_owned()),
        }
    }

    /// Reads one reply, which must be complete within `limit`.
    pub(super) async fn reply(&mut self, limit: Duration) -> Result<Reply, String> {
        let until = self.until(limit);
        match timeout_at(until, self.read_reply()).await {
            Ok(read) => read,
            Err(_) => Err(format!("the server did not answer within {} s", limit.as_secs_f32())),
        }
    }

    async fn read_reply(&mut self) -> Result<Reply, String> {
        let mut reply = Reply::empty();
        for _ in 0..MAX_LINES {
            let line = self.line().await?;
            match reply.add(&line) {
                Some(true) => return Ok(reply),
                Some(false) => {}
                None => return Err("the answer is not SMTP".to_owned()),
            }
        }
        Err("the answer is too long".to_owned())
    }

    async fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.input[searched..].iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.input.drain(..=searched + end).collect();
                line.pop();
                line.pop_if(|byte| *byte == b'\r');
                return Ok(line);
            }
            searched = self.input.len();
            if searched > MAX_LINE {
                return Err("a line of the answer is too long".to_owned());
            }
            if self.stream.read_buf(&mut self.input).await.map_err(|error| lost(&error))? == 0 {
                return Err("the server closed the connection".to_owned());
            }
        }
    }

    fn until(&self, limit: Duration) -> Instant {
        self.deadline.min(Instant::now() + limit)
    }
}

fn lost(error: &std::io::Error) -> String {
    format!("the connection was lost: {}", error.kind())
}
