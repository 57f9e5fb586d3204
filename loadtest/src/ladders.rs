//! A million ladders: tier 1 (inbox, until read) goes out over ten minutes, so tier 2 (WeCom) falls due over ten minutes, while people read.

mod readers;

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::bulk::{account, audience};
use crate::env::Env;
use crate::herald::Herald;
use crate::herald::account::Borrowed;
use crate::processes::{MAX_MB, Meter, Used, Watched, herald_peak_mb, whole_system};
use crate::progress::Progress;
use crate::report::{emit, whole};
use crate::standins::wecom;
use crate::stats::Percentiles;
use readers::Readers;

/// People of one call to the inbox.
const CALL: u64 = 1000;
/// Time between two looks at the gauge and the plan.
const LOOK: Duration = Duration::from_millis(500);
/// What is left at the end must be finished within this.
const PATIENCE: Duration = Duration::from_secs(300);
/// How far behind the oldest step may be, in seconds.
const GATE: f64 = 2.0;
/// A call may still go out for which the mark was being written when the reading was confirmed, and its answer takes a while.
const IN_FLIGHT: Duration = Duration::from_millis(500);

/// Options of `ladders`.
#[derive(Debug, Args)]
pub(crate) struct LaddersArgs {
    /// People, each on their own ladder.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..=1_000_000))]
    recipients: u64,
    /// Seconds over which tier 1 goes out, and tier 2 falls due.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(10..=3600))]
    spread: u64,
    /// Seconds from a person's tier 1 to their tier 2.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
    /// Share of all people who read, a minute.
    #[arg(long, default_value_t = 0.05)]
    reads: f64,
    /// A process whose CPU and memory are counted: NAME=URL of its /metrics or NAME=PID. Repeatable. Default: all.
    #[arg(long = "process", value_name = "NAME=URL|PID")]
    processes: Vec<Watched>,
    /// Disable the tenant's other inbox and WeCom accounts for the time of the measurement, and enable them again after it.
    #[arg(long)]
    set_aside: bool,
    /// Fail (exit code 1) unless the oldest overdue step stays below 2 s and each process below 150 MB.
    #[arg(long)]
    gate: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    recipients: u64,
    /// From `send` to `finished`.
    seconds: f64,
    /// Readings that the API confirmed, and how long they took, both requests.
    reads: u64,
    read_ms: Percentiles,
    /// Steps that fired: people who got tier 2.
    fired: u64,
    /// People who got tier 2 more than half a second after their reading was confirmed.
    after_reading: usize,
    /// Seconds, `herald_oldest_escalation_seconds`, looked at twice a second: median, 99th percentile, highest.
    oldest_overdue: [f64; 3],
    herald_peak_mb: f64,
    processes: Vec<Used>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [people, fired, reads] = [self.recipients, self.fired, self.reads].map(|n| whole(n as f64));
        writeln!(
            f,
            "ladders: {people} people, {fired} went on to tier 2, {reads} read, in {:.0} s",
            self.seconds
        )?;
        let [p50, p99, max] = self.oldest_overdue;
        writeln!(f, "oldest overdue step: p50 {p50:.3} s, p99 {p99:.3} s, max {max:.3} s (gate {GATE} s)")?;
        writeln!(f, "sent after reading: {} (beyond {IN_FLIGHT:?} in flight)", self.after_reading)?;
        let read = &self.read_ms;
        writeln!(f, "list and read: p50 {:.1} ms, p99 {:.1} ms", read.p50, read.p99)?;
        for used in &self.processes {
            writeln!(f, "{used}, {:.1} us CPU a person", used.cpu * 1e6 / self.recipients as f64)?;
        }
        writeln!(
            f,
            "highest memory of a process of Herald: {:.0} MB (gate {MAX_MB:.0} MB)",
            self.herald_peak_mb
        )
    }
}

/// Measures and prints.
pub(crate) async fn run(args: LaddersArgs, env: &Env, json: Option<&Path>) -> anyhow::Result<()> {
    let herald = Herald::open(env)?;
    let keep = usize::try_from(args.recipients)?;
    let standin = wecom::start(wecom::Options { keep, ..wecom::Options::default() }).await?;
    // Over the spread, tier 1 makes a call of a thousand people every so often.
    let per_minute = (args.recipients.div_ceil(CALL) * 60).div_ceil(args.spread).max(1);
    let slow = json!({"limits": {"per_minute": per_minute}});
    let first = Borrowed::create(&herald, "inbox", "inbox", slow, args.set_aside).await?;
    let working = Box::pin(async {
        let second =
            Borrowed::create(&herald, "wecom", "wecom-app", account(&standin), args.set_aside).await?;
        second.during(Box::pin(measure(&args, env, &herald, &standin))).await
    });
    let report = first.during(working).await?;
    emit(&report, json)?;
    let kept = report.oldest_overdue[2] < GATE && report.herald_peak_mb < MAX_MB && report.after_reading == 0;
    ensure!(!args.gate || kept, "the figures are outside the gate");
    Ok(())
}

