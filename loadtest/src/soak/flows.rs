//! The steady load of a soak: plans of several kinds at fixed times.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::herald::Herald;

/// Plans of one kind, one each `every`.
pub(super) struct Flow {
    pub(super) channel: &'static str,
    pub(super) priority: &'static str,
    pub(super) people: u64,
    pub(super) every: Duration,
}

impl Flow {
    /// Posts for `time`; the plans' ids.
    pub(super) async fn run(&self, herald: &Herald, time: Duration) -> anyhow::Result<Vec<String>> {
        let mut due = interval(self.every);
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let plans = (time.as_secs_f64() / self.every.as_secs_f64()).ceil() as u64;
        let mut ids = Vec::new();
        for number in 0..plans {
            due.tick().await;
            ids.push(herald.accept_plan(self.plan(number).to_string().into_bytes()).await?);
        }
        Ok(ids)
    }

    /// People differ from plan to plan, so that each is a delivery of its own at the provider.
    fn plan(&self, number: u64) -> Value {
        let people: Vec<Value> = (0..self.people)
            .map(|n| format!("soak-{number}-{n}"))
            .map(|id| json!({"key": id, "ids": {"wecom": id}}))
            .collect();
        json!({
            "title": format!("soak {number}"), "content": {"text": "No water from 14:00 to 16:00 today."},
            "recipients": people, "channels": [self.channel], "priority": self.priority,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_of_two_plans_differ() {
        let flow = Flow { channel: "wecom", priority: "bulk", people: 2, every: Duration::from_secs(1) };
        assert_eq!(flow.plan(3)["recipients"][1]["ids"]["wecom"], "soak-3-1");
        assert_eq!(flow.plan(3)["priority"], "bulk");
    }
}
