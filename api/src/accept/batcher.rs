//! Commits plans. Small plans of parallel requests share a transaction; large ones go alone, so that they delay nobody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use herald_shared::amqp::Waker;
use herald_shared::batch::{self, batcher};
use herald_shared::db::accept::{Accepted, IdBlock, NewPlan, StoredAnswer, accept};
use herald_shared::db::{self, Client};
use herald_shared::domain::ids::PlanRef;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::draft::Request;
use crate::error::{Problem, Result};
use crate::metrics::Metrics;

/// Transactions at once for small plans, and as many for large ones; each uses a connection.
const WRITERS: usize = 2;
/// The connections they use at most.
pub const CONNECTIONS: usize = 2 * WRITERS;
/// A plan with more recipients goes alone.
const SMALL: usize = 64;
/// Plans in one transaction.
const BATCH: usize = 128;

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// Committed.
    Created {
        /// A draft: nothing goes out yet.
        held: bool,
        /// `/v1/plans/{id}`.
        location: String,
        /// The plan as JSON.
        body: String,
    },
    /// Answered before under the same Idempotency-Key.
    Replayed(StoredAnswer),
    /// The Idempotency-Key belongs to another body.
    KeyReused,
    /// Another plan has the reference.
    ReferenceTaken(PlanRef),
}

/// Takes validated plans and gets them committed.
pub struct Batcher {
    writer: Arc<Writer>,
    small: batch::Batcher<Request, Result<Outcome>>,
    large: Semaphore,
}

impl Batcher {
    /// A batcher and the task that must run for it; the task ends when the batcher is gone and all is written.
    pub fn new(
        pool: Pool,
        metrics: Metrics,
        waker: Waker,
        answer: Duration,
    ) -> (Self, impl Future<Output = anyhow::Result<()>> + Send) {
        let writer = Arc::new(Writer { pool, metrics, waker, answer, ids: IdBlock::plans() });
        let small_writer = writer.clone();
        let (small, run) = batcher(WRITERS, BATCH, move |requests: Vec<Request>| {
            let writer = small_writer.clone();
            async move { writer.write(requests).await }
        });
        (Batcher { writer, small, large: Semaphore::new(WRITERS) }, run)
    }

    /// Commits one plan.
    ///
    /// Dropping the future does not stop a small plan: with an Idempotency-Key the caller gets its answer by asking again.
    ///
    /// # Errors
    /// 503 while the database is away; whatever else the database says.
    pub async fn submit(&self, request: Request) -> Result<Outcome> {
        if request.draft.recipients.len() <= SMALL {
            return self.small.submit(request).await.unwrap_or_else(|| Err(stopping()));
        }
        let turn = self.large.acquire().await.map_err(|_| stopping())?;
        let outcome = self.writer.write(vec![request]).await.pop();
        drop(turn);
        outcome.unwrap_or_else(|| Err(stopping()))
    }
}

fn stopping() -> Problem {
    Problem::unavailable("This process is stopping; try again.", 1)
}

struct Writer {
    pool: Pool,
    metrics: Metrics,
    waker: Waker,
    /// Longest wait for the database: its own limits end a statement sooner, so a connection silent for so long is dead.
    answer: Duration,
    ids: IdBlock,
}

/// What the sender of a plan will read.
struct Told {
    location: String,
    body: String,
}

impl Writer {
    /// One answer per request, in order.
    async fn write(&self, requests: Vec<Request>) -> Vec<Result<Outcome>> {
        let count = requests.len();
        match self.try_write(requests).await {
            Ok(outcomes) => outcomes,
            Err(problem) => vec![problem; count].into_iter().map(Err).collect(),
        }
    }

    async fn try_write(&self, requests: Vec<Request>) -> Result<Vec<Result<Outcome>>> {
        let mut client = self.client().await?;
        let written = tokio::time::timeout(self.answer, self.write_by(&mut client, requests)).await;
        written.unwrap_or_else(|_| {
            drop(Client::take(client));
            Err(db::Error::Deadline.into())
        })
    }

    async fn write_by(&self, client: &mut Client, requests: Vec<Request>) -> Result<Vec<Result<Outcome>>> {
        let (mut plans, mut told) = (Vec::with_capacity(requests.len()), Vec::with_capacity(requests.len()));
        for request in requests {
            let id = self.ids.next(client).await?;
            let (plan, location, body) = request.into_plan(id, Timestamp::now());
            plans.push(plan);
            told.push(Told { location, body });
        }
        match commit(client, &plans).await {
            Ok(accepted) => {
                let all = accepted.into_iter().zip(&plans).zip(told);
                Ok(all.map(|((accepted, plan), told)| Ok(self.report(accepted, plan, told))).collect())
            }
            Err(error) if plans.len() == 1 || error.is_unavailable() => Err(error.into()),
            Err(error) => {
                tracing::warn!(
                    error = error.chain(),
                    plans = plans.len(),
                    "a batch failed: its plans go one by one"
                );
                Ok(self.one_by_one(client, &plans, told).await)
            }
        }
    }

    /// One bad plan must not fail its neighbours.
    async fn one_by_one(
        &self,
        client: &mut Client,
        plans: &[NewPlan],
        told: Vec<Told>,
    ) -> Vec<Result<Outcome>> {
        let mut outcomes = Vec::with_capacity(plans.len());
        for (plan, told) in plans.iter().zip(told) {
            outcomes.push(match commit(client, std::slice::from_ref(plan)).await {
                Ok(mut accepted) => {
                    accepted.pop().map(|accepted| self.report(accepted, plan, told)).ok_or_else(stopping)
                }
                Err(error) => Err(error.into()),
            });
        }
        outcomes
    }

    fn report(&self, accepted: Accepted, plan: &NewPlan, told: Told) -> Outcome {
        match accepted {
            Accepted::Created { wakes } => {
                if !plan.held {
                    self.metrics.accepted(plan.lane);
                }
                self.waker.try_wake(wakes);
                Outcome::Created { held: plan.held, location: told.location, body: told.body }
            }
            Accepted::Replayed(stored) => Outcome::Replayed(stored),
            Accepted::KeyReused => Outcome::KeyReused,
            Accepted::ReferenceTaken(first) => Outcome::ReferenceTaken(first),
        }
    }

    async fn client(&self) -> Result<Client> {
        let started = Instant::now();
        let client = self.pool.get().await.map_err(db::Error::from)?;
        self.metrics.waited(started);
        Ok(client)
    }
}

/// One transaction; once more when it lost against a concurrent one.
async fn commit(client: &mut Client, plans: &[NewPlan]) -> Result<Vec<Accepted>, db::Error> {
    match accept(client, plans).await {
        Err(error) if error.is_conflict() => accept(client, plans).await,
        result => result,
    }
}
