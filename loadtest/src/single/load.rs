//! The clients of `single`: each posts its next plan when the one before is accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Channel;
use crate::herald::{Herald, Posted, text};
use crate::pace;
use crate::progress::Progress;
use crate::standins::webhook;

/// Plans looked at one by one after a round.
const SAMPLE: usize = 50;

/// The clients' common part.
pub(crate) struct Load {
    pub(crate) herald: Herald,
    channel: Channel,
    url: String,
    priority: String,
    later: bool,
}

/// What the clients did together.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) ids: Vec<String>,
    /// Each client's last.
    pub(crate) newest: Vec<String>,
    pub(crate) times: Vec<Duration>,
    pub(crate) throttled: usize,
}

impl Load {
    pub(crate) fn new(herald: Herald, channel: Channel, url: String, priority: &str) -> Self {
        Self { herald, channel, url, priority: priority.to_owned(), later: false }
    }

    /// The plans are due in an hour and expire a second later: they are accepted and nothing more.
    pub(crate) fn for_later(self) -> Self {
        Self { later: true, ..self }
    }

    pub(crate) async fn post_for(self: &Arc<Self>, clients: usize, time: Duration) -> anyhow::Result<Done> {
        let end = Instant::now() + time;
        let number = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let (load, number) = (Arc::clone(self), Arc::clone(&number));
            tasks.spawn(async move { load.client(&number, end).await });
        }
        let mut all = Done::default();
        while let Some(done) = tasks.join_next().await {
            let done = done??;
            all.newest.extend(done.ids.last().cloned());
            all.ids.extend(done.ids);
            all.times.extend(done.times);
            all.throttled += done.throttled;
        }
        Ok(all)
    }

    /// Posts `rate` a second by the clock for `time`, however long the answers take; times count from when each was due.
    pub(crate) async fn post_at(self: &Arc<Self>, rate: f64, time: Duration) -> anyhow::Result<Done> {
        let mut ticks = pace::ticks(rate, (rate * time.as_secs_f64()).ceil() as usize);
        let mut tasks = JoinSet::new();
        while let Some(tick) = ticks.recv().await {
            let load = Arc::clone(self);
            tasks.spawn(async move {
                let body = load.plan(tick.index).to_string().into_bytes();
                anyhow::Ok((load.herald.accept_plan(body).await?, tick.due.elapsed()))
            });
        }
        let mut all = Done::default();
        while let Some(done) = tasks.join_next().await {
            let (id, time) = done??;
            all.ids.push(id);
            all.times.push(time);
        }
        Ok(all)
    }

    async fn client(&self, number: &AtomicUsize, end: Instant) -> anyhow::Result<Done> {
        let mut done = Done::default();
        while Instant::now() < end {
            let body = self.plan(number.fetch_add(1, Ordering::Relaxed)).to_string().into_bytes();
            let begun = Instant::now();
            match self.herald.post_plan(body).await? {
                Posted::Accepted(id) => {
                    done.times.push(begun.elapsed());
                    done.ids.push(id);
                }
                Posted::Throttled(wait) => {
                    done.throttled += 1;
                    tokio::time::sleep(wait).await;
                }
            }
        }
        Ok(done)
    }

    fn plan(&self, number: usize) -> Value {
        let (channel, recipient) = match self.channel {
            Channel::Webhook => ("webhook", json!(self.url)),
            Channel::Inbox => ("inbox", json!({"key": format!("single-{number}")})),
        };
        let mut plan = json!({
            "title": format!("single {number}"), "content": {"text": text()}, "recipients": [recipient],
            "channels": [channel], "priority": self.priority,
        });
        if self.later {
            let due = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
            plan["send_at"] = json!(due.to_string());
            plan["expires_at"] = json!((due + jiff::SignedDuration::from_secs(1)).to_string());
        }
        plan
    }

    /// Stops plans that were accepted for later: as jobs to come they would be in the way of what is measured next.
    pub(crate) async fn stop_all(self: &Arc<Self>, ids: Vec<String>, at_once: usize) -> anyhow::Result<()> {
        let mut progress = Progress::new("stopped", ids.len() as u64);
        let mut tasks = JoinSet::new();
        let mut done = 0;
        for id in ids {
            if tasks.len() >= at_once {
                tasks.join_next().await.transpose()?.transpose()?;
                done += 1;
                progress.show(done);
            }
            let load = Arc::clone(self);
            tasks.spawn(async move { load.herald.order(&id, "stop").await.map(drop) });
        }
        while let Some(stopped) = tasks.join_next().await {
            stopped??;
        }
        Ok(())
    }

    /// Waits until the receiver has seen as many messages, where it can tell: asking Herald would cost Herald.
    pub(crate) async fn arrived(
        &self,
        count: usize,
        standin: &webhook::Handle,
        limit: Duration,
    ) -> anyhow::Result<()> {
        if let Channel::Webhook = self.channel {
            standin.wait_for(|received| received.accepted_by_id.len() >= count, limit).await?;
        }
        Ok(())
    }

    /// Every plan must have been sent, exactly once where the receiver can tell.
    pub(crate) async fn check(&self, ids: &[String], standin: &webhook::Handle) -> anyhow::Result<()> {
        if let Channel::Webhook = self.channel {
            let (seen, repeated) = standin.read(|received| {
                let repeated = received.accepted_by_id.values().filter(|tally| tally.count > 1).count();
                (received.accepted_by_id.len(), repeated)
            });
            ensure!(seen == ids.len(), "the receiver saw {seen} messages of {}", ids.len());
            if repeated > 0 {
                eprintln!("{repeated} messages arrived more than once");
            }
        }
        let sample = fastrand::choose_multiple(ids, SAMPLE);
        for id in sample {
            let plan = self.herald.plan(id).await?;
            ensure!(plan.deliveries.sent == 1, "plan {id} is {} with {:?}", plan.status, plan.deliveries);
        }
        Ok(())
    }
}
