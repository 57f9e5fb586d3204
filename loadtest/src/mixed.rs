//! Fairness: urgent singles of one tenant while a plan of a million of another runs, in turns with an idle system.

mod big;
mod start;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use serde_json::json;

use big::{Big, Calls};
use start::Third;

use crate::arrivals::Arrivals;
use crate::bulk::account;
use crate::env::Env;
use crate::herald::Herald;
use crate::herald::account::Borrowed;
use crate::pace;
use crate::processes::{Meter, Used, Watched, whole_system};
use crate::queues::{Depth, Queues};
use crate::report::{Table, emit, tenth, times};
use crate::standins::webhook::{self, Key};
use crate::standins::wecom;
use crate::stats::{self, Percentiles};
use crate::urgent::Urgent;

/// Limit of busy to idle, p95 and p99.
const MAX_RATIO: f64 = 2.5;
/// p99 may be as high as this in any case.
const MAX_P99_MS: f64 = 40.0;
/// The third tenant's plan must start within this.
const MAX_START_MS: f64 = 2000.0;

/// Options of `mixed`.
#[derive(Debug, Args)]
pub(crate) struct MixedArgs {
    /// People of the big plan.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    recipients: u64,
    /// Priority of the big plan: normal or bulk.
    #[arg(long, default_value = "bulk")]
    priority: String,
    /// How the big plan calls its provider.
    #[arg(long, value_enum, default_value = "each")]
    calls: Calls,
    /// Urgent plans a second, each due by the clock.
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// Urgent plans in a run.
    #[arg(long, default_value_t = 1000)]
    plans: usize,
    /// Pairs of runs: idle, busy, idle, busy, ...
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// A process whose CPU and memory are counted: NAME=URL of its /metrics or NAME=PID. Repeatable. Default: all.
    #[arg(long = "process", value_name = "NAME=URL|PID")]
    processes: Vec<Watched>,
    /// Disable the first tenant's other WeCom accounts for the time of the measurement, and enable them again after it.
    #[arg(long)]
    set_aside: bool,
    /// Fail (exit code 1) unless p95 <= 2.5x idle, p99 <= max(2.5x idle, 40 ms), and the third plan starts within 2 s.
    #[arg(long)]
    gate: bool,
}

#[derive(Debug, Serialize)]
struct Pair {
    idle: Percentiles,
    busy: Percentiles,
    /// People of the big plan sent to during the busy run, a second.
    big_per_second: f64,
    repeated: usize,
    third_first_ms: f64,
    third_all_ms: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    priority: String,
    rate: f64,
    plans: usize,
    pairs: Vec<Pair>,
    idle: Percentiles,
    busy: Percentiles,
    ratio_p50: f64,
    ratio_p95: f64,
    ratio_p99: f64,
    third_first_ms: f64,
    queues: Vec<Depth>,
    processes: Vec<Used>,
}

impl Report {
    fn new(
        args: &MixedArgs,
        pairs: Vec<Pair>,
        queues: Vec<Depth>,
        processes: Vec<Used>,
    ) -> anyhow::Result<Self> {
        let of = |pick: fn(&Pair) -> Percentiles| {
            Percentiles::medians(&pairs.iter().map(pick).collect::<Vec<_>>())
        };
        let (Some(idle), Some(busy)) = (of(|pair| pair.idle), of(|pair| pair.busy)) else {
            anyhow::bail!("--pairs must be at least 1");
        };
        Ok(Self {
            priority: args.priority.clone(),
            rate: args.rate,
            plans: args.plans,
            third_first_ms: pairs.iter().map(|pair| pair.third_first_ms).fold(0.0, f64::max),
            pairs,
            idle,
            busy,
            ratio_p50: busy.p50 / idle.p50,
            ratio_p95: busy.p95 / idle.p95,
            ratio_p99: busy.p99 / idle.p99,
            queues,
            processes,
        })
    }

