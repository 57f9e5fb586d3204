//! The broker: it carries pointers and hints, nothing that could be lost.
//!
//! We own the reconnect loops (lapin's own recovery stops after 16 attempts and was repaired late); publishing and consuming
//! use separate connections, because a blocked broker stops every write on a connection, acks too.

pub mod consumer;
pub mod publisher;
pub mod topology;
pub mod waker;

use std::time::Duration;

use lapin::{Connection, ConnectionProperties};

pub use consumer::{Delivery, consume};
pub use publisher::{Depth, Publisher};
pub use topology::Topology;
pub use waker::{Waker, wakes};

/// Longest wait for a connection, a declaration, a confirm or a close.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// What went wrong at the broker. Always transient: wait and try again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not connected just now.
    #[error("the broker is away")]
    Away,
    /// The broker refused or the connection broke.
    #[error("the broker failed")]
    Broker(#[from] lapin::Error),
    /// No queue took the message.
    #[error("no queue \"{0}\": it was lost and is being declared again")]
    Unroutable(String),
    /// The broker refused to take responsibility (queue full or failing).
    #[error("the broker refused a message for \"{0}\"")]
    Refused(String),
    /// Nothing came back in time.
    #[error("the broker did not answer within its deadline")]
    Deadline,
}

/// Connects under `name`, with a 10 s heartbeat and a deadline.
///
/// # Errors
/// [`Error`]; try again after a delay.
pub async fn connect(url: &str, name: &str) -> Result<Connection, Error> {
    let joint = if url.contains('?') { '&' } else { '?' };
    let url = if url.contains("heartbeat=") { url.to_owned() } else { format!("{url}{joint}heartbeat=10") };
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    deadline(Connection::connect(&url, properties)).await
}

/// Bounds a broker call.
pub(crate) async fn deadline<T>(call: impl Future<Output = lapin::Result<T>>) -> Result<T, Error> {
    Ok(tokio::time::timeout(DEADLINE, call).await.map_err(|_| Error::Deadline)??)
}
