//! Throughput of singles: plans of one recipient, closed loop, from the first accepted to the last recorded.

pub(crate) mod load;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use load::Load;

use crate::env::Env;
use crate::floor::pgbench;
use crate::herald::account::Borrowed;
use crate::herald::{Herald, finished};
use crate::processes::{Meter, Used, Watched, whole_system};
use crate::queues::{Depth, Queues};
use crate::report::{Table, emit, tenth, times, whole};
use crate::servers;
use crate::standins::webhook::{self, Key};
use crate::stats::{self, Percentiles};

/// The backlog at the end of the load must be recorded within this.
const PATIENCE: Duration = Duration::from_secs(300);

/// Limits of the ratio to pgbench, ARCHITECTURE.md "Speed".
const GATE: f64 = 0.35;
const GOAL: f64 = 0.45;

/// Where singles go.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Channel {
    /// To the webhook stand-in in this process: one HTTP call each.
    Webhook,
    /// Into the in-app inbox: no call outside.
    Inbox,
}

/// Options of `single`.
#[derive(Debug, Args)]
pub(crate) struct SingleArgs {
    /// Clients; each posts its next plan when the one before is accepted.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// How long they post.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Rounds; each with a pgbench floor before it.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Where the messages go.
    #[arg(long, value_enum, default_value = "webhook")]
    channel: Channel,
    /// Priority of the plans: urgent, normal or bulk.
    #[arg(long, default_value = "normal")]
    priority: String,
    /// Length of the pgbench floor before each round, in seconds; 0 leaves it out.
    #[arg(long, default_value_t = 10)]
    floor_seconds: u32,
    /// Leave a transaction idle in the database from before the first round to the end, as a forgotten session would: it
    /// keeps PostgreSQL from tidying up. Compare the last of many rounds with those of a run without.
    #[arg(long)]
    idle_transaction: bool,
    /// A process whose CPU is counted: NAME=URL of its /metrics (whole seconds only) or NAME=PID (exact, with its
    /// descendants). Repeatable.
    /// Default: Herald's three, where the environment names them (HERALD_URL, HERALD_DISPATCHER_URL, HERALD_WORKER_URL),
    /// and the servers where they run on this machine.
    #[arg(long = "process", value_name = "NAME=URL|PID")]
    processes: Vec<Watched>,
    /// Disable the tenant's other accounts of the channel for the time of the measurement, and enable them again.
    #[arg(long)]
    set_aside: bool,
}

#[derive(Debug, Serialize)]
struct Round {
    #[serde(rename = "pgbench_per_second")]
    pgbench: Option<f64>,
    accepted: usize,
    throttled: usize,
    accepted_per_second: f64,
    recorded_per_second: f64,
    ratio: Option<f64>,
    accept: Option<Percentiles>,
    queues: Vec<Depth>,
    processes: Vec<Used>,
}

#[derive(Debug, Serialize)]
struct Report {
    concurrency: usize,
    idle_transaction: bool,
    rounds: Vec<Round>,
    median_recorded_per_second: Option<f64>,
    median_ratio: Option<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["singles", "accepted/s", "recorded/s", "pgbench/s", "ratio", "accept p50 ms", "p99 ms"];
        let mut table = Table::new(&head);
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        for (number, round) in self.rounds.iter().enumerate() {
            table.row(
                format!("round {}", number + 1),
                [
                    whole(round.accepted_per_second),
                    whole(round.recorded_per_second),
                    or_dash(round.pgbench.map(whole)),
                    or_dash(round.ratio.map(times)),
                    or_dash(round.accept.map(|accept| tenth(accept.p50))),
                    or_dash(round.accept.map(|accept| tenth(accept.p99))),
                ],
            );
        }
        write!(f, "{} clients, closed loop\n{table}", self.concurrency)?;
        for (number, round) in self.rounds.iter().enumerate() {
            for used in &round.processes {
                let each = used.cpu * 1e6 / round.accepted.max(1) as f64;
                writeln!(f, "round {} {used}, {each:.0} us CPU a message", number + 1)?;
            }
            write!(f, "{}", Depth::lines(&round.queues))?;
            if round.throttled > 0 {
                let times = round.throttled;
                writeln!(
                    f,
                    "round {}: 429 {times} times: the key's rate_per_second limits this figure",
                    number + 1
                )?;
            }
        }
        match (self.median_recorded_per_second, self.median_ratio) {
            (Some(rate), Some(ratio)) => writeln!(
                f,
                "median {} recorded/s, {} of pgbench (gate {GATE}x, goal {GOAL}x)",
                whole(rate),
                times(ratio)
            ),
            (Some(rate), None) => writeln!(f, "median {} recorded/s", whole(rate)),
            (None, _) => Ok(()),
        }
    }
}

