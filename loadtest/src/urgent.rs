//! Urgent singles to the webhook stand-in at a fixed rate, each due by the clock.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::arrivals::{Arrivals, Measured};
use crate::herald::{Herald, finished, text};
use crate::pace::{self, Tick};

/// A run is given up when this long after its last message was due some have not arrived.
const PATIENCE: Duration = Duration::from_secs(60);

/// What all runs share.
#[derive(Clone)]
pub(crate) struct Urgent {
    pub(crate) herald: Herald,
    pub(crate) arrivals: Arc<Arrivals>,
    /// Of the stand-in.
    pub(crate) url: String,
}

impl Urgent {
    /// `count` plans at `rate` a second, from due to arrival; returns when all of them are recorded.
    pub(crate) async fn run(&self, rate: f64, count: usize) -> anyhow::Result<Measured> {
        let since = finished::just_before_now();
        let measured = self.arrive(rate, count).await?;
        // What records the outcomes of this run must not disturb the next.
        self.herald.wait_idle(&since, PATIENCE).await?;
        Ok(measured)
    }

    /// The same; returns when all have arrived.
    pub(crate) async fn arrive(&self, rate: f64, count: usize) -> anyhow::Result<Measured> {
        let run = self.arrivals.begin(count);
        let mut ticks = pace::ticks(rate, count);
        while let Some(tick) = ticks.recv().await {
            let load = self.clone();
            tokio::spawn(async move { load.post(run, tick).await });
        }
        self.arrivals.finish(PATIENCE).await
    }

    async fn post(&self, run: u64, tick: Tick) {
        let body = json!({
            "title": Arrivals::title(run, tick.index), "content": {"text": text()}, "recipients": [self.url],
            "channels": ["webhook"], "priority": "urgent",
        });
        self.arrivals.started(tick);
        // A plan that was not accepted shows as a message that does not arrive; this says why.
        if let Err(error) = self.herald.accept_plan(body.to_string().into_bytes()).await {
            eprintln!("{error:#}");
        }
    }
}
