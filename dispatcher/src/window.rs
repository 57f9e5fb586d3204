//! Windows: how many deliveries wait in each broker queue. Backlogs belong in PostgreSQL, where they can be recalled and shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use herald_shared::amqp::Depth;
use herald_shared::db::admit;
use herald_shared::domain::pointer::{Pointer, messages};
use herald_shared::domain::{Channel, Lane};
use tokio_util::sync::CancellationToken;

use crate::{CHANNELS, Shared};

/// An estimate per queue: units published since the last look, on top of what the look showed.
pub(crate) struct Windows {
    limit: i64,
    queues: Vec<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Units believed to wait in the queue.
    waiting: AtomicI64,
    /// Units and messages published lately, for units per message.
    units: AtomicI64,
    messages: AtomicI64,
}

impl Windows {
    pub(crate) fn new(limit: i64) -> Self {
        let count = (Channel::ALL.len() + 1) * Lane::ALL.len();
        Windows { limit, queues: (0..count).map(|_| Queue::default()).collect() }
    }

    fn queue(&self, channel: Channel, lane: Lane) -> &Queue {
        &self.queues[channel as usize * Lane::ALL.len() + lane as usize]
    }

    /// Units that may still be published; none or less: full.
    pub(crate) fn room(&self, channel: Channel, lane: Lane) -> i64 {
        self.limit - self.waiting(channel, lane)
    }

    /// Units believed to wait.
    pub(crate) fn waiting(&self, channel: Channel, lane: Lane) -> i64 {
        self.queue(channel, lane).waiting.load(Ordering::Relaxed)
    }

    /// Counts a message about to be published.
    pub(crate) fn published(&self, channel: Channel, lane: Lane, units: i64) {
        let queue = self.queue(channel, lane);
        queue.waiting.fetch_add(units, Ordering::Relaxed);
        queue.units.fetch_add(units, Ordering::Relaxed);
        // An average over about the last thousand messages.
        if queue.messages.fetch_add(1, Ordering::Relaxed) > 1000 {
            queue.units.store(queue.units.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
            queue.messages.store(queue.messages.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
        }
    }

    /// Takes what a look showed: messages ready, at the lately usual units per message.
    fn seen(&self, channel: Channel, lane: Lane, messages: i64) {
        let queue = self.queue(channel, lane);
        let average =
            queue.units.load(Ordering::Relaxed) as f64 / queue.messages.load(Ordering::Relaxed).max(1) as f64;
        queue.waiting.store((messages as f64 * average.max(1.0)) as i64, Ordering::Relaxed);
    }
}

/// Publishes jobs of one queue. Failures need nothing: the jobs come back by their visibility time.
pub(crate) async fn publish(shared: &Shared, channel: Channel, lane: Lane, pointers: Vec<Pointer>) {
    let queue = shared.topology.jobs(channel, lane);
    for message in messages(pointers) {
        shared.windows.published(channel, lane, message.iter().map(|p| i64::from(p.units)).sum());
        let timer = shared.metrics.confirm.start_timer();
        if let Err(error) = shared.publisher.publish(&queue, message).await {
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
        Depth::Ready(messages) => shared.windows.seen(channel, lane, messages.into()),
        Depth::Lost => {
            shared.windows.seen(channel, lane, 0);
            let client = shared.pool(lane).get().await?;
            let jobs = admit::queue_lost(&client, channel, lane).await?;
            if jobs > 0 {
                shared.metrics.queues_lost.inc();
                tracing::warn!(%channel, %lane, jobs, "the broker had lost a queue: its jobs are published again");
            }
        }
    }
    shared
        .metrics
        .in_flight
        .with_label_values(&[channel.as_str(), lane.as_str()])
        .set(shared.windows.waiting(channel, lane));
    Ok(())
}

/// Looks at every queue each 500 ms, and at the busy ones each 50 ms.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 0u64.. {
        tokio::select! { () = stop.cancelled() => break, _ = tick.tick() => {} }
        if !shared.publisher.is_up() {
            continue;
        }
        for channel in CHANNELS {
            for &lane in Lane::ALL {
                let wanted = round % 10 == 0 || shared.windows.waiting(channel, lane) > 0;
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
        let windows = Windows::new(100);
        windows.published(Channel::Email, Lane::Bulk, 60);
        windows.published(Channel::Email, Lane::Bulk, 60);
        assert!(windows.room(Channel::Email, Lane::Bulk) < 0);
        assert_eq!(windows.room(Channel::Email, Lane::Urgent), 100, "lanes do not share windows");
        windows.seen(Channel::Email, Lane::Bulk, 1);
        assert_eq!(windows.room(Channel::Email, Lane::Bulk), 40);
    }
}
