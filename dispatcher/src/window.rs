//! Windows: how many deliveries wait in each broker queue, about a second's work of its consumers. Backlogs belong in PostgreSQL,
//! where they can be recalled and shared.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use herald_shared::amqp::Depth;
use herald_shared::db::{self, ANSWER, Client, admit};
use herald_shared::domain::pointer::{Pointer, messages};
use herald_shared::domain::throughput::Throughput;
use herald_shared::domain::{Channel, Lane};
use tokio_util::sync::CancellationToken;

use crate::{CHANNELS, Shared};

/// What is known of every queue.
pub(crate) struct Windows {
    /// No window is larger, in units.
    most: i64,
    queues: Vec<Mutex<Queue>>,
}

struct Queue {
    throughput: Throughput,
    looked: Instant,
}

/// One queue's figures.
pub(crate) struct Figures {
    /// Units that may wait.
    pub(crate) window: i64,
    /// Units believed to wait.
    pub(crate) waiting: i64,
    /// Units a second its consumers take.
    pub(crate) rate: f64,
}

impl Windows {
    pub(crate) fn new(most: i64) -> Self {
        let count = (Channel::ALL.len() + 1) * Lane::ALL.len();
        let queue = || Mutex::new(Queue { throughput: Throughput::default(), looked: Instant::now() });
        Windows { most, queues: (0..count).map(|_| queue()).collect() }
    }

    fn with<T>(&self, channel: Channel, lane: Lane, act: impl FnOnce(&mut Queue) -> T) -> T {
        let queue = &self.queues[channel as usize * Lane::ALL.len() + lane as usize];
        act(&mut queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn figures(&self, channel: Channel, lane: Lane) -> Figures {
        self.with(channel, lane, |queue| Figures {
            // At least one job that waits beside one that is being taken, or nothing would ever be learnt of a queue.
            window: queue.throughput.window(i64::from(channel.job_units()) * 2, self.most),
            waiting: queue.throughput.waiting(),
            rate: queue.throughput.rate(),
        })
    }

    /// Units that may still be published; none or less: full.
    pub(crate) fn room(&self, channel: Channel, lane: Lane) -> i64 {
        let Figures { window, waiting, .. } = self.figures(channel, lane);
        window - waiting
    }

    /// Messages of so many units are on their way.
    fn sending(&self, channel: Channel, lane: Lane, units: impl Iterator<Item = i32>) {
        self.with(channel, lane, |queue| units.for_each(|units| queue.throughput.sending(units)));
    }

    /// A message has arrived, or not.
    fn sent(&self, channel: Channel, lane: Lane, units: i32, arrived: bool) {
        self.with(channel, lane, |queue| queue.throughput.sent(units, arrived));
    }

    /// Takes what a look showed: messages ready, and consumers.
    fn seen(&self, channel: Channel, lane: Lane, messages: u32, consumers: u32) {
        self.with(channel, lane, |queue| {
            let since = queue.looked.elapsed();
            queue.looked = Instant::now();
            queue.throughput.seen(messages as usize, consumers, since);
        });
    }
}

/// Publishes jobs of one queue. Failures need nothing: the jobs come back by their visibility time.
pub(crate) async fn publish(shared: &Shared, channel: Channel, lane: Lane, pointers: Vec<Pointer>) {
    let queue = shared.topology.jobs(channel, lane);
    let messages = messages(pointers);
    let units = |message: &[Pointer]| message.iter().map(|pointer| pointer.units).sum::<i32>();
    // All of them at once, so that nobody else fills the same room.
    shared.windows.sending(channel, lane, messages.iter().map(|message| units(message)));
    for message in messages {
        let units = units(&message);
        let timer = shared.metrics.confirm.start_timer();
        let published = shared.publisher.publish(&queue, message).await;
        shared.windows.sent(channel, lane, units, published.is_ok());
        if let Err(error) = published {
            timer.stop_and_discard();
            shared.metrics.publish_failures.inc();
            tracing::warn!(%queue, %error, "could not publish: the jobs come back by themselves");
        } else {
            timer.observe_duration();
        }
    }
}

/// Looks at a queue. A lost queue's published jobs become due at once.
pub(crate) async fn look(shared: &Shared, channel: Channel, lane: Lane) -> anyhow::Result<()> {
    match shared.publisher.depth(&shared.topology.jobs(channel, lane)).await? {
        Depth::Ready { messages, consumers } => {
            let full = shared.windows.room(channel, lane) <= 0;
            shared.windows.seen(channel, lane, messages, consumers);
            if full && shared.windows.room(channel, lane) > 0 {
                shared.due(lane).notify_one();
            }
        }
        Depth::Lost => {
            shared.windows.seen(channel, lane, 0, 0);
            let forget = async |client: &mut Client| admit::queue_lost(client, channel, lane).await;
            let jobs = db::ask(shared.pool(lane), ANSWER, forget).await?;
            if jobs > 0 {
                shared.metrics.queues_lost.inc();
                tracing::warn!(%channel, %lane, jobs, "the broker had lost a queue: its jobs are published again");
            }
        }
    }
    let (figures, labels) = (shared.windows.figures(channel, lane), [channel.as_str(), lane.as_str()]);
    shared.metrics.in_flight.with_label_values(&labels).set(figures.waiting);
    shared.metrics.window.with_label_values(&labels).set(figures.window);
    shared.metrics.rate.with_label_values(&labels).set(figures.rate);
    Ok(())
}

/// Looks at every queue each 500 ms, and at the busy ones each 25 ms: a window can double with each look.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(25));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 0u64.. {
        tokio::select! { () = stop.cancelled() => break, _ = tick.tick() => {} }
        if !shared.publisher.is_up() {
            continue;
        }
        for channel in CHANNELS {
            for &lane in Lane::ALL {
                let wanted = round % 20 == 0 || shared.windows.figures(channel, lane).waiting > 0;
                if wanted && let Err(error) = look(&shared, channel, lane).await {
                    tracing::debug!(%channel, %lane, error = format!("{error:#}"), "could not look at a queue");
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_closes_and_opens_by_what_is_seen() {
        let (windows, bulk) = (Windows::new(100), (Channel::Email, Lane::Bulk));
        windows.sending(bulk.0, bulk.1, [60, 60].into_iter());
        assert!(windows.room(bulk.0, bulk.1) < 0, "from the moment it is decided");
        windows.sent(bulk.0, bulk.1, 60, true);
        windows.sent(bulk.0, bulk.1, 60, false);
        assert_eq!(windows.room(bulk.0, bulk.1), 40);
        assert_eq!(windows.room(Channel::Email, Lane::Urgent), 100, "lanes do not share windows");
        windows.seen(bulk.0, bulk.1, 0, 1);
        assert_eq!(windows.room(bulk.0, bulk.1), 100);
    }
}
