//! What processes use: CPU time and resident memory, from their `/metrics` or from `/proc`, over time.

mod listener;
mod series;
mod table;

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::task::JoinHandle;

pub(crate) use series::Sample;
use series::Series;
use table::Table;

use crate::env::Env;

/// Time between two samples.
const SAMPLE: Duration = Duration::from_millis(250);

/// Memory that none of Herald's processes may reach, ARCHITECTURE.md "Speed".
pub(crate) const MAX_MB: f64 = 150.0;

/// Herald's own processes and the variables with their URLs.
const OWN: [(&str, &str); 3] =
    [("api", "HERALD_URL"), ("dispatcher", "HERALD_DISPATCHER_URL"), ("worker", "HERALD_WORKER_URL")];

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
    OWN.into_iter()
        .filter_map(|(name, variable)| {
            let url = format!("{}/metrics", env.get(variable)?.trim_end_matches('/'));
            Some(Watched { name: name.to_owned(), source: Source::Metrics(url) })
        })
        .collect()
}

/// The generator, and what was named, or else everything that takes part: Herald's three, and the servers where they run
/// on this machine. What listens on a port of this machine is read in `/proc`.
pub(crate) fn whole_system(named: &[Watched], env: &Env) -> Vec<Watched> {
    if !named.is_empty() {
        return named.iter().cloned().chain([Watched::this_process()]).collect();
    }
    let mut all = chosen(&[], env);
    for (watched, (_, variable)) in all.iter_mut().zip(OWN) {
        if let Some(pid) = local_process(env.get(variable).as_deref()) {
            watched.source = Source::Pid(pid);
        }
    }
    for (name, variable) in [("postgres", "DATABASE_URL"), ("rabbitmq", "AMQP_URL")] {
        if let Some(pid) = local_process(env.get(variable).as_deref()) {
            all.push(Watched { name: name.to_owned(), source: Source::Pid(pid) });
        }
    }
    all.push(Watched::this_process());
    all
}

/// The process behind a URL with a port of this machine.
fn local_process(url: Option<&str>) -> Option<u32> {
    let url = reqwest::Url::parse(url?).ok()?;
    let local = matches!(url.host_str()?, "localhost" | "127.0.0.1" | "[::1]");
    listener::of_port(url.port().filter(|_| local)?)
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
    /// Over time.
    pub(crate) samples: Vec<Sample>,
}

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:.1} s CPU, at most {:.0} MB", self.name, self.cpu, self.peak_mb)
    }
}

/// The highest memory among Herald's own processes, which have a limit, in MB.
pub(crate) fn herald_peak_mb(all: &[Used]) -> f64 {
    let own = |used: &&Used| OWN.iter().any(|(name, _)| used.name.starts_with(name));
    all.iter().filter(own).map(|used| used.peak_mb).fold(0.0, f64::max)
}

/// Samples processes from its making until [`Meter::stop`].
pub(crate) struct Meter {
    looker: Looker,
    before: Vec<Usage>,
    series: Arc<Mutex<Vec<Series>>>,
    sampler: JoinHandle<()>,
}

impl Meter {
    pub(crate) async fn start(watched: Vec<Watched>) -> anyhow::Result<Self> {
        let looker = Looker { http: crate::servers::http(Duration::from_secs(5))?, watched };
        let before = looker.look().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        let series: Vec<Series> = looker.watched.iter().map(|_| Series::default()).collect();
        let series = Arc::new(Mutex::new(series));
        let sampler = tokio::spawn(sample(looker.clone(), before.clone(), Arc::clone(&series)));
        Ok(Self { looker, before, series, sampler })
    }

    /// What each used since the start.
    pub(crate) async fn stop(self) -> anyhow::Result<Vec<Used>> {
        self.sampler.abort();
        let now = self.looker.look().await;
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::new();
        for (at, now) in now.into_iter().enumerate() {
            let (now, before, series) = (now?, self.before[at], &mut series[at]);
            let peak = series.peak.max(now.memory).max(before.memory);
            all.push(Used {
                name: self.looker.watched[at].name.clone(),
                cpu: now.cpu - before.cpu,
                peak_mb: peak / 1e6,
                samples: std::mem::take(&mut series.samples),
            });
        }
        Ok(all)
    }
}

async fn sample(looker: Looker, before: Vec<Usage>, series: Arc<Mutex<Vec<Series>>>) {
    let begun = Instant::now();
    loop {
        let now = looker.look().await;
        let seconds = begun.elapsed().as_secs_f64();
        {
            let mut series = series.lock().unwrap_or_else(PoisonError::into_inner);
            for ((series, before), now) in series.iter_mut().zip(&before).zip(now) {
                // A process that is away for a moment shows at the end, when its usage is asked for again.
                if let Ok(now) = now {
                    series.add(seconds, *before, now);
                }
            }
        }
        tokio::time::sleep(SAMPLE).await;
    }
}

#[derive(Clone)]
struct Looker {
    http: reqwest::Client,
    watched: Vec<Watched>,
}

impl Looker {
    /// One usage for each process, in order.
    async fn look(&self) -> Vec<anyhow::Result<Usage>> {
        let any_pid = self.watched.iter().any(|process| matches!(process.source, Source::Pid(_)));
        let table = any_pid.then(Table::read);
        let mut all = Vec::new();
        for process in &self.watched {
            all.push(match (&process.source, &table) {
                (Source::Metrics(url), _) => self.ask(&process.name, url).await,
                (Source::Pid(pid), Some(Ok(table))) => {
                    table.tree(*pid).with_context(|| format!("there is no process {pid} ({})", process.name))
                }
                (Source::Pid(_), _) => Err(anyhow::anyhow!("/proc cannot be read")),
            });
        }
        all
    }

    async fn ask(&self, name: &str, url: &str) -> anyhow::Result<Usage> {
        let answer = self.http.get(url).send().await.with_context(|| format!("metrics of {name}"))?;
        let text = answer.text().await?;
        let value = |name| metric(&text, name).with_context(|| format!("{url} has no {name}"));
        Ok(Usage {
            cpu: value("process_cpu_seconds_total")?,
            memory: value("process_resident_memory_bytes")?,
        })
    }
}

fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
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
}
