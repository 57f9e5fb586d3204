//! One connection: reads commands and messages, lets the dialogue answer, writes answers in groups.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::body::Scanner;
use super::dialogue::{Dialogue, Next};
use super::input::{Input, Line};
use super::{Shared, Tls};

/// How long a closing server waits for the client to close too, so that its last reply is not lost to a reset.
const LINGER: Duration = Duration::from_secs(1);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

struct Session {
    stream: Box<dyn Stream>,
    input: Input,
    dialogue: Dialogue,
}

/// Serves a client until either side closes.
///
/// # Errors
///
/// The client went away, or the TLS handshake failed.
pub(super) async fn run(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let implicit = matches!(shared.options.tls, Tls::Implicit(_));
    let stream: Box<dyn Stream> = match &shared.acceptor {
        Some(acceptor) if implicit => Box::new(acceptor.accept(stream).await?),
        _ => Box::new(stream),
    };
    let dialogue = Dialogue::new(shared, implicit);
    Session { stream, input: Input::default(), dialogue }.serve().await
}

impl Session {
    async fn serve(mut self) -> io::Result<()> {
        let mut next = self.dialogue.greeting();
        loop {
            self.pause().await;
            next = match next {
                Next::Go => match self.next_line().await? {
                    Some(next) => next,
                    None => return Ok(()),
                },
                Next::Message => self.message().await?,
                Next::StartTls => {
                    self = self.start_tls().await?;
                    Next::Go
                }
                Next::Close => return self.close().await,
                Next::Drop => return Ok(()),
            };
        }
    }

    async fn pause(&mut self) {
        if let Some(silence) = self.dialogue.pause.take() {
            tokio::time::sleep(silence).await;
        }
    }

    /// Writes the answers so far and reads; false at the end of the stream.
    async fn read_more(&mut self) -> io::Result<bool> {
        self.flush().await?;
        self.input.fill(&mut self.stream).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.dialogue.output.is_empty() {
            self.stream.write_all(&self.dialogue.output).await?;
            self.stream.flush().await?;
            self.dialogue.output.clear();
        }
        Ok(())
    }

    async fn next_line(&mut self) -> io::Result<Option<Next>> {
        loop {
            match self.input.next_line() {
                Some(Line::At(range)) => {
                    let alone = self.input.is_empty();
                    return Ok(Some(self.dialogue.line(self.input.bytes(range), alone)));
                }
                Some(Line::BareLineEnd) => {
                    return Ok(Some(self.dialogue.breach("500 5.5.2 bare CR or LF in command")));
                }
                Some(Line::TooLong) => {
                    self.dialogue.breach("500 5.5.2 line too long");
                    return Ok(Some(Next::Close));
                }
                None if !self.read_more().await? => return Ok(None),
                None => {}
            }
        }
    }

    async fn message(&mut self) -> io::Result<Next> {
        self.flush().await?;
        let next = self.dialogue.before_message();
        if next != Next::Go {
            return Ok(next);
        }
        self.pause().await;
        let mut scanner = Scanner::default();
        loop {
            let unread = self.input.unread();
            if let Some(length) = scanner.scan(unread) {
                let next = self.dialogue.message(&scanner, &unread[..length]);
                self.input.consume(length + Scanner::DOT);
                return Ok(next);
            }
            if unread.len() > self.dialogue.shared.options.max_size {
                self.dialogue.breach("552 5.3.4 message too big");
                return Ok(Next::Close);
            }
            if !self.read_more().await? {
                return Ok(Next::Drop);
            }
        }
    }

    async fn start_tls(mut self) -> io::Result<Self> {
        self.flush().await?;
        let Some(acceptor) = self.dialogue.shared.acceptor.clone() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        self.stream = Box::new(acceptor.accept(self.stream).await?);
        self.input.clear();
        self.dialogue.secured();
        Ok(self)
    }

    async fn close(mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown().await?;
        let rest = async {
            let mut sink = [0_u8; 4096];
            while self.stream.read(&mut sink).await? > 0 {}
            io::Result::Ok(())
        };
        tokio::time::timeout(LINGER, rest).await.unwrap_or(Ok(()))
    }
}
