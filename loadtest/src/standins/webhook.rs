//! A strict webhook receiver: HTTP/1.1, Standard Webhooks signatures, JSON, scripted answers per path.
//!
//! What it refuses (and records as a violation): other methods than POST (405), another Content-Type (415), missing
//! or malformed `webhook-*` headers (400), a stale timestamp or a wrong signature (401), a body that is not a JSON
//! object whose `id` equals `webhook-id` (400).

mod listener;
mod received;
mod request;
mod script;
mod signature;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::TimedOut;
use super::watched::Watched;
use listener::{CutListener, Peer};
pub use received::{Arrival, Received, Request};
use script::Scripts;
pub use script::{Action, Behaviour};
pub use signature::{Key, sign};

/// Told of every valid request as it arrives, before it is answered; must be quick.
pub type Observer = Arc<dyn Fn(&Arrival<'_>) + Send + Sync>;

/// What the server is like.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:0`.
    pub addr: SocketAddr,
    /// Signing keys (`whsec_...`); a signature under any of them is good. Default none: signatures are not checked.
    pub keys: Vec<Key>,
    /// Full requests kept, the first ones. Default 100.
    pub keep: usize,
    /// Default none.
    pub observer: Option<Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self { addr: (Ipv4Addr::LOCALHOST, 0).into(), keys: Vec::new(), keep: 100, observer: None }
    }
}

/// What all requests share.
struct Shared {
    keys: Vec<Key>,
    observer: Option<Observer>,
    scripts: Scripts,
    received: Watched<Received>,
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
        keys: options.keys,
        observer: options.observer,
        scripts: Scripts::default(),
        received: Watched::new(Received::new(options.keep)),
    });
    let stop = CancellationToken::new();
    let listener = CutListener::new(listener, Arc::clone(&shared), stop.clone());
    let router = Router::new().fallback(request::answer).with_state(Arc::clone(&shared));
    let server = axum::serve(listener, router.into_make_service_with_connect_info::<Peer>());
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = server.into_future() => {}
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

    /// `http://127.0.0.1:PORT` and the path (which begins with `/`).
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// A copy of the record. Cheap for tests; in load runs use [`Handle::read`].
    pub fn received(&self) -> Received {
        self.read(Received::clone)
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

    /// Misbehaves on every path. Several may be set: the first that is not used up acts.
    pub fn script(&self, behaviour: Behaviour) {
        self.shared.scripts.add(None, behaviour);
    }

    /// Misbehaves on one path (without query); goes before what is set for every path.
    pub fn script_for(&self, path: &str, behaviour: Behaviour) {
        self.shared.scripts.add(Some(path), behaviour);
    }

    /// Behaves again.
    pub fn clear_scripts(&self) {
        self.shared.scripts.clear();
    }

    /// Forgets what was received; open connections stay and stay counted.
    pub fn reset(&self) {
        self.shared.received.update(Received::reset);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
