//! Publishing pointers: persistent, mandatory, confirmed. A publish that fails needs nothing: visibility lapses.

use std::collections::HashSet;
use std::sync::Arc;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel as AmqpChannel, Confirmation, Connection};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::silent::{Asked, Silences};
use super::{DEADLINE, Error, Topology, connect, deadline};
use crate::domain::pointer::{Envelope, Pointer};
use crate::reconnect::Delays;

/// So many messages: a queue may refuse more. It does at 100,000.
const FULL: u32 = 50_000;

/// A confirmed publisher that reconnects by itself. Cheap to clone; [`Publisher::run`] must be running.
#[derive(Clone)]
pub struct Publisher {
    topology: Topology,
    link: watch::Receiver<Option<Arc<Link>>>,
    sender: Arc<watch::Sender<Option<Arc<Link>>>>,
    silences: Arc<Silences>,
}

/// One living connection.
struct Link {
    publish: AmqpChannel,
    connection: Connection,
    /// Looking at a queue that is not there closes the channel, so it has its own.
    look: Mutex<Option<AmqpChannel>>,
    declared: Mutex<HashSet<String>>,
    broken: CancellationToken,
}

/// What a look at a queue showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// This many messages are ready, for so many consumers.
    Ready {
        /// Messages.
        messages: u32,
        /// Consumers.
        consumers: u32,
    },
    /// It was not there, and has been declared: whatever was in it is lost.
    Lost,
}

impl Publisher {
    /// A publisher that is not connected yet.
    #[must_use]
    pub fn new(topology: Topology) -> Self {
        let (sender, link) = watch::channel(None);
        Publisher { topology, link, sender: Arc::new(sender), silences: Arc::default() }
    }

    /// Keeps the connection up until `stop`.
    ///
    /// # Errors
    /// Never ends with one: an absent broker is waited for.
    pub async fn run(self, url: String, stop: CancellationToken) -> anyhow::Result<()> {
        let mut delays = Delays::default();
        while !stop.is_cancelled() {
            match open(&url).await {
                Ok(link) => {
                    delays.reset();
                    tracing::info!("connected to the broker for publishing");
                    let link = Arc::new(link);
                    self.sender.send_replace(Some(link.clone()));
                    wait_for_end(&link, &stop).await;
                    self.sender.send_replace(None);
                    drop(tokio::time::timeout(DEADLINE, link.connection.close(200, "stop".into())).await);
                }
                Err(error) => tracing::warn!(error = %error, "cannot reach the broker for publishing"),
            }
            tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(delays.next_delay()) => {} }
        }
        Ok(())
    }

    /// Whether a connection is up and the broker takes messages (no memory or disk alarm).
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.link.borrow().as_ref().is_some_and(|link| !link.connection.status().blocked())
    }

    /// Publishes up to 32 pointers as one message and waits for the broker's confirm.
    ///
    /// # Errors
    /// [`Error`]: the jobs count as lost pointers and come back by their visibility time.
    pub async fn publish(&self, queue: &str, pointers: Vec<Pointer>) -> Result<(), Error> {
        let link = self.link.borrow().clone().ok_or(Error::Away)?;
        if self.silences.is_silent(queue) {
            // Waiting for its confirm would end the connection for all.
            return Err(Error::Silent(queue.to_owned()));
        }
        self.declare_once(&link, queue).await?;
        let body = Envelope::new(pointers).encode();
        let properties =
            BasicProperties::default().with_delivery_mode(2).with_content_type("application/json".into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = async {
            link.publish.basic_publish("".into(), queue.into(), options, &body, properties).await?.await
        };
        match deadline(confirm).await {
            Ok(Confirmation::Ack(None)) => {
                self.silences.answered(queue, Asked::Send);
                Ok(())
            }
            Ok(Confirmation::Ack(Some(_))) => {
                link.declared.lock().await.remove(queue);
                Err(Error::Unroutable(queue.to_owned()))
            }
            Ok(_) => {
                self.silences.unanswered(queue, Asked::Send);
                Err(Error::Refused(queue.to_owned()))
            }
            Err(error) => {
                // A confirm given up on would be kept by the library for ever: start over with a new connection.
                link.broken.cancel();
                if matches!(error, Error::Deadline) {
                    self.silences.unanswered(queue, Asked::Send);
                }
                Err(error)
            }
        }
    }

    /// Looks how much is in a queue; declares it where it is missing or broken.
    ///
    /// # Errors
    /// [`Error`] of the broker.
    pub async fn depth(&self, queue: &str) -> Result<Depth, Error> {
        let link = self.link.borrow().clone().ok_or(Error::Away)?;
        if self.silences.take_broken(queue) {
            tracing::warn!(%queue, "a queue does not answer while others do: it is made anew");
            let channel = deadline(link.connection.create_channel()).await?;
            self.topology.remove(&channel, queue).await?;
            link.declared.lock().await.remove(queue);
            self.declare_once(&link, queue).await?;
            return Ok(Depth::Lost);
        }
        let depth = self.look(&link, queue).await;
        match &depth {
            Ok(depth) => {
                self.silences.answered(queue, Asked::Look);
                if matches!(depth, Depth::Ready { messages: FULL.., .. }) {
                    // That is why it takes no more: it is well.
                    self.silences.answered(queue, Asked::Send);
                }
            }
            // The broker may have ended the connection over it: the next look is on a new one.
            Err(Error::Deadline) => self.silences.unanswered(queue, Asked::Look),
            Err(_) => {}
        }
        depth
    }

    async fn look(&self, link: &Link, queue: &str) -> Result<Depth, Error> {
        let mut slot = link.look.lock().await;
        let channel = match slot.take().filter(|channel| channel.status().connected()) {
            Some(channel) => channel,
            None => deadline(link.connection.create_channel()).await?,
        };
        match self.topology.look(&channel, queue).await? {
            Some(declared) => {
                *slot = Some(channel);
                Ok(Depth::Ready { messages: declared.ready, consumers: declared.consumers })
            }
            None => {
                drop(slot);
                link.declared.lock().await.remove(queue);
                self.declare_once(link, queue).await?;
                Ok(Depth::Lost)
            }
        }
    }

    async fn declare_once(&self, link: &Link, queue: &str) -> Result<(), Error> {
        let mut declared = link.declared.lock().await;
        if !declared.contains(queue) {
            let channel = deadline(link.connection.create_channel()).await?;
            self.topology.declare_jobs(&channel, queue).await?;
            drop(deadline(channel.close(200, "declared".into())).await);
            declared.insert(queue.to_owned());
        }
        Ok(())
    }
}

async fn open(url: &str) -> Result<Link, Error> {
    let connection = connect(url, "herald publish").await?;
    let publish = deadline(connection.create_channel()).await?;
    deadline(publish.confirm_select(ConfirmSelectOptions::default())).await?;
    let (look, declared) = (Mutex::new(None), Mutex::new(HashSet::new()));
    Ok(Link { publish, connection, look, declared, broken: CancellationToken::new() })
}

/// Returns when the connection ends, a deadline broke it, or `stop` comes.
async fn wait_for_end(link: &Link, stop: &CancellationToken) {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(500));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = link.broken.cancelled() => return,
            _ = tick.tick() => {
                if !link.connection.status().connected() || !link.publish.status().connected() {
                    tracing::warn!("lost the broker connection for publishing");
                    return;
                }
            }
        }
    }
}
