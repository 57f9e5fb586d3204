//! Bulk into the in-app inbox: no provider, so what is measured is accept, expand, admit, claim and settle.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::env::Env;
use crate::herald::Herald;
use crate::herald::account::Borrowed;
use crate::processes::{Meter, Used, Watched, chosen};
use crate::report::{emit, whole};
use crate::stats;

/// Everything must be finished within this.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Options of `inbox`.
#[derive(Debug, Args)]
pub(crate) struct InboxArgs {
    /// Recipients in all.
    #[arg(long, default_value_t = 200_000)]
    recipients: usize,
    /// Recipients of a plan; the API takes at most 10,000.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    per_plan: u32,
    /// Plans posted at once.
    #[arg(long, default_value_t = 2)]
    posts: usize,
    /// Priority of the plans: urgent, normal or bulk.
    #[arg(long, default_value = "bulk")]
    priority: String,
    /// A process whose CPU and memory are counted: NAME=URL of its /metrics (CPU in whole seconds) or NAME=PID (exact,
    /// with its descendants). Repeatable. Default: Herald's three, where the environment names them.
    #[arg(long = "process", value_name = "NAME=URL|PID")]
    processes: Vec<Watched>,
    /// Disable the tenant's other inbox accounts for the time of the measurement, and enable them again after it.
    #[arg(long)]
    set_aside: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    recipients: usize,
    plans: usize,
    /// From the first POST to the last 202.
    accepting_seconds: f64,
    /// From the first POST to the last plan finished.
    all_seconds: f64,
    per_second: f64,
    processes: Vec<Used>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = whole(self.per_second);
        writeln!(f, "inbox: {} recipients in {} plans: {rate} deliveries/s", self.recipients, self.plans)?;
        writeln!(
            f,
            "accepted in {:.2} s, finished {:.2} s after the first POST",
            self.accepting_seconds, self.all_seconds
        )?;
        for used in &self.processes {
            writeln!(f, "{used}, {:.1} us CPU a delivery", used.cpu * 1e6 / self.recipients as f64)?;
        }
        Ok(())
    }
}

/// Measures and prints.
pub(crate) async fn run(args: InboxArgs, env: &Env, json: Option<&Path>) -> anyhow::Result<()> {
    ensure!(args.recipients > 0 && args.posts > 0, "--recipients and --posts must be at least 1");
    let herald = Herald::open(env)?;
    let account = Borrowed::create(&herald, "inbox", "inbox", json!({}), args.set_aside).await?;
    let report = account.during(measure(&args, env, &herald)).await?;
    emit(&report, json)
}

async fn measure(args: &InboxArgs, env: &Env, herald: &Herald) -> anyhow::Result<Report> {
    let per_plan = args.per_plan as usize;
    let bodies: Vec<Vec<u8>> = (0..args.recipients)
        .step_by(per_plan)
        .map(|from| plan(from, args.recipients.min(from + per_plan), &args.priority).to_string().into_bytes())
        .collect();
    let plans = bodies.len();
    let meter = Meter::start(chosen(&args.processes, env)).await?;
    let start = Instant::now();
    let ids = post_all(herald, bodies, args.posts).await?;
    let accepting = start.elapsed();
    eprintln!("{plans} plans accepted after {accepting:.2?}");
    let deliveries = herald.wait_finished(&ids, PATIENCE).await?;
    let all = start.elapsed();
    let processes = meter.stop().await?;
    // The inbox proves delivery: its messages may count as sent or as delivered.
    let arrived = deliveries.sent + deliveries.delivered;
    ensure!(arrived == args.recipients as u64, "{arrived} of {} arrived: {deliveries:?}", args.recipients);
    Ok(Report {
        recipients: args.recipients,
        plans,
        accepting_seconds: accepting.as_secs_f64(),
        all_seconds: all.as_secs_f64(),
        per_second: stats::rate(args.recipients, all),
        processes,
    })
}

async fn post_all(herald: &Herald, bodies: Vec<Vec<u8>>, at_once: usize) -> anyhow::Result<Vec<String>> {
    let slots = Arc::new(Semaphore::new(at_once));
    let mut tasks = JoinSet::new();
    for body in bodies {
        let (herald, slots) = (herald.clone(), Arc::clone(&slots));
        tasks.spawn(async move {
            let _slot = slots.acquire_owned().await?;
            herald.accept_plan(body).await
        });
    }
    let mut ids = Vec::new();
    while let Some(id) = tasks.join_next().await {
        ids.push(id??);
    }
    Ok(ids)
}

fn plan(from: usize, to: usize, priority: &str) -> Value {
    let recipients: Vec<Value> = (from..to)
        .map(|number| json!({"key": format!("person-{number}"), "name": format!("Person {number}")}))
        .collect();
    json!({
        "title": format!("Notice to {from}..{to}"), "content": {"text": "Hello {{ name }}, no water from 14:00."},
        "recipients": recipients, "channels": ["inbox"], "priority": priority,
    })
}
