//! What processes use: CPU time and resident memory, from their `/metrics` or from `/proc`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::task::JoinHandle;

use crate::env::Env;

/// Time between two samples of memory.
const SAMPLE: Duration = Duration::from_millis(200);

/// The kernel's clock ticks a second; 100 on every Linux that Rust's standard library supports (USER_HZ).
const TICKS: f64 = 100.0;

/// Bytes in a memory page, as `/proc/PID/statm` counts; 4096 on x86-64 and on the usual arm64 kernels.
const PAGE: f64 = 4096.0;

/// One watched process: `NAME=URL` of its metrics, or `NAME=PID` (with its descendants).
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    name: String,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Metrics(String),
    Pid(u32),
}

impl Watched {
    /// The generator itself, with the stand-ins in it.
    pub(crate) fn this_process() -> Self {
        Self { name: "loadtest".to_owned(), source: Source::Pid(std::process::id()) }
    }
}

impl FromStr for Watched {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, source) = text.split_once('=').context("expected NAME=URL or NAME=PID")?;
        let source = match source.parse() {
            Ok(pid) => Source::Pid(pid),
            Err(_) if source.starts_with("http") => Source::Metrics(source.to_owned()),
            Err(_) => bail!("after {name}= there must be a process id or the URL of its /metrics"),
        };
        Ok(Self { name: name.to_owned(), source })
    }
}

/// What was named, or else Herald's three as `make run` describes them in the environment file.
pub(crate) fn chosen(named: &[Watched], env: &Env) -> Vec<Watched> {
    if !named.is_empty() {
        return named.to_vec();
    }
    [("api", "HERALD_URL"), ("dispatcher", "HERALD_DISPATCHER_URL"), ("worker", "HERALD_WORKER_URL")]
        .into_iter()
        .filter_map(|(name, variable)| {
            let url = format!("{}/metrics", env.get(variable)?.trim_end_matches('/'));
            Some(Watched { name: name.to_owned(), source: Source::Metrics(url) })
        })
        .collect()
}

/// CPU seconds since start and resident bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Usage {
    cpu: f64,
    memory: f64,
}

/// What one process used during a measurement.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Used {
    pub(crate) name: String,
    /// User and system time.
    #[serde(rename = "cpu_seconds")]
    pub(crate) cpu: f64,
    /// Highest sampled resident memory, in MB (10^6 bytes).
    pub(crate) peak_mb: f64,
}

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:.1} s CPU, at most {:.0} MB", self.name, self.cpu, self.peak_mb)
    }
}

/// Samples processes from its making until [`Meter::stop`].
pub(crate) struct Meter {
    watched: Vec<Watched>,
    before: Vec<Usage>,
    peaks: Arc<Mutex<BTreeMap<String, f64>>>,
    sampler: JoinHandle<()>,
    http: reqwest::Client,
}

impl Meter {
    pub(crate) async fn start(watched: Vec<Watched>) -> anyhow::Result<Self> {
        let http = crate::servers::http(Duration::from_secs(5))?;
        let mut before = Vec::new();
        for process in &watched {
            before.push(usage(&http, process).await?);
        }
        let peaks = Arc::new(Mutex::new(BTreeMap::new()));
        let sampler = tokio::spawn(sample(http.clone(), watched.clone(), Arc::clone(&peaks)));
        Ok(Self { watched, before, peaks, sampler, http })
    }

    /// What each used since the start.
    pub(crate) async fn stop(self) -> anyhow::Result<Vec<Used>> {
        self.sampler.abort();
        let mut all = Vec::new();
        for (process, before) in self.watched.iter().zip(&self.before) {
            let now = usage(&self.http, process).await?;
            let peaks = self.peaks.lock().unwrap_or_else(PoisonError::into_inner);
            let sampled = peaks.get(&process.name).copied().unwrap_or(0.0);
            let peak = sampled.max(now.memory).max(before.memory);
            all.push(Used { name: process.name.clone(), cpu: now.cpu - before.cpu, peak_mb: peak / 1e6 });
        }
        Ok(all)
    }
}

async fn sample(http: reqwest::Client, watched: Vec<Watched>, peaks: Arc<Mutex<BTreeMap<String, f64>>>) {
    loop {
        for process in &watched {
            // A process that is away for a moment shows at the end, when its usage is asked for again.
            if let Ok(now) = usage(&http, process).await {
                let mut peaks = peaks.lock().unwrap_or_else(PoisonError::into_inner);
                let peak = peaks.entry(process.name.clone()).or_insert(0.0);
                *peak = peak.max(now.memory);
            }
        }
        tokio::time::sleep(SAMPLE).await;
    }
}

async fn usage(http: &reqwest::Client, process: &Watched) -> anyhow::Result<Usage> {
    match &process.source {
        Source::Pid(pid) => of_tree(*pid),
        Source::Metrics(url) => {
            let answer =
                http.get(url).send().await.with_context(|| format!("metrics of {}", process.name))?;
            let text = answer.text().await?;
            let value = |name| metric(&text, name).with_context(|| format!("{url} has no {name}"));
            Ok(Usage {
                cpu: value("process_cpu_seconds_total")?,
                memory: value("process_resident_memory_bytes")?,
            })
        }
    }
}

fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A process with all its descendants; what those that have ended used is in their parents' figures.
fn of_tree(root: u32) -> anyhow::Result<Usage> {
    let mut stats = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if let Some(stat) = Stat::read(pid) {
            stats.insert(pid, stat);
        }
    }
    if !stats.contains_key(&root) {
        bail!("there is no process {root}");
    }
    let mut sum = Usage::default();
    for (pid, stat) in &stats {
        if descends(*pid, root, &stats) {
            sum.cpu += stat.cpu_ticks / TICKS;
            sum.memory += stat.pages * PAGE;
        }
    }
    Ok(sum)
}

fn descends(mut pid: u32, root: u32, stats: &BTreeMap<u32, Stat>) -> bool {
    while pid != root {
        match stats.get(&pid) {
            Some(stat) if stat.parent != 0 => pid = stat.parent,
            _ => return false,
        }
    }
    true
}

struct Stat {
    parent: u32,
    cpu_ticks: f64,
    pages: f64,
}

impl Stat {
    /// `None` when the process has gone. Fields as numbered in proc(5): after the name, which may hold anything.
    fn read(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            cpu_ticks: number(14)? + number(15)? + number(16)? + number(17)?,
            pages: number(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        assert!(matches!("pg=12".parse::<Watched>().unwrap().source, Source::Pid(12)));
        assert!(matches!("api=http://x/metrics".parse::<Watched>().unwrap().source, Source::Metrics(_)));
        assert!("api=x".parse::<Watched>().is_err());
        assert!("12".parse::<Watched>().is_err());
    }

    #[test]
    fn metrics_are_found_by_their_whole_name() {
        let text = "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total_x 3\nprocess_cpu_seconds_total 1.5\n";
        assert_eq!(metric(text, "process_cpu_seconds_total"), Some(1.5));
    }

    #[test]
    fn this_process_uses_something() {
        let usage = of_tree(std::process::id()).unwrap();
        assert!(usage.memory > 100_000.0);
        assert!(of_tree(u32::MAX).is_err());
    }
}
