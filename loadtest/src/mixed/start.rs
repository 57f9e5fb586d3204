//! How soon a plan of a third tenant starts.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use crate::herald::Herald;
use crate::herald::account::Borrowed;
use crate::standins::webhook::{self, Key};

const PEOPLE: usize = 100;

/// Everybody of it must be reached within this.
const PATIENCE: Duration = Duration::from_secs(60);

/// The third tenant, with a receiver of its own.
pub(super) struct Third {
    herald: Herald,
    standin: webhook::Handle,
}

impl Third {
    pub(super) async fn open(herald: Herald) -> anyhow::Result<(Self, Borrowed)> {
        let key = Key::random();
        let options = webhook::Options { keys: vec![key.clone()], keep: 0, ..webhook::Options::default() };
        let standin = webhook::start(options).await?;
        let details = json!({"settings": {"timeout_ms": 10000}, "secret": {"signing_key": key.text()}});
        let account = Borrowed::create(&herald, "webhook", "webhook", details, true).await?;
        Ok((Self { herald, standin }, account))
    }

    /// Posts a normal plan of a hundred; from the POST to the first and to the last call.
    pub(super) async fn measure(&self) -> anyhow::Result<(Duration, Duration)> {
        self.standin.reset();
        let people: Vec<Value> = (0..PEOPLE)
            .map(|n| json!({"key": format!("C{n}"), "url": self.standin.url(&format!("/c/{n}"))}))
            .collect();
        let plan = json!({
            "title": "third", "content": {"text": "Water."}, "recipients": people, "channels": ["webhook"],
            "priority": "normal",
        });
        let posted = Instant::now();
        self.herald.accept_plan(plan.to_string().into_bytes()).await?;
        self.standin.wait_for(|received| received.requests >= PEOPLE as u64, PATIENCE).await?;
        let times = self.standin.read(|received| (received.first_at, received.last_at));
        let (Some(first), Some(last)) = times else { anyhow::bail!("nothing arrived") };
        let violations = self.standin.read(|received| received.violations.clone());
        ensure!(violations.is_empty(), "the receiver refused requests: {violations:?}");
        Ok((first - posted, last - posted))
    }
}
