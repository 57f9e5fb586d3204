//! Wakes: what the API says of jobs that are due the moment they are written. For speed only; the due scan is the truth.
//!
//! Urgent pointers go straight to their queue: they are admitted by anyone, so asking a dispatcher would only add a hop (0.5 of
//! 2.6 ms). Beyond 1000 deliveries a second, and for the other lanes, the dispatcher is asked, who knows how full the queues are.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Delivery, Error, Topology, connect, deadline};
use crate::domain::pointer::{Envelope, Pointer, Wake, messages};
use crate::domain::{Channel, Lane};
use crate::reconnect::Delays;

/// Wakes waiting to be sent; more are dropped, the scan finds their jobs.
const WAITING: usize = 1024;
/// Wakes in one message.
const BATCH: usize = 128;
/// Urgent deliveries a second that go straight to their queue.
const STRAIGHT: i64 = 1000;

/// The API's end: never blocks, never fails.
#[derive(Clone)]
pub struct Waker(mpsc::Sender<Vec<Wake>>);

impl Waker {
    /// A waker and the task that must run for it.
    pub fn new(
        url: String,
        topology: Topology,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = anyhow::Result<()>>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Waker(sender), run(url, topology, receiver, stop))
    }

    /// Hands over hints if there is room.
    pub fn try_wake(&self, wakes: Vec<Wake>) {
        if !wakes.is_empty() && self.0.try_send(wakes).is_err() {
            tracing::debug!("the wake queue is full: the dispatcher's scan will find the jobs");
        }
    }
}

/// Reads a wake message; a broken one is no wake.
#[must_use]
pub fn wakes(delivery: &Delivery) -> Vec<Wake> {
    serde_json::from_slice(&delivery.body).unwrap_or_default()
}

async fn run(
    url: String,
    topology: Topology,
    mut receiver: mpsc::Receiver<Vec<Wake>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut delays = Delays::default();
    while !stop.is_cancelled() {
        let ended = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            ended = send_all(&url, &topology, &mut receiver, &mut delays) => ended,
        };
        if let Err(error) = ended {
            tracing::warn!(error = %error, "cannot wake dispatchers: plans start with the next scan");
        }
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(delays.next_delay()) => {} }
    }
    Ok(())
}

async fn send_all(
    url: &str,
    topology: &Topology,
    receiver: &mut mpsc::Receiver<Vec<Wake>>,
    delays: &mut Delays,
) -> Result<(), Error> {
    let connection = connect(url, "herald wake").await?;
    let channel = deadline(connection.create_channel()).await?;
    topology.declare_wake(&channel).await?;
    let mut events = std::pin::pin!(connection.events_listener());
    delays.reset();
    let mut allowance = Allowance { left: Allowance::AT_ONCE, since: Instant::now() };
    loop {
        let first = tokio::select! {
            first = receiver.recv() => first.ok_or(Error::Away)?,
            event = events.next() => match event {
                Some(lapin::Event::Error(error)) => return Err(error.into()),
                None => return Err(Error::Away),
                Some(_) => continue,
            },
        };
        let mut batch = first;
        while batch.len() < BATCH {
            let Ok(more) = receiver.try_recv() else { break };
            batch.extend(more);
        }
        let mut asked = Vec::new();
        let mut straight: HashMap<Channel, Vec<Pointer>> = HashMap::new();
        for wake in batch {
            if wake.lane == Lane::Urgent && allowance.take(wake.pointer.units.into(), Instant::now()) {
                straight.entry(wake.channel).or_default().push(wake.pointer);
            } else {
                asked.push(wake);
            }
        }
        for (medium, pointers) in straight {
            let queue = topology.jobs(medium, Lane::Urgent);
            for message in messages(pointers) {
                // Persistent, like all pointers; unconfirmed, because nothing would be done about a lost one but wait for its time.
                publish(&channel, &queue, &Envelope::new(message).encode(), 2).await?;
            }
        }
        if !asked.is_empty() {
            // Transient and unconfirmed: a hint is not worth a disk write.
            let body = serde_json::to_vec(&asked).expect("wakes are numbers and words");
            publish(&channel, &topology.wake(), &body, 1).await?;
        }
    }
}

async fn publish(channel: &lapin::Channel, queue: &str, body: &[u8], mode: u8) -> Result<(), Error> {
    let properties = BasicProperties::default().with_delivery_mode(mode);
    let options = BasicPublishOptions::default();
    deadline(channel.basic_publish("".into(), queue.into(), options, body, properties)).await?;
    Ok(())
}

/// Units that may be spent: [`STRAIGHT`] a second, a tenth of that at once.
struct Allowance {
    left: i64,
    since: Instant,
}

impl Allowance {
    const AT_ONCE: i64 = STRAIGHT / 10;

    fn take(&mut self, units: i64, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_millis(100) {
            (self.left, self.since) = (Self::AT_ONCE, now);
        }
        let enough = self.left >= units;
        if enough {
            self.left -= units;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_urgent_flood_is_left_to_the_dispatchers() {
        let start = Instant::now();
        let mut allowance = Allowance { left: 0, since: start };
        let later = start + Duration::from_millis(100);
        assert!(!allowance.take(1, start));
        assert!(!allowance.take(101, later), "a large job alone is more than goes at once");
        assert_eq!((0..500).filter(|_| allowance.take(1, later)).count(), 100);
        assert!(allowance.take(100, later + Duration::from_millis(100)), "the next tenth of a second");
    }
}
