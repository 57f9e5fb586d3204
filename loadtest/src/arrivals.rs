//! When each message of a timed run reached the webhook stand-in.
//!
//! A message carries `run-index` as its title; the stand-in is in this process, so both ends read one clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Deserialize;
use tokio::sync::Notify;

use crate::pace::Tick;
use crate::standins::webhook::{Arrival, Observer};
use crate::stats::Percentiles;

/// The run in progress.
#[derive(Default)]
pub(crate) struct Arrivals {
    run: Mutex<Run>,
    complete: Notify,
}

#[derive(Default)]
struct Run {
    number: u64,
    due: Vec<Option<Instant>>,
    arrived: Vec<Option<Instant>>,
    late_starts: Vec<Duration>,
    missing: usize,
    repeated: usize,
}

#[derive(Deserialize)]
struct Titled<'a> {
    #[serde(borrow)]
    title: std::borrow::Cow<'a, str>,
}

/// What one run measured.
pub(crate) struct Measured {
    /// From due to arrival.
    pub(crate) latency: Percentiles,
    /// From due to the start of the first step: what the generator itself added.
    pub(crate) late_start: Percentiles,
    /// Messages that arrived more than once.
    pub(crate) repeated: usize,
}

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the stand-in's options.
    pub(crate) fn observer(self: &Arc<Self>) -> Observer {
        let arrivals = Arc::clone(self);
        Arc::new(move |arrival| arrivals.note(arrival))
    }

    /// Begins a run of `count` messages; stragglers of the one before no longer count.
    pub(crate) fn begin(&self, count: usize) -> u64 {
        let mut run = self.lock();
        let number = run.number + 1;
        *run = Run { number, missing: count, ..Run::default() };
        run.due = vec![None; count];
        run.arrived = vec![None; count];
        number
    }

    /// The title of message `index`.
    pub(crate) fn title(run: u64, index: usize) -> String {
        format!("{run}-{index}")
    }

    /// Notes that the first step of a message begins now.
    pub(crate) fn started(&self, tick: Tick) {
        let late = tick.due.elapsed();
        let mut run = self.lock();
        run.due[tick.index] = Some(tick.due);
        run.late_starts.push(late);
    }

    fn note(&self, arrival: &Arrival<'_>) {
        let Ok(titled) = serde_json::from_slice::<Titled<'_>>(arrival.body) else { return };
        let Some((number, index)) = titled.title.split_once('-') else { return };
        let (Ok(number), Ok(index)) = (number.parse::<u64>(), index.parse::<usize>()) else { return };
        let mut run = self.lock();
        if run.number != number || index >= run.arrived.len() {
            return;
        }
        if run.arrived[index].is_some() {
            run.repeated += 1;
            return;
        }
        run.arrived[index] = Some(arrival.at);
        run.missing -= 1;
        if run.missing == 0 {
            self.complete.notify_waiters();
        }
    }

    /// Waits until all have arrived.
    ///
    /// # Errors
    ///
    /// Some have not within `limit`.
    pub(crate) async fn finish(&self, limit: Duration) -> anyhow::Result<Measured> {
        let complete = async {
            loop {
                let mut complete = std::pin::pin!(self.complete.notified());
                complete.as_mut().enable();
                if self.lock().missing == 0 {
                    return;
                }
                complete.await;
            }
        };
        let in_time = tokio::time::timeout(limit, complete).await.is_ok();
        let run = self.lock();
        ensure!(in_time, "{} of {} messages did not arrive within {limit:?}", run.missing, run.arrived.len());
        let times = run.due.iter().zip(&run.arrived).filter_map(|(due, at)| Some((*at)? - (*due)?)).collect();
        let (Some(latency), Some(late_start)) =
            (Percentiles::of(times), Percentiles::of(run.late_starts.clone()))
        else {
            anyhow::bail!("a run needs at least one message");
        };
        Ok(Measured { latency, late_start, repeated: run.repeated })
    }
}
