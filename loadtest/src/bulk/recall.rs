//! A recall in the middle: what it promises, checked at the provider's end.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::sleep;

use super::LOOK;
use crate::herald::Herald;
use crate::standins::wecom;

/// No call may start later than this after the answer.
const NO_LATER: Duration = Duration::from_secs(1);

/// Everybody must have a result this long after the answer.
const SETTLED: Duration = Duration::from_secs(30);

/// What was seen after a recall.
#[derive(Debug, Serialize)]
pub(super) struct Recalled {
    /// People whose delivery counted as sent when the recall was asked for.
    sent_before: u64,
    /// From the request to its answer.
    answer_ms: f64,
    /// Calls that reached the provider after the answer.
    calls_after_answer: usize,
    /// When the last of them did, after the answer.
    last_call_ms: f64,
    /// Calls that reached it more than a second after the answer.
    late_calls: usize,
    /// From the answer until everybody had a result; none: not in a minute.
    settled_seconds: Option<f64>,
    /// People sent to, in the end.
    pub(super) sent: u64,
}

impl Recalled {
    pub(super) fn is_kept(&self) -> bool {
        self.late_calls == 0 && self.settled_seconds.is_some_and(|seconds| seconds <= SETTLED.as_secs_f64())
    }
}

impl std::fmt::Display for Recalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "recalled after {} sent, answered in {:.0} ms: {} calls came after the answer (the last {:.0} ms), {} of them after {NO_LATER:?}",
            self.sent_before, self.answer_ms, self.calls_after_answer, self.last_call_ms, self.late_calls
        )?;
        match self.settled_seconds {
            Some(seconds) => writeln!(
                f,
                "everybody had a result {seconds:.1} s after the answer; {} were sent to",
                self.sent
            ),
            None => writeln!(f, "NOT everybody had a result {:?} after the answer", SETTLED * 2),
        }
    }
}

/// Recalls `plan` now and looks until everybody has a result.
pub(super) async fn recall(herald: &Herald, plan: &str, standin: &wecom::Handle) -> anyhow::Result<Recalled> {
    let sent_before = herald.plan(plan).await?.deliveries.sent;
    let asked = Instant::now();
    herald.order(plan, "recall").await?;
    let answered = Instant::now();
    let settled = settled(herald, plan, answered).await?;
    let sent = herald.plan(plan).await?.deliveries.sent;
    let after: Vec<Duration> = standin.read(|received| {
        received.call_times.iter().filter_map(|at| at.checked_duration_since(answered)).collect()
    });
    Ok(Recalled {
        sent_before,
        answer_ms: crate::stats::ms(answered - asked),
        calls_after_answer: after.len(),
        last_call_ms: after.iter().max().copied().map_or(0.0, crate::stats::ms),
        late_calls: after.iter().filter(|&&late| late > NO_LATER).count(),
        settled_seconds: settled.map(|time| time.as_secs_f64()),
        sent,
    })
}

async fn settled(herald: &Herald, plan: &str, answered: Instant) -> anyhow::Result<Option<Duration>> {
    while answered.elapsed() < SETTLED * 2 {
        let now = herald.plan(plan).await?;
        if now.recipients.pending == 0 && now.deliveries.open() == 0 {
            return Ok(Some(answered.elapsed()));
        }
        sleep(LOOK).await;
    }
    Ok(None)
}
