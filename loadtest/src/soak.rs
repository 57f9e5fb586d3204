//! A moderate mixed load for a time: does anything grow that should not?

mod flows;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use serde_json::json;

use flows::Flow;

use crate::arrivals::Arrivals;
use crate::bulk::account;
use crate::env::Env;
use crate::herald::Herald;
use crate::herald::account::Borrowed;
use crate::pace;
use crate::processes::{Meter, Used, Watched, whole_system};
use crate::queues::{Depth, Queues};
use crate::report::{Table, emit, tenth, whole};
use crate::standins::webhook::{self, Key};
use crate::standins::wecom;
use crate::stats::Percentiles;
use crate::urgent::Urgent;

/// What is left at the end must be finished within this.
const PATIENCE: Duration = Duration::from_secs(120);

/// Length of one part, whose percentiles are told.
const PART: Duration = Duration::from_secs(15);

/// Options of `soak`.
#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// How long.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Urgent singles a second to a webhook.
    #[arg(long, default_value_t = 20.0)]
    urgent: f64,
    /// People of a normal plan to the inbox every 2 s.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    normal: u64,
    /// People of a bulk plan to WeCom every 5 s.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    bulk: u64,
    /// A process whose CPU and memory are counted: NAME=URL of its /metrics or NAME=PID. Repeatable. Default: all.
    #[arg(long = "process", value_name = "NAME=URL|PID")]
    processes: Vec<Watched>,
    /// Disable the tenant's other accounts for the time of the measurement, and enable them again after it.
    #[arg(long)]
    set_aside: bool,
}

#[derive(Debug, Serialize)]
struct Part {
    /// Its end, since the start.
    seconds: f64,
    urgent: Percentiles,
}

#[derive(Debug, Serialize)]
struct Report {
    seconds: f64,
    people: u64,
    urgent_repeated: usize,
    parts: Vec<Part>,
    queues: Vec<Depth>,
    processes: Vec<Used>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["urgent, ms", "p50", "p95", "p99", "max"]);
        for part in &self.parts {
            let of = &part.urgent;
            table.row(format!("to {:.0} s", part.seconds), [of.p50, of.p95, of.p99, of.max].map(tenth));
        }
        writeln!(
            f,
            "soak: {:.0} s, {} people in plans, each sent once",
            self.seconds,
            whole(self.people as f64)
        )?;
        write!(f, "{table}")?;
        write!(f, "{}", Depth::lines(&self.queues))?;
        for used in &self.processes {
            let at = |share: usize| {
                used.samples.get((used.samples.len().max(1) - 1) * share / 4).map_or(0.0, |s| s.mb)
            };
            let quarters: Vec<String> = (0..=4).map(|share| format!("{:.0}", at(share))).collect();
            writeln!(f, "{used}; MB over time: {}", quarters.join(" "))?;
        }
        Ok(())
    }
}

/// Measures and prints.
pub(crate) async fn run(args: SoakArgs, env: &Env, json: Option<&Path>) -> anyhow::Result<()> {
    let herald = Herald::open(env)?;
    let wecom = wecom::start(wecom::Options { keep: 0, ..wecom::Options::default() }).await?;
    let arrivals = Arc::new(Arrivals::default());
    let key = Key::random();
    let observer = Some(arrivals.observer());
    let options =
        webhook::Options { keys: vec![key.clone()], keep: 0, observer, ..webhook::Options::default() };
    let webhook = webhook::start(options).await?;
    let urgent = Urgent { herald: herald.clone(), arrivals, url: webhook.url("/urgent") };
    let hook = json!({"settings": {"timeout_ms": 10000}, "secret": {"signing_key": key.text()}});
    let first = Borrowed::create(&herald, "wecom", "wecom-app", account(&wecom), args.set_aside).await?;
    let working = Box::pin(async {
        let second = Borrowed::create(&herald, "webhook", "webhook", hook, args.set_aside).await?;
        let beside = Box::pin(async {
            let third = Borrowed::create(&herald, "inbox", "inbox", json!({}), args.set_aside).await?;
            third.during(Box::pin(measure(&args, env, &urgent, &wecom))).await
        });
        second.during(beside).await
    });
    let report = first.during(working).await?;
    let violations = webhook.received().violations;
    ensure!(violations.is_empty(), "the receiver refused requests: {violations:?}");
    emit(&report, json)
}

async fn measure(
    args: &SoakArgs,
    env: &Env,
    urgent: &Urgent,
    wecom: &wecom::Handle,
) -> anyhow::Result<Report> {
    urgent.run(args.urgent, pace::warm_up(args.urgent)).await?;
    let time = Duration::from_secs(args.seconds);
    let normal =
        Flow { channel: "inbox", priority: "normal", people: args.normal, every: Duration::from_secs(2) };
    let bulk = Flow { channel: "wecom", priority: "bulk", people: args.bulk, every: Duration::from_secs(5) };
    let queues = Queues::start(env).await?;
    let meter = Meter::start(whole_system(&args.processes, env)).await?;
    let start = Instant::now();
    let herald = &urgent.herald;
    let (parts, normal, bulk) =
        tokio::try_join!(parts(args, urgent, start), normal.run(herald, time), bulk.run(herald, time))?;
    let others = herald.wait_finished(&normal, PATIENCE).await?;
    let deliveries = herald.wait_finished(&bulk, PATIENCE).await?;
    let seconds = start.elapsed().as_secs_f64();
    let processes = meter.stop().await?;
    let people = args.normal * normal.len() as u64 + args.bulk * bulk.len() as u64;
    let arrived = others.sent + others.delivered + deliveries.sent;
    ensure!(arrived == people, "{arrived} of {people} people were sent to");
    wecom.read(|received| {
        ensure!(received.violations.is_empty(), "WeCom refused calls: {:?}", received.violations);
        ensure!(received.duplicates == 0, "{} people got a WeCom message twice", received.duplicates);
        ensure!(received.distinct() as u64 == deliveries.sent, "WeCom saw {} people", received.distinct());
        Ok(())
    })?;
    let queues = Queues::stop(queues);
    let urgent_repeated = parts.iter().map(|(_, repeated)| repeated).sum();
    let parts = parts.into_iter().map(|(part, _)| part).collect();
    Ok(Report { seconds, people, urgent_repeated, parts, queues, processes })
}

/// Urgent singles, part by part, with how many arrived more than once.
async fn parts(args: &SoakArgs, urgent: &Urgent, start: Instant) -> anyhow::Result<Vec<(Part, usize)>> {
    let mut parts = Vec::new();
    while start.elapsed().as_secs() < args.seconds {
        let left = Duration::from_secs(args.seconds).saturating_sub(start.elapsed()).min(PART);
        let count = (left.as_secs_f64() * args.urgent).ceil().max(1.0) as usize;
        let measured = urgent.arrive(args.urgent, count).await?;
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("{seconds:.0} s of {}: urgent p99 {:.1} ms", args.seconds, measured.latency.p99);
        parts.push((Part { seconds, urgent: measured.latency }, measured.repeated));
    }
    Ok(parts)
}
