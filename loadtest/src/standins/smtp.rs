//! A fast, strict SMTP server: RFC 5321 submission with SIZE, 8BITMIME, SMTPUTF8, PIPELINING, STARTTLS and AUTH.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use herald_loadtest::standins::smtp::{self, Behaviour, Options};
//! use std::time::Duration;
//!
//! let server = smtp::start(Options::default()).await?;
//! server.script_for("gone@example.org", Behaviour::refuse("550 5.1.1 no such user"));
//! // ... send mail to server.addr() ...
//! server.wait_for(|received| received.mails == 1, Duration::from_secs(5)).await?;
//! # Ok(()) }
//! ```
//!
//! Path of a mail: `session` reads lines, `command` parses them, `dialogue` answers them, `body` checks the message,
//! `received` counts it. `script` says where to misbehave.

mod address;
mod auth;
mod body;
mod command;
mod dialogue;
mod input;
mod message;
mod received;
mod script;
mod session;
mod transaction;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::TimedOut;
use super::identity::Identity;
use super::watched::Watched;
pub use received::{Mail, Received};
use script::Scripts;
pub use script::{Action, Behaviour, Stage};

/// How the server speaks TLS.
#[derive(Clone, Debug, Default)]
pub enum Tls {
    /// Not at all.
    #[default]
    None,
    /// Offers STARTTLS, and accepts mail only after it.
    StartTls(Identity),
    /// From the first byte.
    Implicit(Identity),
}

/// The one user who may log in; with it set, mail is accepted only after AUTH (PLAIN or LOGIN).
#[derive(Clone, Debug)]
pub struct Credentials {
    /// SASL user name.
    pub username: String,
    /// SASL password.
    pub password: String,
}

/// What the server is like from the start; `strict` and the scripts can change while it runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:0`.
    pub addr: SocketAddr,
    /// Default [`Tls::None`].
    pub tls: Tls,
    /// Default none: AUTH is not offered and not needed.
    pub auth: Option<Credentials>,
    /// Refuse (554) messages without Date, From, Message-ID and MIME-Version, or with undeclared 8-bit content.
    /// Default true. Order of commands, line ends and lengths are checked in either case.
    pub strict: bool,
    /// Full messages kept, the first ones. Default 100.
    pub keep: usize,
    /// Largest message in bytes, announced as SIZE. Default 10 MB.
    pub max_size: usize,
    /// Most recipients in a transaction; one more is answered 452 4.5.3. Default 100.
    pub max_recipients: usize,
    /// Offer PIPELINING. Default true; without it commands sent ahead are a violation.
    pub pipelining: bool,
    /// Offer SMTPUTF8. Default true; without it non-ASCII addresses are refused (553 5.6.7).
    pub smtputf8: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            addr: (Ipv4Addr::LOCALHOST, 0).into(),
            tls: Tls::None,
            auth: None,
            strict: true,
            keep: 100,
            max_size: 10_000_000,
            max_recipients: 100,
            pipelining: true,
            smtputf8: true,
        }
    }
}

/// What all sessions share.
struct Shared {
    options: Options,
    acceptor: Option<TlsAcceptor>,
    strict: AtomicBool,
    scripts: Scripts,
    received: Watched<Received>,
    /// Cancelled and replaced to cut every open connection.
    cut: Mutex<CancellationToken>,
}

impl Shared {
    fn cut(&self) -> CancellationToken {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A running server; dropping it closes the port and every connection.
pub struct Handle {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

/// Starts the server on the current tokio runtime.
///
/// # Errors
///
/// The address cannot be bound, or the TLS identity does not parse.
pub async fn start(options: Options) -> anyhow::Result<Handle> {
    let acceptor = match &options.tls {
        Tls::None => None,
        Tls::StartTls(identity) | Tls::Implicit(identity) => Some(identity.acceptor()?),
    };
    let listener = TcpListener::bind(options.addr).await?;
    let addr = listener.local_addr()?;
    let stop = CancellationToken::new();
    let shared = Arc::new(Shared {
        strict: AtomicBool::new(options.strict),
        received: Watched::new(Received::new(options.keep)),
        scripts: Scripts::default(),
        cut: Mutex::new(stop.child_token()),
        acceptor,
        options,
    });
    tokio::spawn(accept(listener, Arc::clone(&shared), stop.clone()));
    Ok(Handle { addr, shared, stop })
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        // A connection that died in the backlog is the client's affair.
        let Ok((stream, _)) = accepted else { continue };
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let cut = shared.cut();
    shared.received.update(|received| received.connections.opened());
    let ended: io::Result<()> = tokio::select! {
        ended = session::run(stream, Arc::clone(&shared)) => ended,
        () = cut.cancelled() => Ok(()),
    };
    // Errors here are the peer going away; what matters of that is in the record.
    drop(ended);
    shared.received.update(|received| received.connections.closed());
}

impl Handle {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A copy of the record. Cheap for tests; in load runs use [`Handle::read`].
    pub fn received(&self) -> Received {
        self.read(Received::clone)
    }

    /// Looks at the record without copying it. Sessions wait meanwhile: be brief.
    pub fn read<R>(&self, look: impl FnOnce(&Received) -> R) -> R {
        self.shared.received.read(look)
    }

    /// Waits until `condition` holds, asking after every change.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] with a summary of the record when it does not within `limit`.
    pub async fn wait_for(
        &self,
        condition: impl FnMut(&Received) -> bool,
        limit: Duration,
    ) -> Result<(), TimedOut> {
        self.shared.received.wait_for(condition, limit).await
    }

    /// Misbehaves for everybody. Several may be set: the first that fits the stage and is not used up acts.
    pub fn script(&self, behaviour: Behaviour) {
        self.shared.scripts.add(None, behaviour);
    }

    /// Misbehaves for one recipient address (compared as written); goes before what is set for everybody.
    pub fn script_for(&self, recipient: &str, behaviour: Behaviour) {
        self.shared.scripts.add(Some(recipient), behaviour);
    }

    /// Behaves again.
    pub fn clear_scripts(&self) {
        self.shared.scripts.clear();
    }

    /// Turns the check of required headers and declared 8-bit content on or off.
    pub fn set_strict(&self, strict: bool) {
        self.shared.strict.store(strict, Ordering::Relaxed);
    }

    /// Forgets what was received; open connections stay and stay counted.
    pub fn reset(&self) {
        self.shared.received.update(Received::reset);
    }

    /// Cuts every open connection, as a restarting server does. New ones are accepted.
    pub fn cut_connections(&self) {
        let fresh = self.stop.child_token();
        let old =
            std::mem::replace(&mut *self.shared.cut.lock().unwrap_or_else(PoisonError::into_inner), fresh);
        old.cancel();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