async fn measure(
    args: &LaddersArgs,
    env: &Env,
    herald: &Herald,
    standin: &wecom::Handle,
) -> anyhow::Result<Report> {
    let plan = json!({
        "title": "Water", "content": {"text": "No water from 14:00 to 16:00 today."}, "priority": "normal",
        "tiers": [
            {"channels": ["inbox"], "until": "read", "wait": format!("{}s", args.wait)},
            {"channels": ["wecom"]},
        ],
    });
    let gauge = Gauge::new(env)?;
    let id = herald.draft(plan).await?;
    eprintln!("uploading {} people", args.recipients);
    herald.upload(&id, audience::csv(args.recipients), args.recipients).await?;
    let meter = Meter::start(whole_system(&args.processes, env)).await?;
    let start = Instant::now();
    herald.order(&id, "send").await?;
    let (fast, fast_key) = herald.with_fast_key().await?;
    let readers = Readers::start(&fast, args.recipients, args.reads);
    let overdue = follow(args, herald, &id, &gauge, (&readers, start)).await;
    let read = readers.stop().await;
    fast_key.revoke().await?;
    let (overdue, read) = (overdue?, read?);
    let seconds = start.elapsed().as_secs_f64();
    let processes = meter.stop().await?;
    let plan = herald.plan(&id).await?;
    let fired = plan.deliveries.total - args.recipients;
    let after_reading = standin.read(|received| {
        ensure!(received.violations.is_empty(), "WeCom refused calls: {:?}", received.violations);
        ensure!(received.duplicates == 0, "{} people got tier 2 twice", received.duplicates);
        let late = |message: &&wecom::Message| {
            let read_at = message.users.first().and_then(|user| read.at.get(user));
            read_at.is_some_and(|&at| message.at > at + IN_FLIGHT)
        };
        Ok(received.first.iter().filter(late).count())
    })?;
    Ok(Report {
        recipients: args.recipients,
        seconds,
        reads: read.at.len() as u64,
        read_ms: Percentiles::of(read.times).context("nobody read")?,
        fired,
        after_reading,
        oldest_overdue: spread(overdue),
        herald_peak_mb: herald_peak_mb(&processes),
        processes,
    })
}

/// Looks until the plan is finished; how far behind the oldest step was at each look.
async fn follow(
    args: &LaddersArgs,
    herald: &Herald,
    id: &str,
    gauge: &Gauge,
    (readers, start): (&Readers, Instant),
) -> anyhow::Result<Vec<f64>> {
    let limit = Duration::from_secs(args.spread + args.wait) + PATIENCE;
    let mut progress = Progress::new("tier 1 sent, tier 2 sent or suppressed", 2 * args.recipients);
    let mut overdue = Vec::new();
    loop {
        overdue.push(gauge.read().await?);
        let plan = herald.plan(id).await?;
        // Tier 1 goes out in order of the people: these have it in their inbox.
        readers.reached(plan.deliveries.sent.min(args.recipients));
        progress.show(plan.deliveries.sent);
        if plan.status == "finished" {
            return Ok(overdue);
        }
        ensure!(plan.status == "running", "the plan is {}", plan.status);
        ensure!(start.elapsed() < limit, "the plan is not finished within {limit:?}: {:?}", plan.deliveries);
        tokio::time::sleep(LOOK).await;
    }
}

/// The dispatcher's own word on how far it is behind.
struct Gauge {
    http: reqwest::Client,
    url: String,
}

impl Gauge {
    fn new(env: &Env) -> anyhow::Result<Self> {
        let base = env.required("HERALD_DISPATCHER_URL")?;
        let url = format!("{}/metrics", base.trim_end_matches('/'));
        Ok(Self { http: crate::servers::http(Duration::from_secs(5))?, url })
    }

    async fn read(&self) -> anyhow::Result<f64> {
        let text = self.http.get(&self.url).send().await?.error_for_status()?.text().await?;
        let name = "herald_oldest_escalation_seconds{lane=\"normal\"}";
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value
            .and_then(|value| value.trim().parse().ok())
            .with_context(|| format!("no {name} at {}", self.url))
    }
}

/// Median, 99th percentile and maximum.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| {
        values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0.0)
    };
    [at(50), at(99), at(100)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_is_the_last() {
        assert_eq!(spread((1..=200).rev().map(f64::from).collect()), [100.0, 198.0, 200.0]);
        assert_eq!(spread(Vec::new()), [0.0; 3]);
    }
}
