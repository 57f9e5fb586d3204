//! The topology, all of it: job queues per channel and lane, and one wake queue. Everything uses the default exchange.

use std::time::Duration;

use lapin::Channel as AmqpChannel;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};

use super::{Error, deadline};
use crate::domain::{Channel, Lane};

/// Longest wait for the removal of a queue that does not answer.
const REMOVED: Duration = Duration::from_secs(30);

/// Names and arguments of the queues of one installation.
#[derive(Debug, Clone)]
pub struct Topology {
    prefix: String,
}

/// What is in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// Messages ready to be taken.
    pub ready: u32,
    /// Those who take them.
    pub consumers: u32,
}

impl Topology {
    /// The queues whose names start with `prefix`.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Topology { prefix: prefix.to_owned() }
    }

    /// The queue of a channel and lane. Arguments are immutable in RabbitMQ, so the name carries a version.
    #[must_use]
    pub fn jobs(&self, channel: Channel, lane: Lane) -> String {
        format!("{}.v1.{channel}.{lane}", self.prefix)
    }

    /// The queue of hints from the API to the dispatchers.
    #[must_use]
    pub fn wake(&self) -> String {
        format!("{}.v1.wake", self.prefix)
    }

    /// Declares a job queue: quorum, so that confirmed pointers survive a node; at most 100,000 messages, a fuse far above
    /// any window (refused publishes come back by their visibility time); a pointer redelivered 20 times is dropped, which
    /// loses nothing for the same reason.
    ///
    /// # Errors
    /// [`Error`] of the broker.
    pub async fn declare_jobs(&self, channel: &AmqpChannel, queue: &str) -> Result<Declared, Error> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(20));
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(100_000));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        declare(channel, queue, QueueDeclareOptions::durable(), arguments).await
    }

    /// Declares the wake queue: classic, hints live 5 s and at most 10,000 of them; a lost hint costs a visibility time.
    ///
    /// # Errors
    /// [`Error`] of the broker.
    pub async fn declare_wake(&self, channel: &AmqpChannel) -> Result<Declared, Error> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
        arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(5000));
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(10_000));
        declare(channel, &self.wake(), QueueDeclareOptions::durable(), arguments).await
    }

    /// Looks at a queue without making it; `None` when it is not there, which also closes `channel`.
    ///
    /// # Errors
    /// [`Error`] of the broker.
    pub async fn look(&self, channel: &AmqpChannel, queue: &str) -> Result<Option<Declared>, Error> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
        match declare(channel, queue, options, FieldTable::default()).await {
            Ok(declared) => Ok(Some(declared)),
            Err(Error::Broker(error)) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Topology {
    /// Removes a queue with whatever is in it. The broker tries for some seconds to ask the queue itself.
    ///
    /// # Errors
    /// [`Error`] of the broker.
    pub async fn remove(&self, channel: &AmqpChannel, queue: &str) -> Result<(), Error> {
        let removed = channel.queue_delete(queue.into(), QueueDeleteOptions::default());
        tokio::time::timeout(REMOVED, removed).await.map_err(|_| Error::Deadline)??;
        Ok(())
    }
}

async fn declare(
    channel: &AmqpChannel,
    queue: &str,
    options: QueueDeclareOptions,
    arguments: FieldTable,
) -> Result<Declared, Error> {
    let queue = deadline(channel.queue_declare(queue.into(), options, arguments)).await?;
    Ok(Declared { ready: queue.message_count(), consumers: queue.consumer_count() })
}

fn is_not_found(error: &lapin::Error) -> bool {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => error.get_id() == 404,
        _ => false,
    }
}
