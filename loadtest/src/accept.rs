//! Accept alone: plans that are due in an hour, so that nothing but the API and Postgres works, beside pgbench. They are
//! stopped after each round.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::env::Env;
use crate::floor::pgbench;
use crate::herald::Herald;
use crate::herald::account::Borrowed;
use crate::processes::{Meter, Used, Watched, whole_system};
use crate::report::{Table, emit, tenth, times, whole};
use crate::single::Channel;
use crate::single::load::Load;
use crate::stats::{self, Percentiles};

/// Limits of the ratio to pgbench, ARCHITECTURE.md "Speed".
const GATE: f64 = 0.7;
const GOAL: f64 = 1.0;

/// Options of `accept`.
#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    /// Clients; each posts its next plan when the one before is accepted.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// Plans a second, each due by the clock and its time counted from then, instead of clients that wait for each other.
    #[arg(long)]
    rate: Option<f64>,
    /// How long they post in a round.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Rounds; each with a pgbench floor before it.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Length of the pgbench floor before each round, in seconds.
    #[arg(long, default_value_t = 5)]
    floor_seconds: u32,
    /// A process whose CPU and memory are counted: NAME=URL of its /metrics or NAME=PID. Repeatable. Default: all.
    #[arg(long = "process", value_name = "NAME=URL|PID")]
    processes: Vec<Watched>,
    /// Disable the tenant's other inbox accounts for the time of the measurement, and enable them again after it.
    #[arg(long)]
    set_aside: bool,
    /// Fail (exit code 1) unless the median ratio to pgbench is at least 0.7.
    #[arg(long)]
    gate: bool,
}

#[derive(Debug, Serialize)]
struct Round {
    pgbench_per_second: f64,
    accepted: usize,
    throttled: usize,
    accepted_per_second: f64,
    ratio: f64,
    accept: Option<Percentiles>,
    processes: Vec<Used>,
}

#[derive(Debug, Serialize)]
struct Report {
    concurrency: usize,
    rate: Option<f64>,
    rounds: Vec<Round>,
    median_accepted_per_second: f64,
    median_pgbench_per_second: f64,
    median_ratio: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["accept", "accepted/s", "pgbench/s", "ratio", "p50 ms", "p99 ms"]);
        for (number, round) in self.rounds.iter().enumerate() {
            let figures =
                [whole(round.accepted_per_second), whole(round.pgbench_per_second), times(round.ratio)];
            let percentiles = round.accept.map(|accept| [tenth(accept.p50), tenth(accept.p99)]);
            table.row(
                format!("round {}", number + 1),
                figures.into_iter().chain(percentiles.into_iter().flatten()),
            );
        }
        match self.rate {
            Some(rate) => write!(f, "{rate}/s by the clock")?,
            None => write!(f, "{} clients, closed loop", self.concurrency)?,
        }
        write!(f, "; the plans are due in an hour\n{table}")?;
        for (number, round) in self.rounds.iter().enumerate() {
            for used in &round.processes {
                let each = used.cpu * 1e6 / round.accepted.max(1) as f64;
                writeln!(f, "round {} {used}, {each:.0} us CPU a message", number + 1)?;
            }
        }
        let (rate, ratio) = (whole(self.median_accepted_per_second), times(self.median_ratio));
        writeln!(f, "median {rate} accepted/s, {ratio} of pgbench (gate {GATE}x, goal {GOAL}x)")
    }
}

/// Measures and prints.
pub(crate) async fn run(args: AcceptArgs, env: &Env, json: Option<&Path>) -> anyhow::Result<()> {
    ensure!(args.floor_seconds > 0, "--floor-seconds must be at least 1");
    let herald = Herald::open(env)?;
    let (fast, fast_key) = herald.with_fast_key().await?;
    let rounds = rounds(&args, env, &herald, fast).await;
    fast_key.revoke().await?;
    let rounds = rounds?;
    let median = |pick: fn(&Round) -> f64| stats::median(rounds.iter().map(pick).collect()).unwrap_or(0.0);
    let report = Report {
        concurrency: args.concurrency,
        rate: args.rate,
        median_accepted_per_second: median(|round| round.accepted_per_second),
        median_pgbench_per_second: median(|round| round.pgbench_per_second),
        median_ratio: median(|round| round.ratio),
        rounds,
    };
    emit(&report, json)?;
    ensure!(!args.gate || report.median_ratio >= GATE, "the ratio is outside the gate");
    Ok(())
}

async fn rounds(args: &AcceptArgs, env: &Env, herald: &Herald, fast: Herald) -> anyhow::Result<Vec<Round>> {
    let account = Borrowed::create(herald, "inbox", "inbox", json!({}), args.set_aside).await?;
    let load = Arc::new(Load::new(fast, Channel::Inbox, String::new(), "normal").for_later());
    let measured = account.during(async {
        let mut rounds = Vec::new();
        for number in 1..=args.rounds {
            eprintln!("round {number} of {}", args.rounds);
            rounds.push(round(args, env, &load).await?);
        }
        Ok(rounds)
    });
    measured.await
}

async fn round(args: &AcceptArgs, env: &Env, load: &Arc<Load>) -> anyhow::Result<Round> {
    let floor = pgbench::run(env, args.floor_seconds).await?.per_second;
    let meter = Meter::start(whole_system(&args.processes, env)).await?;
    let start = Instant::now();
    let time = Duration::from_secs(args.seconds);
    let posted = match args.rate {
        Some(rate) => load.post_at(rate, time).await?,
        None => load.post_for(args.concurrency, time).await?,
    };
    let accepted_per_second = stats::rate(posted.ids.len(), start.elapsed());
    let processes = meter.stop().await?;
    let accepted = posted.ids.len();
    load.stop_all(posted.ids, args.concurrency).await?;
    Ok(Round {
        pgbench_per_second: floor,
        accepted,
        throttled: posted.throttled,
        accepted_per_second,
        ratio: accepted_per_second / floor,
        accept: Percentiles::of(posted.times),
        processes,
    })
}