/// Measures and prints.
pub(crate) async fn run(args: SingleArgs, env: &Env, json: Option<&Path>) -> anyhow::Result<()> {
    let herald = Herald::open(env)?;
    let idle = if args.idle_transaction { Some(servers::idle_transaction(env).await?) } else { None };
    let (fast, fast_key) = herald.with_fast_key().await?;
    let rounds = rounds(&args, env, &herald, fast).await;
    fast_key.revoke().await?;
    let rounds = rounds?;
    drop(idle);
    let report = Report {
        concurrency: args.concurrency,
        idle_transaction: args.idle_transaction,
        median_recorded_per_second: stats::median(
            rounds.iter().map(|round| round.recorded_per_second).collect(),
        ),
        median_ratio: stats::median(rounds.iter().filter_map(|round| round.ratio).collect()),
        rounds,
    };
    emit(&report, json)
}

async fn rounds(args: &SingleArgs, env: &Env, herald: &Herald, fast: Herald) -> anyhow::Result<Vec<Round>> {
    let key = Key::random();
    let options = webhook::Options { keys: vec![key.clone()], keep: 0, ..webhook::Options::default() };
    let standin = webhook::start(options).await?;
    let (channel, details) = match args.channel {
        Channel::Webhook => {
            ("webhook", json!({"settings": {"timeout_ms": 10000}, "secret": {"signing_key": key.text()}}))
        }
        Channel::Inbox => ("inbox", json!({})),
    };
    let account = Borrowed::create(herald, channel, channel, details, args.set_aside).await?;
    let load = Arc::new(Load::new(fast, args.channel, standin.url("/"), &args.priority));
    let measured = account.during(async {
        let mut rounds = Vec::new();
        for number in 1..=args.rounds {
            eprintln!("round {number} of {}", args.rounds);
            standin.reset();
            rounds.push(round(args, env, &load, &standin).await?);
        }
        Ok(rounds)
    });
    measured.await
}

async fn round(
    args: &SingleArgs,
    env: &Env,
    load: &Arc<Load>,
    standin: &webhook::Handle,
) -> anyhow::Result<Round> {
    let pgbench = match args.floor_seconds {
        0 => None,
        seconds => Some(pgbench::run(env, seconds).await?.per_second),
    };
    let meter = Meter::start(whole_system(&args.processes, env)).await?;
    let queues = Queues::start(env).await?;
    let since = finished::just_before_now();
    let start = Instant::now();
    let posted = load.post_for(args.concurrency, Duration::from_secs(args.seconds)).await?;
    let posting = start.elapsed();
    load.arrived(posted.ids.len(), standin, PATIENCE).await?;
    let all = load.herald.wait_recorded(&posted.newest, &since, PATIENCE).await? - start;
    let processes = meter.stop().await?;
    let queues = Queues::stop(queues);
    load.check(&posted.ids, standin).await?;
    let recorded_per_second = stats::rate(posted.ids.len(), all);
    Ok(Round {
        pgbench,
        accepted: posted.ids.len(),
        throttled: posted.throttled,
        accepted_per_second: stats::rate(posted.ids.len(), posting),
        recorded_per_second,
        ratio: pgbench.map(|floor| recorded_per_second / floor),
        accept: Percentiles::of(posted.times),
        queues,
        processes,
    })
}
