//! Commits plans. Small plans of parallel requests share a transaction: whatever is waiting when a connection becomes
//! free, no timer. A lone request is a batch of one and waits for nobody.

use std::sync::Arc;
use std::time::Instant;

use deadpool_postgres::Pool;
use herald_shared::amqp::Waker;
use herald_shared::db::accept::{Accepted, IdBlock, NewPlan, StoredAnswer, accept};
use herald_shared::db::{self, Client};
use herald_shared::domain::ids::PlanRef;
use jiff::Timestamp;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::draft::Request;
use crate::error::{Problem, Result};
use crate::metrics::Metrics;

/// Transactions at once for small plans, and as many for large ones (each uses a connection).
pub const WRITERS: usize = 2;
/// A plan with more recipients goes alone, so that it delays nobody.
const SMALL: usize = 64;
/// Plans in one transaction.
const BATCH: usize = 128;
/// Plans waiting; more are told to come back.
const WAITING: usize = 1024;

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// Committed.
    Created {
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

struct Ticket {
    request: Request,
    reply: oneshot::Sender<Result<Outcome>>,
}

/// Takes validated plans and gets them committed.
pub struct Batcher {
    writer: Arc<Writer>,
    small: mpsc::Sender<Ticket>,
    waiting: Arc<Mutex<mpsc::Receiver<Ticket>>>,
    large: Semaphore,
}

impl Batcher {
    /// A batcher; nothing small is written until [`Batcher::run`] runs.
    #[must_use]
    pub fn new(pool: Pool, metrics: Metrics, waker: Waker) -> Self {
        let (small, waiting) = mpsc::channel(WAITING);
        let writer = Arc::new(Writer { pool, metrics, waker, ids: IdBlock::plans() });
        Batcher { writer, small, waiting: Arc::new(Mutex::new(waiting)), large: Semaphore::new(WRITERS) }
    }

    /// Commits one plan.
    ///
    /// Dropping the future does not stop a small plan: with an Idempotency-Key the caller gets its answer by asking again.
    ///
    /// # Errors
    /// 503 while the database is away or too many plans wait; whatever else the database says.
    pub async fn submit(&self, request: Request) -> Result<Outcome> {
        if request.draft.recipients.len() > SMALL {
            let turn = self.large.acquire().await.map_err(|_| stopping())?;
            let (reply, answer) = oneshot::channel();
            self.writer.write(vec![Ticket { request, reply }]).await;
            drop(turn);
            return answer.await.map_err(|_| stopping())?;
        }
        let (reply, answer) = oneshot::channel();
        self.small
            .try_send(Ticket { request, reply })
            .map_err(|_| Problem::unavailable("Too many plans at once; try again.", 1))?;
        answer.await.map_err(|_| stopping())?
    }

    /// The task of one writer; run [`WRITERS`] of them. It ends at `stop`, which must come after the last request.
    pub fn run(&self, stop: CancellationToken) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let (writer, waiting) = (self.writer.clone(), self.waiting.clone());
        async move {
            loop {
                let mut tickets = Vec::new();
                let mut receiver = waiting.lock().await;
                tokio::select! {
                    _ = receiver.recv_many(&mut tickets, BATCH) => drop(receiver),
                    () = stop.cancelled() => return Ok(()),
                }
                writer.write(tickets).await;
            }
        }
    }
}

fn stopping() -> Problem {
    Problem::unavailable("This process is stopping; try again.", 1)
}

struct Writer {
    pool: Pool,
    metrics: Metrics,
    waker: Waker,
    ids: IdBlock,
}

/// A plan on its way: what is written, and what its sender will read.
struct Prepared {
    reply: oneshot::Sender<Result<Outcome>>,
    location: String,
    body: String,
}

impl Writer {
    async fn write(&self, tickets: Vec<Ticket>) {
        // Whoever hung up while waiting is not worked for.
        let tickets: Vec<Ticket> = tickets.into_iter().filter(|ticket| !ticket.reply.is_closed()).collect();
        if tickets.is_empty() {
            return;
        }
        match self.client().await {
            Ok(mut client) => self.write_with(&mut client, tickets).await,
            Err(problem) => {
                for ticket in tickets {
                    answer(ticket.reply, Err(problem.clone()));
                }
            }
        }
    }

    async fn write_with(&self, client: &mut Client, tickets: Vec<Ticket>) {
        let (mut plans, mut prepared) = (Vec::with_capacity(tickets.len()), Vec::with_capacity(tickets.len()));
        for Ticket { request, reply } in tickets {
            match self.ids.next(client).await {
                Ok(id) => {
                    let (plan, location, body) = request.into_plan(id, Timestamp::now());
                    plans.push(plan);
                    prepared.push(Prepared { reply, location, body });
                }
                Err(error) => answer(reply, Err(error.into())),
            }
        }
        if plans.is_empty() {
            return;
        }
        match commit(client, &plans).await {
            Ok(accepted) => {
                for ((accepted, plan), prepared) in accepted.into_iter().zip(&plans).zip(prepared) {
                    self.report(accepted, plan, prepared);
                }
            }
            Err(error) if plans.len() == 1 || error.is_unavailable() => {
                let problem = Problem::from(error);
                for prepared in prepared {
                    answer(prepared.reply, Err(problem.clone()));
                }
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), plans = plans.len(), "a batch failed: its plans go one by one");
                self.one_by_one(client, &plans, prepared).await;
            }
        }
    }

    /// One bad plan must not fail its neighbours.
    async fn one_by_one(&self, client: &mut Client, plans: &[NewPlan], prepared: Vec<Prepared>) {
        for (plan, prepared) in plans.iter().zip(prepared) {
            match commit(client, std::slice::from_ref(plan)).await {
                Ok(mut accepted) => match accepted.pop() {
                    Some(accepted) => self.report(accepted, plan, prepared),
                    None => answer(prepared.reply, Err(stopping())),
                },
                Err(error) => answer(prepared.reply, Err(error.into())),
            }
        }
    }

    fn report(&self, accepted: Accepted, plan: &NewPlan, prepared: Prepared) {
        let Prepared { reply, location, body } = prepared;
        let outcome = match accepted {
            Accepted::Created { wakes } => {
                self.metrics.accepted(plan.lane);
                self.waker.try_wake(wakes);
                Outcome::Created { location, body }
            }
            Accepted::Replayed(stored) => Outcome::Replayed(stored),
            Accepted::KeyReused => Outcome::KeyReused,
            Accepted::ReferenceTaken(first) => Outcome::ReferenceTaken(first),
        };
        answer(reply, Ok(outcome));
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

/// A receiver that is gone has hung up; the plan stands, its Idempotency-Key finds it.
fn answer(reply: oneshot::Sender<Result<Outcome>>, outcome: Result<Outcome>) {
    drop(reply.send(outcome));
}
