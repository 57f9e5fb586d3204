//! Consuming a queue: prefetch is the bound, the connection is rebuilt for ever, the caller acks after its commit.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Connection, Consumer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{DEADLINE, Error, Topology, connect, deadline};
use crate::reconnect::Delays;

/// A message in our hands until it is acked; dropped unacked, the broker brings it again when the connection ends.
#[derive(Debug)]
pub struct Delivery {
    /// Its bytes.
    pub body: Vec<u8>,
    /// The queue it came from.
    pub queue: Arc<str>,
    acker: Acker,
    /// Counts it among those in hand.
    _held: Arc<()>,
}

/// A quiet consumer asks after its queue this often. A quorum queue that was deleted and declared anew while its own process was
/// dead keeps no consumer and tells none (RabbitMQ 3.10): it fills, and they wait for ever.
const QUIET: Duration = Duration::from_secs(5);

impl Delivery {
    /// Tells the broker that it is dealt with. A channel that died meanwhile is no error: the message comes again, and
    /// finds its job settled.
    pub async fn ack(self) {
        self.settle(BasicAckOptions::default()).await;
    }

    /// Acks this message and all that came before it from the same consumer.
    pub async fn ack_up_to_here(self) {
        self.settle(BasicAckOptions { multiple: true }).await;
    }

    async fn settle(self, options: BasicAckOptions) {
        match tokio::time::timeout(DEADLINE, self.acker.ack(options)).await {
            Ok(Ok(true)) => {}
            _ => tracing::debug!(queue = %self.queue, "could not ack: the broker will deliver it again"),
        }
    }
}

/// Consumes `queue` into `sink` until `stop`; then takes nothing more, waits for `drained` and closes.
///
/// At most `prefetch` messages are unacked at a time, which bounds everything behind it.
///
/// # Errors
/// Never ends with one: an absent broker or queue is waited for.
pub async fn consume(
    url: String,
    topology: Topology,
    queue: String,
    prefetch: u16,
    sink: mpsc::Sender<Delivery>,
    stop: CancellationToken,
    drained: CancellationToken,
) -> anyhow::Result<()> {
    let mut delays = Delays::default();
    let name: Arc<str> = queue.into();
    while !stop.is_cancelled() {
        match subscribe(&url, &topology, &name, prefetch).await {
            Ok((connection, channel, mut consumer)) => {
                delays.reset();
                tracing::info!(queue = %name, "consuming");
                let link = Link { connection: &connection, topology: &topology, queue: &name, prefetch };
                pump(&mut consumer, &link, &sink, &stop).await;
                if stop.is_cancelled() {
                    close(connection, channel, consumer, &drained).await;
                    return Ok(());
                }
                tracing::warn!(queue = %name, "lost the consumer: connecting again");
            }
            Err(error) => tracing::warn!(queue = %name, error = %error, "cannot consume"),
        }
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(delays.next_delay()) => {} }
    }
    Ok(())
}

async fn subscribe(
    url: &str,
    topology: &Topology,
    queue: &str,
    prefetch: u16,
) -> Result<(Connection, Channel, Consumer), Error> {
    let connection = connect(url, "herald consume").await?;
    let channel = deadline(connection.create_channel()).await?;
    if queue == topology.wake() {
        topology.declare_wake(&channel).await?;
    } else {
        topology.declare_jobs(&channel, queue).await?;
    }
    deadline(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    let consumer =
        channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let consumer = deadline(consumer).await?;
    Ok((connection, channel, consumer))
}

/// What a consumer hangs on.
struct Link<'a> {
    connection: &'a Connection,
    topology: &'a Topology,
    queue: &'a Arc<str>,
    prefetch: u16,
}

/// How a queue looks to a consumer that gets nothing.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Empty,
    /// Messages wait in it.
    Filled,
    /// It is gone, or does not answer.
    Lost,
}

impl Link<'_> {
    async fn look(&self) -> Look {
        // A channel of its own: asking for a queue that is gone ends the channel.
        let Ok(channel) = deadline(self.connection.create_channel()).await else { return Look::Lost };
        let look = match self.topology.look(&channel, self.queue).await {
            Ok(Some(declared)) if declared.ready == 0 => Look::Empty,
            Ok(Some(_)) => Look::Filled,
            Ok(None) | Err(_) => return Look::Lost,
        };
        drop(deadline(channel.close(200, "looked".into())).await);
        look
    }
}

/// Moves messages until the consumer ends (queue deleted, connection lost), is no longer served, or `stop`.
async fn pump(
    consumer: &mut Consumer,
    link: &Link<'_>,
    sink: &mpsc::Sender<Delivery>,
    stop: &CancellationToken,
) {
    let held = Arc::new(());
    let mut last = Look::Empty;
    loop {
        let next = tokio::time::timeout(QUIET, consumer.next());
        let next = tokio::select! { () = stop.cancelled() => return, next = next => next };
        let Ok(next) = next else {
            // What is in hand counts while it is: with a full prefetch the broker sends nothing, and is right.
            let has_room = Arc::strong_count(&held) <= usize::from(link.prefetch);
            let look = if has_room { link.look().await } else { Look::Empty };
            if look == Look::Lost || (look == Look::Filled && last == Look::Filled) {
                return;
            }
            last = look;
            continue;
        };
        last = Look::Empty;
        let Some(Ok(message)) = next else { return };
        let (queue, held) = (link.queue.clone(), held.clone());
        let delivery = Delivery { body: message.data, queue, acker: message.acker, _held: held };
        if sink.send(delivery).await.is_err() {
            return;
        }
    }
}

async fn close(connection: Connection, channel: Channel, consumer: Consumer, drained: &CancellationToken) {
    // Cancelling keeps what is in hand ackable; the rest goes back to the queue when the connection closes.
    drop(deadline(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await);
    drained.cancelled().await;
    drop(deadline(connection.close(200, "stop".into())).await);
}
