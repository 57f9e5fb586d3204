//! Waiting until plans are finished, through the public contract.

use std::time::{Duration, Instant};

use anyhow::ensure;
use reqwest::Method;
use serde::Deserialize;

use super::{Deliveries, Herald, Page};

/// Time between two looks at one plan.
const LOOK: Duration = Duration::from_millis(20);

/// Time between two looks at the tenant's list of plans, which costs the API more: at least this, and at least so many
/// times what the look took, so that looking does not slow down what is looked at.
const LOOK_AT_ALL: Duration = Duration::from_millis(100);
const REST: u32 = 9;

#[derive(Debug, Deserialize)]
struct Item {}

impl Herald {
    /// Waits until every plan of `ids` is finished; the sum of their deliveries.
    ///
    /// # Errors
    ///
    /// One ended otherwise, or not within `limit`.
    pub(crate) async fn wait_finished(&self, ids: &[String], limit: Duration) -> anyhow::Result<Deliveries> {
        let deadline = Instant::now() + limit;
        let mut all = Deliveries::default();
        for id in ids {
            loop {
                let plan = self.plan(id).await?;
                if plan.status == "finished" {
                    all.total += plan.deliveries.total;
                    all.sent += plan.deliveries.sent;
                    all.delivered += plan.deliveries.delivered;
                    break;
                }
                let open = matches!(plan.status.as_str(), "running" | "scheduled");
                ensure!(open, "plan {} is {}", plan.id, plan.status);
                ensure!(Instant::now() < deadline, "plan {} is not finished within {limit:?}", plan.id);
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(all)
    }

    /// Waits until no plan of the tenant that was created after `since` (RFC 3339) is scheduled or running.
    ///
    /// # Errors
    ///
    /// Some are after `limit`.
    pub(crate) async fn wait_idle(&self, since: &str, limit: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let begun = Instant::now();
            if !self.any_open(since).await? {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "plans are still running {limit:?} after the last was accepted"
            );
            tokio::time::sleep(LOOK_AT_ALL.max(begun.elapsed() * REST)).await;
        }
    }

    /// Waits until every plan created after `since` is finished; when that was.
    ///
    /// Looks at `newest`, the last ones accepted, and at the whole list (which costs the API more) only when these
    /// are finished.
    ///
    /// # Errors
    ///
    /// Some are not within `limit`.
    pub(crate) async fn wait_recorded(
        &self,
        newest: &[String],
        since: &str,
        limit: Duration,
    ) -> anyhow::Result<Instant> {
        self.wait_finished(newest, limit).await?;
        let finished = Instant::now();
        if !self.any_open(since).await? {
            return Ok(finished);
        }
        self.wait_idle(since, limit).await?;
        Ok(Instant::now())
    }

    async fn any_open(&self, since: &str) -> anyhow::Result<bool> {
        for status in ["running", "scheduled"] {
            let first = format!("/v1/plans?limit=1&status={status}&created_after={since}");
            let mut path = first.clone();
            loop {
                let page: Page<Item> = self.call(Method::GET, &path, None).await?;
                if !page.items.is_empty() {
                    return Ok(true);
                }
                let Some(cursor) = page.next_cursor else { break };
                path = format!("{first}&cursor={cursor}");
            }
        }
        Ok(false)
    }
}

/// Now, as `created_after` takes it; whole seconds in UTC, a second early so that clocks may differ a little.
pub(crate) fn just_before_now() -> String {
    let before = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(1);
    before.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
