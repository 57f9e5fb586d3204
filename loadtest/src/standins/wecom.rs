//! A strict WeCom: `gettoken`, `agent/get`, `message/send` and `message/recall` of app messages, scripted per app.
//!
//! Like the real one it answers HTTP 200 whatever happened and says it in `errcode`. It refuses (and records as a
//! violation) what only a wrong client sends: the wrong method or Content-Type, bodies that are not JSON or have `\u`
//! escapes, missing or too long fields, more than 1000 users, `@all`, an app that is not the token's. A refused token or
//! an unknown user is no violation: that happens to a good client too.
//!
//! Where the real one cuts a long text in silence, this one refuses it.

mod api;
mod apps;
mod message;
mod received;
mod script;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::TimedOut;
use super::watched::Watched;
pub use apps::App;
use apps::Apps;
pub use received::{Message, Received};
use script::Scripts;
pub use script::{Action, Behaviour};

/// What the server is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:0`.
    pub addr: SocketAddr,
    /// The apps that exist. Default one: see [`App::default`].
    pub apps: Vec<App>,
    /// How long a token lives. Default 7200 s, as the real one's.
    pub token_life: Duration,
    /// Limits for each member and app: a span and the messages within it; more is dropped in silence. Default none; the real
    /// ones are 30 a minute and 1000 an hour.
    pub member_limits: Vec<(Duration, u32)>,
    /// Messages kept in full, the first ones. Default 100.
    pub keep: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            addr: (Ipv4Addr::LOCALHOST, 0).into(),
            apps: vec![App::default()],
            token_life: Duration::from_secs(7200),
            member_limits: Vec::new(),
            keep: 100,
        }
    }
}

/// What all requests share.
struct Shared {
    apps: Mutex<Apps>,
    scripts: Scripts,
    received: Watched<Received>,
}

impl Shared {
    fn apps<R>(&self, look: impl FnOnce(&mut Apps) -> R) -> R {
        look(&mut self.apps.lock().unwrap_or_else(PoisonError::into_inner))
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
/// The address cannot be bound.
pub async fn start(options: Options) -> anyhow::Result<Handle> {
    let listener = TcpListener::bind(options.addr).await?;
    let addr = listener.local_addr()?;
    let shared = Arc::new(Shared {
        apps: Mutex::new(Apps::new(options.apps, options.token_life)),
        scripts: Scripts::default(),
        received: Watched::new(Received::new(options.keep, options.member_limits)),
    });
    let stop = CancellationToken::new();
    let router: Router = api::router(Arc::clone(&shared));
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = axum::serve(listener, router).into_future() => {}
            () = stopped.cancelled() => {}
        }
    });
    Ok(Handle { addr, shared, stop })
}

impl Handle {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Looks at the record without copying it. Requests wait meanwhile: be brief.
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

    /// This user is no member; ids are compared without case.
    pub fn invalid_user(&self, user: &str) {
        self.shared.apps(|apps| apps.invalid.insert(user.to_ascii_lowercase()));
    }

    /// This user is a member without a licence.
    pub fn unlicensed_user(&self, user: &str) {
        self.shared.apps(|apps| apps.unlicensed.insert(user.to_ascii_lowercase()));
    }

    /// Every token given so far is refused from now on, as lapsed.
    pub fn expire_tokens(&self) {
        self.shared.apps(Apps::expire);
    }

    /// Misbehaves towards every app. Several may be set: the first that is not used up acts.
    pub fn script(&self, behaviour: Behaviour) {
        self.shared.scripts.add(None, behaviour);
    }

    /// Misbehaves towards one app; goes before what is set for all.
    pub fn script_for(&self, agent_id: u64, behaviour: Behaviour) {
        self.shared.scripts.add(Some(agent_id), behaviour);
    }

    /// Behaves again.
    pub fn clear_scripts(&self) {
        self.shared.scripts.clear();
    }

    /// Forgets what was received.
    pub fn reset(&self) {
        self.shared.received.update(Received::reset);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
