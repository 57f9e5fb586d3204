//! Claims, marks and outcomes of all running jobs of a lane, a few statements for many.
//!
//! Each retries while the database is away: an outcome must not be lost, and a claim that is given up too early would send
//! its pointer round the broker in circles. What is in hand is bounded by the prefetch, so waiting holds no memory.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use herald_shared::batch::{Batcher, batcher};
use herald_shared::db::claim::{self, Claimed, Mark, Want};
use herald_shared::db::replan::Replan;
use herald_shared::db::settle::{self, Done, Release};
use herald_shared::db::{self, ANSWER, Error, Pool};
use herald_shared::reconnect::Delays;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::Shared;
use crate::capacity::Place;

/// Jobs, calls or outcomes in one statement.
const SIZE: usize = 128;
/// How long a claim is kept from others while its run lives. The lease decides; this only frees what a defect has forgotten, so
/// it is far beyond what a job of slow calls takes.
const BACKSTOP: Duration = Duration::from_secs(6 * 3600);

/// What a job hands in when calls have ended.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) done: Vec<Done>,
    pub(crate) release: Option<Release>,
    /// Calls to be made next, in the same commit.
    pub(crate) marks: Vec<Mark>,
    /// The calls' permits, given back after the commit: a kill leaves no more unknown outcomes than the account has
    /// permits, counting those that have ended and are not recorded yet.
    pub(crate) permits: Vec<Place>,
}

