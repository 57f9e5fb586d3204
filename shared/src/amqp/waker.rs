//! Wakes: hints from the API to a dispatcher that jobs are due. For speed only; the due scan is the truth.

use futures_util::StreamExt as _;
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Delivery, Error, Topology, connect, deadline};
use crate::domain::pointer::Wake;
use crate::reconnect::Delays;

/// Wakes waiting to be sent; more are dropped, the scan finds their jobs.
const WAITING: usize = 1024;
/// Wakes in one message.
const BATCH: usize = 128;

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
    let queue = topology.wake();
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
        let body = serde_json::to_vec(&batch).expect("wakes are numbers and words");
        // Transient and unconfirmed: a hint is not worth a disk write.
        let properties = BasicProperties::default().with_delivery_mode(1);
        let options = BasicPublishOptions::default();
        deadline(channel.basic_publish("".into(), queue.as_str().into(), options, &body, properties)).await?;
    }
}
