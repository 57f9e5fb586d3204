//! The hops floor: the least that two durable steps with a broker between them can take.
//!
//! Frozen: per message, one after the other: INSERT (synced commit) -> publish to a quorum queue, persistent and
//! confirmed -> consume -> UPDATE (synced commit) -> signed HTTP POST to the webhook stand-in. Open loop. Four
//! connections for each of the two commits, one AMQP connection to publish and one to consume, one HTTP pool.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Statement};

use super::pointers::{declare, delete, publish};
use super::scratch::{Scratch, unique_name};
use crate::arrivals::{Arrivals, Measured};
use crate::env::Env;
use crate::interrupt::interruptible;
use crate::pace::{self, Tick};
use crate::report::{Table, tenth};
use crate::servers;
use crate::standins::webhook::{self, Key};
use crate::stats::Percentiles;

const TABLES: &str = "CREATE TABLE hop (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL, state smallint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 60)";
const FIRST: &str = "INSERT INTO hop (body) VALUES ($1) RETURNING id";
const SECOND: &str = "UPDATE hop SET state = 2, updated_at = now() WHERE id = $1 RETURNING body";
const CONNECTIONS: usize = 4;
const PREFETCH: u16 = 100;

/// A run is given up when this long after its last message was due some have not arrived.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections that take turns at one statement.
struct Turns {
    clients: Vec<(Client, Statement)>,
    next: AtomicUsize,
}

impl Turns {
    async fn open(scratch: &Scratch, sql: &str) -> anyhow::Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let client = scratch.connect().await?;
            let statement = client.prepare(sql).await?;
            clients.push((client, statement));
        }
        Ok(Self { clients, next: AtomicUsize::new(0) })
    }

    fn take(&self) -> &(Client, Statement) {
        &self.clients[self.next.fetch_add(1, Ordering::Relaxed) % self.clients.len()]
    }
}

/// What travels through the broker.
#[derive(Debug, Deserialize, Serialize)]
struct Pointer {
    id: i64,
    title: String,
}

/// The hops' servers, ready for runs.
pub(crate) struct Hops {
    scratch: Scratch,
    steps: Arc<Steps>,
    consumer: JoinHandle<()>,
    connections: [Connection; 2],
}

struct Steps {
    first: Turns,
    second: Turns,
    publisher: Channel,
    queue: String,
    http: reqwest::Client,
    target: Target,
}

/// Where the last hop goes.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) key: Key,
}

impl Hops {
    /// Makes the scratch schema and queue.
    pub(crate) async fn open(env: &Env, target: Target) -> anyhow::Result<Self> {
        let scratch = Scratch::create(&env.required("DATABASE_URL")?, TABLES).await?;
        match Self::connect(env, target, &scratch).await {
            Ok((steps, consumer, connections)) => Ok(Self { scratch, steps, consumer, connections }),
            Err(error) => {
                scratch.remove().await?;
                Err(error)
            }
        }
    }

    async fn connect(
        env: &Env,
        target: Target,
        scratch: &Scratch,
    ) -> anyhow::Result<(Arc<Steps>, JoinHandle<()>, [Connection; 2])> {
        let url = env.required("AMQP_URL")?;
        let connections = [servers::amqp(&url).await?, servers::amqp(&url).await?];
        let publisher = connections[0].create_channel().await?;
        let consumer = connections[1].create_channel().await?;
        let steps = Arc::new(Steps {
            first: Turns::open(scratch, FIRST).await?,
            second: Turns::open(scratch, SECOND).await?,
            queue: unique_name(),
            publisher,
            http: servers::http(PATIENCE)?,
            target,
        });
        declare(&steps.publisher, &steps.queue).await?;
        consumer.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let queue = steps.queue.as_str();
        let mut deliveries = consumer.basic_consume(queue.into(), "floor".into(), options, arguments).await?;
        let shared = Arc::clone(&steps);
        let task = tokio::spawn(async move {
            while let Some(Ok(delivery)) = deliveries.next().await {
                let steps = Arc::clone(&shared);
                tokio::spawn(async move { complain(steps.after_hop(delivery).await) });
            }
        });
        Ok((steps, task, connections))
    }

    /// One open-loop run; the stand-in's observer is `arrivals`.
    pub(crate) async fn run(
        &self,
        arrivals: &Arc<Arrivals>,
        rate: f64,
        count: usize,
    ) -> anyhow::Result<Measured> {
        let run = arrivals.begin(count);
        let mut ticks = pace::ticks(rate, count);
        while let Some(tick) = ticks.recv().await {
            let (steps, arrivals) = (Arc::clone(&self.steps), Arc::clone(arrivals));
            tokio::spawn(async move { complain(steps.before_hop(&arrivals, run, tick).await) });
        }
        arrivals.finish(PATIENCE).await
    }