/// A task for the process to own.
pub(crate) type Task = (&'static str, Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>);

/// The two batchers of a lane.
pub(crate) struct Batches {
    claims: Batcher<Want, Option<Claimed>>,
    records: Batcher<Record, Vec<bool>>,
}

impl Batches {
    /// The batchers and the tasks that must run for them.
    pub(crate) fn new(pool: Pool, shared: Arc<Shared>) -> (Self, Vec<Task>) {
        let parts =
            Arc::new(Parts { pool, shared, uncertain: AtomicBool::new(false), replan: Replan::default() });
        let (a, b) = (parts.clone(), parts);
        let (claims, claiming) = batcher(1, SIZE, move |wants| a.clone().claim(wants));
        // One at a time: a second statement would wait for the same plan rows, and a job's release must not overtake its outcomes.
        let (records, recording) = batcher(1, SIZE, move |records| b.clone().record(records));
        let tasks: Vec<Task> = vec![("claims", Box::pin(claiming)), ("records", Box::pin(recording))];
        (Batches { claims, records }, tasks)
    }

    /// Claims a job; `None`: it is not to be had, forget the pointer.
    pub(crate) async fn claim(&self, want: Want) -> Option<Claimed> {
        self.claims.submit(want).await.flatten()
    }

    /// Hands in outcomes and marks, in order; the receiver answers after their commit which of the marked calls may go out,
    /// with an error when nothing could be recorded.
    pub(crate) async fn record(&self, record: Record) -> oneshot::Receiver<Vec<bool>> {
        self.records.enqueue(record).await
    }
}

struct Parts {
    pool: Pool,
    shared: Arc<Shared>,
    /// The answer to a claim was lost: this run may hold jobs it does not know of.
    uncertain: AtomicBool,
    replan: Replan,
}

impl Parts {
    async fn claim(self: Arc<Self>, wants: Vec<Want>) -> Vec<Option<Claimed>> {
        let lease = &self.shared.lease;
        let attempt = || async {
            lease.alive().await;
            let client = self.pool.get().await?;
            let again = self.uncertain.load(Ordering::Acquire);
            let claim = async {
                let begun = Instant::now();
                let claimed = claim::claim(&client, lease.incarnation(), BACKSTOP, &wants, again).await?;
                let members = claimed.iter().map(|job| job.members.len()).sum();
                self.replan.judge(&client, begun.elapsed(), members).await;
                Ok(claimed)
            };
            let answer = timeout(ANSWER, claim).await;
            db::answered(client, answer)
        };
        let claimed = match self.until_available("claim", &attempt).await {
            Some(Ok(claimed)) => claimed,
            Some(Err(error)) if wants.len() > 1 => {
                tracing::error!(error = error.chain(), "a batch of claims failed: trying one by one");
                // It may have committed all the same (an answer that could not be read): what this run holds counts as free.
                self.uncertain.store(true, Ordering::Release);
                let mut all = Vec::with_capacity(wants.len());
                for want in wants {
                    all.extend(Box::pin(self.clone().claim(vec![want])).await);
                }
                return all;
            }
            Some(Err(error)) => {
                tracing::error!(job = wants[0].job, error = error.chain(), "a job cannot be claimed");
                Vec::new()
            }
            None => Vec::new(),
        };
        let mut by_job: std::collections::HashMap<i64, Claimed> =
            claimed.into_iter().map(|c| (c.job, c)).collect();
        wants.iter().map(|want| by_job.remove(&want.job)).collect()
    }

    async fn record(self: Arc<Self>, records: Vec<Record>) -> Vec<Vec<bool>> {
        let count = records.len();
        let done: Vec<Done> = records.iter().flat_map(|record| record.done.iter().cloned()).collect();
        let releases: Vec<Release> = records.iter().filter_map(|record| record.release.clone()).collect();
        let marks: Vec<Mark> = records.iter().flat_map(|record| record.marks.iter().cloned()).collect();
        let attempt = || async {
            let mut client = self.pool.get().await?;
            let run = self.shared.lease.incarnation();
            let settle = async {
                let begun = Instant::now();
                let settled = settle::settle_and_mark(&mut client, &done, &releases, run, &marks).await?;
                self.replan.judge(&client, begun.elapsed(), done.len() + releases.len() + marks.len()).await;
                Ok(settled)
            };
            let answer = timeout(ANSWER, settle).await;
            db::answered(client, answer)
        };
        match self.until_available("record", &attempt).await {
            Some(Ok((settled, marked))) => {
                let late = |position: &usize| settled.late.contains(position);
                let counted =
                    (0..done.len()).filter(|position| !late(position)).map(|position| &done[position]);
                crate::outcome::count(&self.shared, counted);
                for position in settled.late {
                    self.late(&done[position]).await;
                }
                let mut marked = marked.into_iter();
                records.iter().map(|record| marked.by_ref().take(record.marks.len()).collect()).collect()
            }
            Some(Err(error)) if count > 1 => {
                tracing::error!(error = error.chain(), "a batch of outcomes failed: trying one by one");
                let mut all = Vec::with_capacity(count);
                for record in records {
                    all.extend(Box::pin(self.clone().record(vec![record])).await);
                }
                // Whoever is left out learns that something was not recorded.
                if all.len() == count { all } else { Vec::new() }
            }
            Some(Err(error)) => {
                // A defect: better that the lease's end settles these as unknown than that they block everybody's.
                tracing::error!(calls = done.len(), error = error.chain(), "outcomes cannot be recorded");
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// The truth about a call whose attempt was given up meanwhile.
    async fn late(&self, done: &Done) {
        let attempt = || async {
            let mut client = self.pool.get().await?;
            let answer = timeout(ANSWER, settle::late(&mut client, done)).await;
            db::answered(client, answer)
        };
        let (plan, no, number) = (done.plan_id, done.lo, done.number);
        match self.until_available("record a late outcome", &attempt).await {
            Some(Ok(false)) => {
                self.shared.metrics.duplicates.inc();
                tracing::warn!(
                    plan,
                    no,
                    number,
                    "a message given up as unknown had gone out: it goes out twice"
                );
            }
            Some(Err(error)) => {
                let error = error.chain();
                tracing::error!(
                    plan,
                    no,
                    number,
                    error,
                    "a late outcome cannot be recorded: it stays unknown"
                );
            }
            Some(Ok(true)) | None => {}
        }
    }

    /// Tries until the database answers, or the process stops and its lease has lapsed. Conflicts are tried again at once.
    async fn until_available<T, F>(&self, what: &str, attempt: &impl Fn() -> F) -> Option<Result<T, Error>>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut delays = Delays::default();
        loop {
            match attempt().await {
                Ok(value) => return Some(Ok(value)),
                Err(error) if error.is_unavailable() => {
                    self.uncertain.store(true, Ordering::Release);
                    tracing::warn!(error = error.chain(), "cannot {what} just now: trying again");
                }
                Err(error) => return Some(Err(error)),
            }
            let pause = delays.next_delay();
            // A stopping process waits for the database as long as its lease would hold, no longer.
            if self.shared.stop.is_cancelled() && !self.shared.lease.is_alive() {
                return None;
            }
            tokio::time::sleep(pause).await;
        }
    }
}
