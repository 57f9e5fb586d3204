//! The peer: Celery, RabbitMQ and Postgres doing the job of `single`, on servers of their own.

mod setup;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use tokio::process::{Child, Command};
use tokio_postgres::Client;

use setup::Servers;

use crate::interrupt::interruptible;
use crate::processes::{Meter, Used, Watched};
use crate::progress::Progress;
use crate::report::{emit, whole};
use crate::servers;
use crate::standins::webhook::{self, Key};
use crate::stats;

/// Everything must be recorded within this.
const PATIENCE: Duration = Duration::from_secs(300);

/// Messages before the measurement: every worker process connects and prepares.
const WARM_UP: usize = 200;

const LOOK: Duration = Duration::from_millis(50);

/// Options of `peer`.
#[derive(Debug, Args)]
pub(crate) struct PeerArgs {
    /// Messages.
    #[arg(long, default_value_t = 5000)]
    count: usize,
    /// Worker processes of Celery.
    #[arg(long, default_value_t = 8)]
    concurrency: usize,
    /// Clients that insert and publish.
    #[arg(long, default_value_t = 4)]
    producers: usize,
    /// Where the program is.
    #[arg(long, default_value = "loadtest/peers/celery")]
    program: PathBuf,
    /// Where its virtual environment and, while it runs, its servers are.
    #[arg(long, default_value = ".herald/peer")]
    directory: PathBuf,
}

#[derive(Debug, Serialize)]
struct Report {
    count: usize,
    concurrency: usize,
    accepted_per_second: f64,
    /// From the first INSERT to the last status recorded.
    per_second: f64,
    processes: Vec<Used>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "celery peer: {} messages/s end to end ({} messages, {} worker processes; accepted {}/s)",
            whole(self.per_second),
            self.count,
            self.concurrency,
            whole(self.accepted_per_second)
        )?;
        for used in &self.processes {
            writeln!(f, "{used}, {:.0} us CPU a message", used.cpu * 1e6 / self.count as f64)?;
        }
        Ok(())
    }
}

/// Measures and prints.
pub(crate) async fn run(args: PeerArgs, json: Option<&Path>) -> anyhow::Result<()> {
    ensure!(args.count > 0 && args.producers > 0, "--count and --producers must be at least 1");
    let programs =
        setup::environment(&args.directory.join("venv"), &args.program.join("requirements.txt")).await?;
    let directory = args.directory.join("servers");
    let report = interruptible(async {
        let servers = setup::servers(&directory).await?;
        measure(&args, &programs, servers).await
    })
    .await;
    setup::stop(&directory).await?;
    emit(&report?, json)
}

async fn measure(args: &PeerArgs, programs: &Path, servers: Servers) -> anyhow::Result<Report> {
    let key = Key::random();
    let options = webhook::Options { keys: vec![key.clone()], keep: 0, ..webhook::Options::default() };
    let standin = webhook::start(options).await?;
    let peer = Peer {
        programs: std::path::absolute(programs)?,
        args,
        servers: &servers,
        key,
        url: standin.url("/peer"),
    };
    let database = servers::postgres(&servers.database_url).await?;
    let mut worker = peer.worker()?;
    peer.produce(WARM_UP).await?;
    recorded(&database, WARM_UP, &mut worker).await?;
    let pid = worker.id().context("the worker has ended")?;
    let watched = [("celery", pid), ("postgres", servers.postgres.pid), ("rabbitmq", servers.broker.pid)]
        .into_iter()
        .map(|(name, pid)| format!("{name}={pid}").parse())
        .chain([Ok(Watched::this_process())])
        .collect::<anyhow::Result<Vec<_>>>()?;
    let meter = Meter::start(watched).await?;
    let start = Instant::now();
    let accepting = async {
        peer.produce(args.count).await?;
        Ok(start.elapsed())
    };
    let (accepted, ()) = tokio::try_join!(accepting, recorded(&database, WARM_UP + args.count, &mut worker))?;
    let all = start.elapsed();
    let processes = meter.stop().await?;
    worker.kill().await?;
    let (seen, violations) =
        standin.read(|received| (received.accepted_by_id.len(), received.violations.clone()));
    ensure!(violations.is_empty(), "the receiver refused requests: {violations:?}");
    ensure!(seen == WARM_UP + args.count, "the receiver saw {seen} messages");
    Ok(Report {
        count: args.count,
        concurrency: args.concurrency,
        accepted_per_second: stats::rate(args.count, accepted),
        per_second: stats::rate(args.count, all),
        processes,
    })
}

struct Peer<'a> {
    programs: PathBuf,
    args: &'a PeerArgs,
    servers: &'a Servers,
    key: Key,
    url: String,
}

impl Peer<'_> {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .current_dir(&self.args.program)
            .env("DATABASE_URL", &self.servers.database_url)
            .env("AMQP_URL", &self.servers.amqp_url)
            .env("PEER_SIGNING_KEY", self.key.text())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Errors of tasks go to the terminal; Celery's own greeting does not.
    fn worker(&self) -> anyhow::Result<Child> {
        let concurrency = self.args.concurrency.to_string();
        self.command("celery")
            .args(["--quiet", "-A", "tasks", "worker", "--loglevel", "ERROR", "--concurrency", &concurrency])
            .args(["--without-gossip", "--without-mingle", "--without-heartbeat"])
            .stdout(Stdio::null())
            .spawn()
            .context("celery cannot be started")
    }

    /// Returns when all are accepted.
    async fn produce(&self, count: usize) -> anyhow::Result<()> {
        let producers = self.args.producers.to_string();
        let arguments = ["produce.py", &count.to_string(), &self.url, &producers];
        let status = self.command("python").args(arguments).status().await?;
        ensure!(status.success(), "produce.py failed");
        Ok(())
    }
}

/// Waits until `count` messages are recorded as sent.
async fn recorded(database: &Client, count: usize, worker: &mut Child) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut progress = Progress::new("recorded", count as u64);
    loop {
        // An index-free count over some thousand rows takes the peer's server less than a millisecond.
        let row = database.query_one("SELECT count(*) FROM message WHERE status = 1", &[]).await?;
        let done = usize::try_from(row.get::<_, i64>(0))?;
        progress.show(done as u64);
        if done >= count {
            return Ok(());
        }
        ensure!(worker.try_wait()?.is_none(), "the celery worker has ended");
        ensure!(begun.elapsed() < PATIENCE, "only {done} of {count} recorded within {PATIENCE:?}");
        tokio::time::sleep(LOOK).await;
    }
}
