//! The broker: it carries pointers and hints, nothing that could be lost.
//!
//! We own the reconnect loops (lapin's own recovery stops after 16 attempts and was repaired late); publishing and consuming
//! use separate connections, because a blocked broker stops every write on a connection, acks too.

pub mod consumer;
pub mod publisher;
mod silent;
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
    /// A queue that did not answer is left alone until it does.
    #[error("the queue \"{0}\" does not answer")]
    Silent(String),
    /// Nothing came back in time.
    #[error("the broker did not answer within its deadline")]
    Deadline,
}

/// What a connection asks for unless its URL says otherwise.
///
/// The library keeps 64 frames of buffers for every connection: with RabbitMQ's own 128 kB that is 8 MB each, 100 MB for a worker's
/// twelve, and half as much again while connections are replaced. Our messages have 1-10 kB; a longer one travels in pieces.
const DEFAULTS: [(&str, &str); 2] = [("heartbeat", "10"), ("frame_max", "8192")];

/// Connects under `name`, with a 10 s heartbeat, small frames and a deadline.
///
/// # Errors
/// [`Error`]; try again after a delay.
pub async fn connect(url: &str, name: &str) -> Result<Connection, Error> {
    let url = with_defaults(url);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    deadline(Connection::connect(&url, properties)).await
}

fn with_defaults(url: &str) -> String {
    let mut url = url.to_owned();
    for (name, value) in DEFAULTS {
        if !url.contains(&format!("{name}=")) {
            let joint = if url.contains('?') { '&' } else { '?' };
            url.push_str(&format!("{joint}{name}={value}"));
        }
    }
    url
}

/// Bounds a broker call.
pub(crate) async fn deadline<T>(call: impl Future<Output = lapin::Result<T>>) -> Result<T, Error> {
    Ok(tokio::time::timeout(DEADLINE, call).await.map_err(|_| Error::Deadline)??)
}

#[cfg(test)]
mod tests {
    use super::with_defaults;

    #[test]
    fn a_url_keeps_what_it_says() {
        assert_eq!(with_defaults("amqp://h/%2f"), "amqp://h/%2f?heartbeat=10&frame_max=8192");
        let said = "amqps://h/%2f?frame_max=131072";
        assert_eq!(with_defaults(said), format!("{said}&heartbeat=10"));
    }
}