    /// Removes schema and queue.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        delete(&self.steps.publisher, &self.steps.queue).await?;
        self.consumer.abort();
        for connection in self.connections {
            connection.close(200, "done".into()).await?;
        }
        self.scratch.remove().await
    }
}

/// A failed step shows as a message that does not arrive; this says why.
fn complain(result: anyhow::Result<()>) {
    if let Err(error) = result {
        eprintln!("hops floor: {error:#}");
    }
}

impl Steps {
    async fn before_hop(&self, arrivals: &Arrivals, run: u64, tick: Tick) -> anyhow::Result<()> {
        arrivals.started(tick);
        let (client, statement) = self.first.take();
        let body = crate::herald::text();
        let id: i64 = client.query_one(statement, &[&body]).await?.get(0);
        let pointer = Pointer { id, title: Arrivals::title(run, tick.index) };
        publish(&self.publisher, &self.queue, &serde_json::to_vec(&pointer)?).await
    }

    async fn after_hop(&self, delivery: Delivery) -> anyhow::Result<()> {
        let pointer: Pointer = serde_json::from_slice(&delivery.data)?;
        let (client, statement) = self.second.take();
        let body: String = client.query_one(statement, &[&pointer.id]).await?.get(0);
        self.post(&pointer, &body).await?;
        delivery.ack(BasicAckOptions::default()).await?;
        Ok(())
    }

    async fn post(&self, pointer: &Pointer, text: &str) -> anyhow::Result<()> {
        let id = uuid::Uuid::now_v7().to_string();
        let seconds = i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_secs())?;
        let body = serde_json::to_vec(&serde_json::json!({
            "id": id, "plan": id, "title": pointer.title, "text": text, "priority": "urgent",
        }))?;
        let answer = self
            .http
            .post(&self.target.url)
            .header("content-type", "application/json")
            .header("webhook-signature", webhook::sign(&self.target.key, &id, seconds, &body))
            .header("webhook-timestamp", seconds)
            .header("webhook-id", id)
            .body(body)
            .send()
            .await
            .context("POST to the stand-in")?;
        ensure!(answer.status().is_success(), "the stand-in answered {}", answer.status());
        answer.bytes().await?;
        Ok(())
    }
}

/// Runs of the floor alone.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    rate: f64,
    runs: Vec<Percentiles>,
    median: Option<Percentiles>,
    late_start_p99_ms: Vec<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["hops floor, ms", "p50", "p95", "p99", "max", "generator late p99"]);
        let cells = |run: &Percentiles| [run.p50, run.p95, run.p99, run.max].map(tenth);
        for (number, (run, late)) in self.runs.iter().zip(&self.late_start_p99_ms).enumerate() {
            table.row(format!("run {}", number + 1), cells(run).into_iter().chain([format!("{late:.2}")]));
        }
        if let Some(median) = &self.median {
            table.row("median", cells(median));
        }
        write!(f, "{} a second, open loop\n{table}", self.rate)
    }
}

/// Measures the floor alone.
pub(super) async fn run(env: &Env, rate: f64, count: usize, runs: usize) -> anyhow::Result<Report> {
    let arrivals = Arc::new(Arrivals::default());
    let key = Key::random();
    let options = webhook::Options {
        keys: vec![key.clone()],
        observer: Some(arrivals.observer()),
        ..webhook::Options::default()
    };
    let standin = webhook::start(options).await?;
    let hops = Hops::open(env, Target { url: standin.url("/hop"), key }).await?;
    let measured = interruptible(async {
        // Connections, caches and prepared statements warm up outside the measure.
        hops.run(&arrivals, rate, pace::warm_up(rate)).await?;
        let mut measured = Vec::new();
        for _ in 0..runs {
            measured.push(hops.run(&arrivals, rate, count).await?);
        }
        Ok(measured)
    })
    .await;
    hops.close().await?;
    let measured = measured?;
    let all: Vec<Percentiles> = measured.iter().map(|run| run.latency).collect();
    let late_start_p99_ms = measured.iter().map(|run| run.late_start.p99).collect();
    Ok(Report { rate, median: Percentiles::medians(&all), runs: all, late_start_p99_ms })
}
