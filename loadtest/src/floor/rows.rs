//! The rows floor: what Postgres takes to write a delivery's life plainly, without HTTP and broker.
//!
//! Frozen: `delivery(id bigint PRIMARY KEY)`, ff 60; per chunk of 1000 four statements in three synced commits
//! (insert; claim; outcome with an attempt row each); two connections that take every other chunk.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;
use tokio_postgres::{Client, Statement};

use super::scratch::Scratch;
use crate::env::Env;
use crate::interrupt::interruptible;
use crate::report::whole;
use crate::stats;

const TABLES: &str = "
    CREATE TABLE delivery (
        id bigint PRIMARY KEY, plan_id bigint NOT NULL, no integer NOT NULL, status smallint NOT NULL DEFAULT 0,
        attempt smallint NOT NULL DEFAULT 1, account_id bigint, updated_at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 60);
    CREATE TABLE attempt (
        id bigint PRIMARY KEY, number smallint NOT NULL, started_at timestamptz NOT NULL,
        ended_at timestamptz NOT NULL, outcome smallint NOT NULL, code text
    );";
const INSERT: &str = "INSERT INTO delivery (id, plan_id, no)
    SELECT id, 1, id::int FROM generate_series($1::int8, $2::int8) id";
const CLAIM: &str = "UPDATE delivery SET status = 2, account_id = 1, updated_at = now()
    WHERE id BETWEEN $1 AND $2 AND status = 0";
const OUTCOME: &str = "UPDATE delivery SET status = 3, updated_at = now()
    WHERE id BETWEEN $1 AND $2 AND status = 2";
const ATTEMPT: &str = "INSERT INTO attempt SELECT id, 1, now(), now(), 0, 'ok'
    FROM generate_series($1::int8, $2::int8) id";

const CONNECTIONS: usize = 2;
const CHUNK: usize = 1000;

/// How long it took.
#[derive(Debug, Serialize)]
pub(crate) struct Rows {
    rows: usize,
    seconds: f64,
    pub(crate) per_second: f64,
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "rows floor: {} deliveries/s ({} in {:.2} s, {CONNECTIONS} connections, chunks of {CHUNK})",
            whole(self.per_second),
            self.rows,
            self.seconds
        )
    }
}

/// Measures in a scratch schema of `DATABASE_URL`.
pub(crate) async fn run(env: &Env, rows: usize) -> anyhow::Result<Rows> {
    ensure!(rows > 0, "--rows must be at least 1");
    let scratch = Scratch::create(&env.required("DATABASE_URL")?, TABLES).await?;
    let measured = interruptible(measure(&scratch, rows)).await;
    scratch.remove().await?;
    let time = measured?;
    Ok(Rows { rows, seconds: time.as_secs_f64(), per_second: stats::rate(rows, time) })
}

async fn measure(scratch: &Scratch, rows: usize) -> anyhow::Result<Duration> {
    let mut lanes = Vec::new();
    for _ in 0..CONNECTIONS {
        lanes.push(Lane::open(scratch).await?);
    }
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, lane) in lanes.into_iter().enumerate() {
        tasks.spawn(async move {
            for from in (0..rows).step_by(CHUNK).skip(number).step_by(CONNECTIONS) {
                lane.chunk(from + 1..=rows.min(from + CHUNK)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(start.elapsed())
}

struct Lane {
    client: Client,
    insert: Statement,
    claim: Statement,
    outcome: Statement,
    attempt: Statement,
}

impl Lane {
    async fn open(scratch: &Scratch) -> anyhow::Result<Self> {
        let client = scratch.connect().await?;
        let insert = client.prepare(INSERT).await?;
        let claim = client.prepare(CLAIM).await?;
        let outcome = client.prepare(OUTCOME).await?;
        let attempt = client.prepare(ATTEMPT).await?;
        Ok(Self { client, insert, claim, outcome, attempt })
    }

    async fn chunk(&self, numbers: RangeInclusive<usize>) -> anyhow::Result<()> {
        let (low, high) = (i64::try_from(*numbers.start())?, i64::try_from(*numbers.end())?);
        let expected = numbers.count() as u64;
        let client = &self.client;
        let inserted = client.execute(&self.insert, &[&low, &high]).await?;
        let claimed = client.execute(&self.claim, &[&low, &high]).await?;
        client.batch_execute("BEGIN").await?;
        let sent = client.execute(&self.outcome, &[&low, &high]).await?;
        let attempts = client.execute(&self.attempt, &[&low, &high]).await?;
        client.batch_execute("COMMIT").await?;
        ensure!(
            [inserted, claimed, sent, attempts] == [expected; 4],
            "the floor's own statements missed rows: {inserted} {claimed} {sent} {attempts} of {expected}"
        );
        Ok(())
    }
}
