//! How much waits in the broker's queues, over time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::env::Env;
use crate::servers;

/// Time between two looks.
const SAMPLE: Duration = Duration::from_millis(500);

/// What Herald's job queues are named after (PROTOCOL.md part 1): `PREFIX.v1.CHANNEL.LANE`.
const CHANNELS: [&str; 4] = ["email", "webhook", "inbox", "wecom"];
const LANES: [&str; 3] = ["urgent", "normal", "bulk"];

/// One queue over time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Depth {
    pub(crate) queue: String,
    /// Most messages that waited in it.
    pub(crate) max: u32,
    /// Seconds since the start, and messages that waited.
    pub(crate) samples: Vec<(f64, u32)>,
}

/// Samples from its making until [`Queues::stop`].
pub(crate) struct Queues {
    depths: Arc<Mutex<Vec<Depth>>>,
    sampler: JoinHandle<()>,
}

impl Depth {
    /// One line for each queue in which something waited.
    pub(crate) fn lines(all: &[Self]) -> String {
        let waited = all.iter().filter(|depth| depth.max > 0);
        waited.map(|depth| format!("{}: at most {} messages waited\n", depth.queue, depth.max)).collect()
    }
}

impl Queues {
    /// `None` without `AMQP_URL`: the depths are then not in the report.
    pub(crate) async fn start(env: &Env) -> anyhow::Result<Option<Self>> {
        let Some(url) = env.get("AMQP_URL") else { return Ok(None) };
        let connection = servers::amqp(&url).await?;
        let prefix = env.get("HERALD_QUEUE_PREFIX").unwrap_or_else(|| "herald".to_owned());
        let name = |channel| LANES.map(|lane| format!("{prefix}.v1.{channel}.{lane}"));
        let names: Vec<String> = CHANNELS.into_iter().flat_map(name).collect();
        let depths = Arc::new(Mutex::new(Vec::new()));
        let sampler = tokio::spawn(sample(connection, names, Arc::clone(&depths)));
        Ok(Some(Self { depths, sampler }))
    }

    /// The queues that exist.
    pub(crate) fn stop(sampled: Option<Self>) -> Vec<Depth> {
        let Some(queues) = sampled else { return Vec::new() };
        queues.sampler.abort();
        std::mem::take(&mut *queues.depths.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn sample(connection: Connection, names: Vec<String>, depths: Arc<Mutex<Vec<Depth>>>) {
    let begun = Instant::now();
    let mut channel = None;
    loop {
        for name in &names {
            if let Some(ready) = ready(&connection, &mut channel, name).await {
                let seconds = begun.elapsed().as_secs_f64();
                let mut depths = depths.lock().unwrap_or_else(PoisonError::into_inner);
                note(&mut depths, name, seconds, ready);
            }
        }
        tokio::time::sleep(SAMPLE).await;
    }
}

fn note(depths: &mut Vec<Depth>, queue: &str, seconds: f64, ready: u32) {
    let at = depths.iter().position(|depth| depth.queue == queue).unwrap_or_else(|| {
        depths.push(Depth { queue: queue.to_owned(), max: 0, samples: Vec::new() });
        depths.len() - 1
    });
    depths[at].max = depths[at].max.max(ready);
    depths[at].samples.push((seconds, ready));
}

/// `None` where there is no such queue; asking for one closes the channel.
async fn ready(connection: &Connection, channel: &mut Option<Channel>, queue: &str) -> Option<u32> {
    let open = match channel.take() {
        Some(open) => open,
        None => connection.create_channel().await.ok()?,
    };
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declared = open.queue_declare(queue.into(), passive, FieldTable::default()).await.ok()?;
    *channel = Some(open);
    Some(declared.message_count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_are_kept_by_queue() {
        let mut depths = Vec::new();
        for (queue, ready) in [("a", 3), ("b", 1), ("a", 2)] {
            note(&mut depths, queue, 0.0, ready);
        }
        let seen: Vec<_> = depths.iter().map(|d| (d.queue.as_str(), d.max, d.samples.len())).collect();
        assert_eq!(seen, [("a", 3, 2), ("b", 1, 1)]);
    }
}
