//! An account's limit a second, seen where it counts: when the calls reach the provider.

mod windows;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use crate::env::Env;
use crate::herald::Herald;
use crate::herald::account::Borrowed;
use crate::progress::Progress;
use crate::report::emit;
use crate::standins::webhook::{self, Key};

const SECOND: Duration = Duration::from_secs(1);

/// At least this share of the limit must be used.
const MIN_USED: f64 = 0.9;

/// Most people of an inline plan.
const PER_PLAN: usize = 10_000;

/// Options of `limits`.
#[derive(Debug, Args)]
pub(crate) struct LimitsArgs {
    /// The account's limit.
    #[arg(long, default_value_t = 50)]
    per_second: u32,
    /// How many seconds' worth of messages.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Calls above the limit that are excused in one window: one for each worker that was frozen meanwhile.
    #[arg(long, default_value_t = 0)]
    frozen: usize,
    /// Disable the tenant's other webhook accounts for the time of the measurement, and enable them again after it.
    #[arg(long)]
    set_aside: bool,
    /// Fail (exit code 1) unless the limit is kept in every sliding second and used to at least 90 %.
    #[arg(long)]
    gate: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    per_second: u32,
    frozen: usize,
    calls: usize,
    seconds: f64,
    /// Most calls in any half-open second.
    most_in_a_second: usize,
    /// Share of the limit that was used between the first call and the last.
    used: f64,
    calls_by_second: Vec<usize>,
}

impl Report {
    fn within_gate(&self) -> bool {
        self.most_in_a_second <= self.per_second as usize + self.frozen && self.used >= MIN_USED
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = if self.within_gate() { "met" } else { "NOT met" };
        writeln!(
            f,
            "limit {}/s: {} calls in {:.1} s, at most {} in a sliding second, {:.1} % of the limit used (gate {:.0} %): {met}",
            self.per_second,
            self.calls,
            self.seconds,
            self.most_in_a_second,
            self.used * 100.0,
            MIN_USED * 100.0
        )
    }
}

/// Measures and prints.
pub(crate) async fn run(args: LimitsArgs, env: &Env, json: Option<&Path>) -> anyhow::Result<()> {
    ensure!(args.per_second > 0 && args.seconds > 1, "--per-second must be at least 1, --seconds at least 2");
    let herald = Herald::open(env)?;
    let key = Key::random();
    let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noted = Arc::clone(&times);
    let options = webhook::Options {
        keys: vec![key.clone()],
        keep: 0,
        observer: Some(Arc::new(move |arrival| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(arrival.at);
        })),
        ..webhook::Options::default()
    };
    let standin = webhook::start(options).await?;
    let details = json!({
        "settings": {"timeout_ms": 10000}, "secret": {"signing_key": key.text()},
        "limits": {"per_second": args.per_second},
    });
    let account = Borrowed::create(&herald, "webhook", "webhook", details, args.set_aside).await?;
    account.during(drain(&args, &herald, &standin)).await?;
    let mut times = std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner));
    times.sort_unstable();
    let report = report(&args, &times)?;
    emit(&report, json)?;
    ensure!(!args.gate || report.within_gate(), "the limit was exceeded, or too little of it was used");
    Ok(())
}

/// Posts everything at once and waits until it has gone out at the account's pace.
async fn drain(args: &LimitsArgs, herald: &Herald, standin: &webhook::Handle) -> anyhow::Result<()> {
    let messages = args.per_second as usize * args.seconds as usize;
    let mut ids = Vec::new();
    for from in (0..messages).step_by(PER_PLAN) {
        let people: Vec<Value> = (from..messages.min(from + PER_PLAN))
            .map(|n| json!({"key": format!("L{n}"), "url": standin.url(&format!("/l/{n}"))}))
            .collect();
        let plan = json!({
            "title": "limits", "content": {"text": "Water."}, "recipients": people, "channels": ["webhook"],
        });
        ids.push(herald.accept_plan(plan.to_string().into_bytes()).await?);
    }
    let patience = SECOND * args.seconds * 3 + Duration::from_secs(60);
    let mut progress = Progress::new("calls", messages as u64);
    let watch = async {
        loop {
            progress.show(standin.read(|received| received.requests));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        finished = herald.wait_finished(&ids, patience) => {
            let sent = finished?.sent;
            ensure!(sent == messages as u64, "{sent} of {messages} were sent");
        }
        () = watch => {}
    }
    let (seen, violations) =
        standin.read(|received| (received.accepted_by_id.len(), received.violations.clone()));
    ensure!(violations.is_empty(), "the receiver refused requests: {violations:?}");
    ensure!(seen == messages, "the receiver saw {seen} messages of {messages}");
    Ok(())
}

fn report(args: &LimitsArgs, times: &[Instant]) -> anyhow::Result<Report> {
    let (Some(first), Some(last)) = (times.first(), times.last()) else { anyhow::bail!("no call arrived") };
    Ok(Report {
        per_second: args.per_second,
        frozen: args.frozen,
        calls: times.len(),
        seconds: (*last - *first).as_secs_f64(),
        most_in_a_second: windows::most(times, SECOND),
        used: windows::utilisation(times, f64::from(args.per_second)).unwrap_or(0.0),
        calls_by_second: windows::by_second(times),
    })
}
