//! The big plan of another tenant: it runs while its neighbour is measured, and rests in between.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use crate::bulk::audience;
use crate::herald::{Herald, Plan};

/// The plan must move within this after it was sent or resumed.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOK: Duration = Duration::from_millis(50);

/// How the big plan calls its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Calls {
    /// A text with the person's name: a call each, the most work for the longest time.
    Each,
    /// The same text for everybody: a thousand people a call. A million are gone in some 20 s: use short runs.
    Shared,
}

/// A plan of many people.
pub(super) struct Big {
    herald: Herald,
    calls: Calls,
    priority: String,
    people: u64,
    id: Option<String>,
}

impl Big {
    pub(super) fn new(herald: Herald, calls: Calls, priority: &str, people: u64) -> Self {
        Self { herald, calls, priority: priority.to_owned(), people, id: None }
    }

    /// Has it running: the one that rests if there is much of it left, else a new one.
    pub(super) async fn run(&mut self) -> anyhow::Result<Plan> {
        let rested = match self.id.take() {
            None => None,
            Some(id) => {
                let plan = self.herald.plan(&id).await?;
                let enough = plan.status == "paused" && plan.deliveries.sent < self.people / 2;
                enough.then_some(id)
            }
        };
        let id = match rested {
            Some(id) => {
                self.herald.order(&id, "resume").await?;
                id
            }
            None => self.fresh().await?,
        };
        let before = self.herald.plan(&id).await?.deliveries.sent;
        self.id = Some(id);
        let begun = Instant::now();
        loop {
            let plan = self.now().await?;
            if plan.deliveries.sent > before {
                return Ok(plan);
            }
            ensure!(
                begun.elapsed() < PATIENCE,
                "the big plan does not move: {} {:?}",
                plan.status,
                plan.deliveries
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn fresh(&self) -> anyhow::Result<String> {
        let text = match self.calls {
            Calls::Each => "{{ name }}, no water from 14:00 to 16:00 today.",
            Calls::Shared => "No water from 14:00 to 16:00 today.",
        };
        let plan = json!({
            "title": "Water", "content": {"text": text}, "channels": ["wecom"], "priority": self.priority,
        });
        let id = self.herald.draft(plan).await?;
        eprintln!("uploading {} people for the big plan", self.people);
        self.herald.upload(&id, audience::csv(self.people), self.people).await?;
        self.herald.order(&id, "send").await?;
        Ok(id)
    }

    pub(super) async fn now(&self) -> anyhow::Result<Plan> {
        let id = self.id.as_deref().expect("it has been run");
        self.herald.plan(id).await
    }

    /// Lets it rest, so that what follows is alone.
    pub(super) async fn rest(&self) -> anyhow::Result<()> {
        let plan = self.now().await?;
        if plan.status == "running" {
            self.herald.order(&plan.id, "pause").await?;
        }
        Ok(())
    }

    /// Ends it.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        let Some(id) = self.id else { return Ok(()) };
        let plan = self.herald.plan(&id).await?;
        if matches!(plan.status.as_str(), "running" | "paused") {
            self.herald.order(&id, "stop").await?;
        }
        Ok(())
    }
}
