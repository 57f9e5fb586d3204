//! Bulk: one plan of a million people to WeCom, from draft and streamed upload over `send` to `finished`.

pub(crate) mod audience;
mod recall;

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use recall::Recalled;

use crate::env::Env;
use crate::floor::rows;
use crate::herald::Herald;
use crate::herald::account::Borrowed;
use crate::processes::{MAX_MB, Meter, Used, Watched, herald_peak_mb, whole_system};
use crate::progress::Progress;
use crate::queues::{Depth, Queues};
use crate::report::{emit, times, whole};
use crate::standins::wecom;
use crate::stats;

/// Everything must be finished within this.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Time between two looks at the plan.
const LOOK: Duration = Duration::from_millis(50);

/// Limit of the ratio to the rows floor, ARCHITECTURE.md "Speed".
const GATE: f64 = 0.7;

/// Options of `bulk`.
#[derive(Debug, Args)]
pub(crate) struct BulkArgs {
    /// People.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    recipients: u64,
    /// Priority of the plan: urgent, normal or bulk.
    #[arg(long, default_value = "bulk")]
    priority: String,
    /// Recall the plan when this share of it is sent (0.5: in the middle), and check what a recall promises.
    #[arg(long, value_name = "FRACTION")]
    recall_at: Option<f64>,
    /// Rows of the floor before it; 0 leaves it out. Default: as many as people.
    #[arg(long)]
    floor_rows: Option<usize>,
    /// A process whose CPU and memory are counted: NAME=URL of its /metrics or NAME=PID (with its descendants).
    /// Repeatable. Default: Herald's three, the servers where they are local, and this program.
    #[arg(long = "process", value_name = "NAME=URL|PID")]
    processes: Vec<Watched>,
    /// Disable the tenant's other WeCom accounts for the time of the measurement, and enable them again after it.
    #[arg(long)]
    set_aside: bool,
    /// Fail (exit code 1) unless the ratio to the floor is at least 0.7 and each process stays below 150 MB.
    #[arg(long)]
    gate: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    recipients: u64,
    upload_seconds: f64,
    uploaded_per_second: f64,
    /// From `send` to `finished` as somebody sees it who asks for the plan 20 times a second.
    seconds: f64,
    per_second: f64,
    rows_floor_per_second: Option<f64>,
    ratio: Option<f64>,
    /// Seconds since `send` and people sent to.
    sent_over_time: Vec<(f64, u64)>,
    calls: u64,
    recalled: Option<Recalled>,
    herald_peak_mb: f64,
    queues: Vec<Depth>,
    processes: Vec<Used>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (people, upload) = (whole(self.recipients as f64), whole(self.uploaded_per_second));
        writeln!(f, "bulk: {people} people uploaded in {:.1} s ({upload}/s)", self.upload_seconds)?;
        match (&self.recalled, self.rows_floor_per_second, self.ratio) {
            (Some(recalled), ..) => write!(f, "{recalled}")?,
            (None, floor, ratio) => {
                let rate = whole(self.per_second);
                writeln!(
                    f,
                    "{rate} people/s from send to finished ({:.1} s, {} calls)",
                    self.seconds, self.calls
                )?;
                if let (Some(floor), Some(ratio)) = (floor, ratio) {
                    writeln!(f, "{} of the rows floor, {}/s (gate {GATE}x)", times(ratio), whole(floor))?;
                }
            }
        }
        write!(f, "{}", Depth::lines(&self.queues))?;
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

impl Report {
    fn within_gate(&self) -> bool {
        let recall_kept = self.recalled.as_ref().is_none_or(Recalled::is_kept);
        let fast = self.recalled.is_some() || self.ratio.is_none_or(|ratio| ratio >= GATE);
        recall_kept && fast && self.herald_peak_mb < MAX_MB
    }
}

/// Measures and prints.
pub(crate) async fn run(args: BulkArgs, env: &Env, json: Option<&Path>) -> anyhow::Result<()> {
    let herald = Herald::open(env)?;
    let floor = match (args.recall_at, args.floor_rows) {
        (Some(_), None) | (_, Some(0)) => None,
        (_, rows) => Some(rows::run(env, rows.unwrap_or(args.recipients as usize)).await?.per_second),
    };
    let standin = wecom::start(wecom::Options { keep: 0, ..wecom::Options::default() }).await?;
    let account = Borrowed::create(&herald, "wecom", "wecom-app", account(&standin), args.set_aside).await?;
    let report = account.during(measure(&args, env, &herald, &standin, floor)).await?;
    emit(&report, json)?;
    ensure!(!args.gate || report.within_gate(), "the figures are outside the gate");
    Ok(())
}

/// An account for the stand-in's app.
pub(crate) fn account(standin: &wecom::Handle) -> Value {
    let app = wecom::App::default();
    json!({
        "settings": {
            "corp_id": app.corp_id, "agent_id": app.agent_id, "base_url": standin.url(), "timeout_ms": 10000,
        },
        "secret": {"corp_secret": app.secret},
    })
}

async fn measure(
    args: &BulkArgs,
    env: &Env,
    herald: &Herald,
    standin: &wecom::Handle,
    floor: Option<f64>,
) -> anyhow::Result<Report> {
    let meter = Meter::start(whole_system(&args.processes, env)).await?;
    let plan = json!({
        "title": "Water", "content": {"text": "No water from 14:00 to 16:00 today in building 3."},
        "channels": ["wecom"], "priority": args.priority,
    });
    let begun = Instant::now();
    let id = herald.draft(plan).await?;
    eprintln!("uploading {} people", args.recipients);
    herald.upload(&id, audience::csv(args.recipients), args.recipients).await?;
    let upload = begun.elapsed();
    let queues = Queues::start(env).await?;
    let start = Instant::now();
    herald.order(&id, "send").await?;
    let ran = follow(args, herald, &id, standin, start).await?;
    let processes = meter.stop().await?;
    let queues = Queues::stop(queues);
    let calls = check(args, &ran, standin)?;
    let per_second = stats::rate(args.recipients as usize, ran.time);
    Ok(Report {
        recipients: args.recipients,
        upload_seconds: upload.as_secs_f64(),
        uploaded_per_second: stats::rate(args.recipients as usize, upload),
        seconds: ran.time.as_secs_f64(),
        per_second,
        rows_floor_per_second: floor,
        ratio: floor.map(|floor| per_second / floor),
        sent_over_time: ran.sent_over_time,
        calls,
        recalled: ran.recalled,
        herald_peak_mb: herald_peak_mb(&processes),
        queues,
        processes,
    })
}

struct Ran {
    time: Duration,
    sent: u64,
    sent_over_time: Vec<(f64, u64)>,
    recalled: Option<Recalled>,
}

/// Looks at the plan until it is finished, or until it is recalled and everybody has a result.
async fn follow(
    args: &BulkArgs,
    herald: &Herald,
    id: &str,
    standin: &wecom::Handle,
    start: Instant,
) -> anyhow::Result<Ran> {
    let recall_at = args.recall_at.map(|share| (share * args.recipients as f64) as u64);
    let mut progress = Progress::new("sent", args.recipients);
    let mut ran = Ran { time: Duration::ZERO, sent: 0, sent_over_time: Vec::new(), recalled: None };
    loop {
        let plan = herald.plan(id).await?;
        ran.time = start.elapsed();
        ran.sent = plan.deliveries.sent;
        ran.sent_over_time.push((ran.time.as_secs_f64(), ran.sent));
        progress.show(ran.sent);
        if plan.status == "finished" {
            ensure!(recall_at.is_none(), "the plan was finished before it could be recalled");
            return Ok(ran);
        }
        if recall_at.is_some_and(|at| ran.sent >= at) {
            let recalled = recall::recall(herald, id, standin).await?;
            return Ok(Ran { sent: recalled.sent, recalled: Some(recalled), ..ran });
        }
        ensure!(plan.status == "running", "the plan is {}", plan.status);
        ensure!(ran.time < PATIENCE, "the plan is not finished within {PATIENCE:?}: {:?}", plan.deliveries);
        tokio::time::sleep(LOOK).await;
    }
}

/// Everybody exactly once (recalled: nobody twice, and as many as counted); the calls it took.
fn check(args: &BulkArgs, ran: &Ran, standin: &wecom::Handle) -> anyhow::Result<u64> {
    let expected = if ran.recalled.is_some() { ran.sent } else { args.recipients };
    standin.read(|received| {
        ensure!(received.violations.is_empty(), "the provider refused calls: {:?}", received.violations);
        ensure!(received.duplicates == 0, "{} people got it more than once", received.duplicates);
        let distinct = received.distinct() as u64;
        ensure!(
            distinct == expected && ran.sent == expected,
            "the provider saw {distinct} people, Herald counts {} sent, expected were {expected}",
            ran.sent
        );
        Ok(received.calls)
    })
}