    fn within_gate(&self) -> bool {
        self.ratio_p95 <= MAX_RATIO
            && (self.ratio_p99 <= MAX_RATIO || self.busy.p99 <= MAX_P99_MS)
            && self.third_first_ms <= MAX_START_MS
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table =
            Table::new(&["ms", "p50", "p95", "p99", "max", "big plan/s", "third starts", "all of it"]);
        let cells = |run: &Percentiles| [run.p50, run.p95, run.p99, run.max].map(tenth);
        for (number, pair) in self.pairs.iter().enumerate() {
            table.row(format!("idle {}", number + 1), cells(&pair.idle));
            let beside = [pair.big_per_second, pair.third_first_ms, pair.third_all_ms]
                .map(|value| format!("{value:.0}"));
            table.row(format!("busy {}", number + 1), cells(&pair.busy).into_iter().chain(beside));
        }
        table.row("idle, medians", cells(&self.idle));
        table.row("busy, medians", cells(&self.busy));
        table.row("ratio", [self.ratio_p50, self.ratio_p95, self.ratio_p99].map(times));
        writeln!(
            f,
            "{} urgent singles a run at {}/s, POST due -> arrival at the webhook, beside a {} plan of another tenant",
            self.plans, self.rate, self.priority
        )?;
        write!(f, "{table}")?;
        let repeated: usize = self.pairs.iter().map(|pair| pair.repeated).sum();
        if repeated > 0 {
            writeln!(f, "{repeated} messages arrived more than once")?;
        }
        let met = if self.within_gate() { "met" } else { "NOT met" };
        writeln!(
            f,
            "gate p95 <= {MAX_RATIO}x, p99 <= max({MAX_RATIO}x, {MAX_P99_MS} ms), third starts <= {MAX_START_MS} ms: {met}"
        )?;
        write!(f, "{}", Depth::lines(&self.queues))?;
        self.processes.iter().try_for_each(|used| writeln!(f, "{used}"))
    }
}

/// Measures and prints.
pub(crate) async fn run(args: MixedArgs, env: &Env, json: Option<&Path>) -> anyhow::Result<()> {
    let first = Herald::open(env)?;
    let second = first.as_tenant(env, "loadtest-second", "HERALD_SECOND_KEY").await?;
    let third = first.as_tenant(env, "loadtest-third", "HERALD_THIRD_KEY").await?;
    let wecom = wecom::start(wecom::Options { keep: 0, ..wecom::Options::default() }).await?;
    let arrivals = Arc::new(Arrivals::default());
    let key = Key::random();
    let options = webhook::Options {
        keys: vec![key.clone()],
        keep: 0,
        observer: Some(arrivals.observer()),
        ..webhook::Options::default()
    };
    let standin = webhook::start(options).await?;
    let details = json!({"settings": {"timeout_ms": 10000}, "secret": {"signing_key": key.text()}});
    let big_account = Borrowed::create(&first, "wecom", "wecom-app", account(&wecom), args.set_aside).await?;
    let urgent = Urgent { herald: second.clone(), arrivals, url: standin.url("/urgent") };
    let mut big = Big::new(first, args.calls, &args.priority, args.recipients);
    let working = Box::pin(async {
        let urgent_account = Borrowed::create(&second, "webhook", "webhook", details, true).await?;
        let beside = Box::pin(async {
            let (third, third_account) = Third::open(third).await?;
            third_account.during(Box::pin(pairs(&args, env, &urgent, &mut big, &third))).await
        });
        let report = urgent_account.during(beside).await;
        big.end().await?;
        report
    });
    let report = big_account.during(working).await?;
    let violations = standin.received().violations;
    ensure!(violations.is_empty(), "the receiver refused requests: {violations:?}");
    emit(&report, json)?;
    ensure!(!args.gate || report.within_gate(), "the figures are outside the gate");
    Ok(())
}

async fn pairs(
    args: &MixedArgs,
    env: &Env,
    urgent: &Urgent,
    big: &mut Big,
    third: &Third,
) -> anyhow::Result<Report> {
    eprintln!("warming up");
    urgent.run(args.rate, pace::warm_up(args.rate)).await?;
    third.measure().await?;
    let meter = Meter::start(whole_system(&args.processes, env)).await?;
    let queues = Queues::start(env).await?;
    let mut pairs = Vec::new();
    for number in 1..=args.pairs {
        eprintln!("pair {number} of {}: idle", args.pairs);
        let idle = urgent.run(args.rate, args.plans).await?;
        eprintln!("pair {number} of {}: busy", args.pairs);
        let before = big.run().await?.deliveries.sent;
        let begun = std::time::Instant::now();
        let busy = urgent.run(args.rate, args.plans).await?;
        let (after, time) = (big.now().await?, begun.elapsed());
        let (first, all) = third.measure().await?;
        ensure!(
            after.status == "running",
            "the big plan was {} before the busy run ended: give it more --recipients, or fewer --plans a run",
            after.status
        );
        big.rest().await?;
        pairs.push(Pair {
            idle: idle.latency,
            busy: busy.latency,
            big_per_second: stats::rate((after.deliveries.sent - before) as usize, time),
            repeated: idle.repeated + busy.repeated,
            third_first_ms: stats::ms(first),
            third_all_ms: stats::ms(all),
        });
    }
    Report::new(args, pairs, Queues::stop(queues), meter.stop().await?)
}
