//! Time of an urgent single from POST to its receiver, beside the hops floor, in turns.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::arrivals::Arrivals;
use crate::env::Env;
use crate::floor::hops::{Hops, Target};
use crate::herald::Herald;
use crate::herald::account::Borrowed;
use crate::pace;
use crate::report::{Table, emit, tenth, times};
use crate::standins::webhook::{self, Key};
use crate::stats::Percentiles;
use crate::urgent::Urgent;

/// Limits of the ratios, ARCHITECTURE.md "Speed".
const MAX_P50: f64 = 1.6;
const MAX_P99: f64 = 2.0;

/// Options of `latency`.
#[derive(Debug, Args)]
pub(crate) struct LatencyArgs {
    /// Plans a second, each due by the clock.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Plans in a run; the floor's run before it has as many messages.
    #[arg(long, default_value_t = 1500)]
    plans: usize,
    /// Pairs of runs: floor, Herald, floor, Herald, ...
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Disable the tenant's other webhook accounts for the time of the measurement, and enable them again after it.
    #[arg(long)]
    set_aside: bool,
    /// Fail (exit code 1) unless p50 is at most 1.6x and p99 at most 2x the floor's.
    #[arg(long)]
    gate: bool,
}

#[derive(Debug, Serialize)]
struct Run {
    floor: Percentiles,
    herald: Percentiles,
    herald_late_start_p99_ms: f64,
    repeated: usize,
}

#[derive(Debug, Serialize)]
struct Ratios {
    p50: f64,
    p95: f64,
    p99: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    rate: f64,
    plans: usize,
    runs: Vec<Run>,
    floor: Percentiles,
    herald: Percentiles,
    ratio: Ratios,
}

impl Report {
    fn new(args: &LatencyArgs, runs: Vec<Run>) -> anyhow::Result<Self> {
        let of =
            |pick: fn(&Run) -> Percentiles| Percentiles::medians(&runs.iter().map(pick).collect::<Vec<_>>());
        let (Some(floor), Some(herald)) = (of(|run| run.floor), of(|run| run.herald)) else {
            anyhow::bail!("--runs must be at least 1");
        };
        let ratio =
            Ratios { p50: herald.p50 / floor.p50, p95: herald.p95 / floor.p95, p99: herald.p99 / floor.p99 };
        Ok(Self { rate: args.rate, plans: args.plans, runs, floor, herald, ratio })
    }

    fn within_gate(&self) -> bool {
        self.ratio.p50 <= MAX_P50 && self.ratio.p99 <= MAX_P99
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["ms", "p50", "p95", "p99", "max", "generator late p99"]);
        let cells = |run: &Percentiles| [run.p50, run.p95, run.p99, run.max].map(tenth);
        for (number, run) in self.runs.iter().enumerate() {
            table.row(format!("floor {}", number + 1), cells(&run.floor));
            let late = format!("{:.2}", run.herald_late_start_p99_ms);
            table.row(format!("herald {}", number + 1), cells(&run.herald).into_iter().chain([late]));
        }
        table.row("floor, medians", cells(&self.floor));
        table.row("herald, medians", cells(&self.herald));
        table.row("ratio", [self.ratio.p50, self.ratio.p95, self.ratio.p99].map(times));
        writeln!(
            f,
            "{} urgent singles a run at {}/s, POST due -> arrival at the webhook",
            self.plans, self.rate
        )?;
        write!(f, "{table}")?;
        let repeated: usize = self.runs.iter().map(|run| run.repeated).sum();
        if repeated > 0 {
            writeln!(f, "{repeated} messages arrived more than once")?;
        }
        let met = if self.within_gate() { "met" } else { "NOT met" };
        writeln!(f, "gate p50 <= {MAX_P50}x, p99 <= {MAX_P99}x: {met}")
    }
}

/// Measures and prints.
pub(crate) async fn run(args: LatencyArgs, env: &Env, json: Option<&Path>) -> anyhow::Result<()> {
    let herald = Herald::open(env)?;
    let arrivals = Arc::new(Arrivals::default());
    let key = Key::random();
    let options = webhook::Options {
        keys: vec![key.clone()],
        observer: Some(arrivals.observer()),
        ..webhook::Options::default()
    };
    let standin = webhook::start(options).await?;
    let url = standin.url("/urgent");
    let details = json!({"settings": {"timeout_ms": 10000}, "secret": {"signing_key": key.text()}});
    let account = Borrowed::create(&herald, "webhook", "webhook", details, args.set_aside).await?;
    let load = Load { urgent: Urgent { herald, arrivals, url: url.clone() } };
    let report = account
        .during(async {
            let hops = Hops::open(env, Target { url, key }).await?;
            let runs = load.pairs(&args, &hops).await;
            hops.close().await?;
            Report::new(&args, runs?)
        })
        .await?;
    let violations = standin.received().violations;
    ensure!(violations.is_empty(), "the receiver refused requests: {violations:?}");
    emit(&report, json)?;
    ensure!(!args.gate || report.within_gate(), "the latency is outside the gate");
    Ok(())
}

struct Load {
    urgent: Urgent,
}

impl Load {
    async fn pairs(&self, args: &LatencyArgs, hops: &Hops) -> anyhow::Result<Vec<Run>> {
        // Connections, caches and prepared statements warm up outside the measure.
        eprintln!("warming up");
        hops.run(&self.urgent.arrivals, args.rate, pace::warm_up(args.rate)).await?;
        self.urgent.run(args.rate, pace::warm_up(args.rate)).await?;
        let mut runs = Vec::new();
        for number in 1..=args.runs {
            eprintln!("run {number} of {}: floor", args.runs);
            let floor = hops.run(&self.urgent.arrivals, args.rate, args.plans).await?;
            eprintln!("run {number} of {}: herald", args.runs);
            let herald = self.urgent.run(args.rate, args.plans).await?;
            runs.push(Run {
                floor: floor.latency,
                herald: herald.latency,
                herald_late_start_p99_ms: herald.late_start.p99,
                repeated: herald.repeated,
            });
        }
        Ok(runs)
    }
}
