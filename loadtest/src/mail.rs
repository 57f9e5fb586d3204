//! Ten thousand mails in one plan, beside what postfix's `smtp-source` sends to the same server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use crate::env::Env;
use crate::herald::Herald;
use crate::herald::account::Borrowed;
use crate::processes::{Meter, Used, Watched, chosen};
use crate::report::{Table, emit, times, whole};
use crate::smtp_source::{Load, SmtpSource};
use crate::standins::smtp::{self, Handle, Options, Received};
use crate::stats;

/// A plan must be finished within this.
const PATIENCE: Duration = Duration::from_secs(600);

/// Limits: issue "Main job", and ARCHITECTURE.md "Speed".
const GATE: f64 = 0.5;
const MEMORY_MB: f64 = 150.0;

/// Mails that tell how many bytes of headers `smtp-source` adds to its payload.
const PROBE: usize = 20;

/// Options of `smtp`.
#[derive(Debug, Args)]
pub(crate) struct MailArgs {
    /// Recipients of the plan, each with a mail of their own.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    recipients: u32,
    /// Connections: the account's concurrency, and smtp-source's -s.
    #[arg(long, default_value_t = 20)]
    connections: usize,
    /// Letters of the text part; names and headers come on top.
    #[arg(long, default_value_t = 500)]
    text: usize,
    /// Rounds of: Herald, smtp-source -d, smtp-source.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where smtp-source is. Default: /usr/sbin/smtp-source, else unpacked from Debian's package postfix.
    #[arg(long, value_name = "FILE")]
    smtp_source: Option<PathBuf>,
    /// Leave smtp-source out.
    #[arg(long, conflicts_with = "smtp_source")]
    no_peer: bool,
    /// Fail (exit code 1) unless Herald reaches half of smtp-source in its default mode (a connection for each mail;
    /// the ratio to -d, which keeps connections open, is printed beside), opens no more connections than it was allowed,
    /// and every watched process stays below 150 MB.
    #[arg(long)]
    gate: bool,
    /// A process whose CPU and memory are counted: NAME=URL of its /metrics (CPU in whole seconds) or NAME=PID (exact,
    /// with its descendants). Repeatable. Default: Herald's three, where the environment names them.
    #[arg(long = "process", value_name = "NAME=URL|PID")]
    processes: Vec<Watched>,
    /// Disable the tenant's other email accounts for the time of the measurement, and enable them again after it.
    #[arg(long)]
    set_aside: bool,
}

#[derive(Debug, Serialize)]
struct Round {
    /// From POST to `finished`.
    #[serde(rename = "herald_per_second")]
    herald: f64,
    /// From the first mail to the last at the server.
    #[serde(rename = "herald_on_the_wire_per_second")]
    herald_on_the_wire: f64,
    /// Most connections from Herald open at once.
    connections: usize,
    connections_in_all: u64,
    bytes_a_mail: f64,
    /// `smtp-source -d`, by its own duration.
    #[serde(rename = "source_reusing_per_second")]
    source_reusing: Option<f64>,
    /// `smtp-source` with a connection for each mail.
    #[serde(rename = "source_reconnecting_per_second")]
    source_reconnecting: Option<f64>,
    processes: Vec<Used>,
}

#[derive(Debug, Serialize)]
struct Report {
    recipients: u32,
    connections: usize,
    peer: Option<&'static str>,
    rounds: Vec<Round>,
    ratio_to_reusing: Option<f64>,
    ratio_to_reconnecting: Option<f64>,
    peak_mb: Option<f64>,
}

/// Measures and prints.
pub(crate) async fn run(args: MailArgs, env: &Env, json: Option<&Path>) -> anyhow::Result<()> {
    let herald = Herald::open(env)?;
    let source = match args.no_peer {
        true => None,
        false => Some(SmtpSource::find(args.smtp_source.as_deref()).await?),
    };
    let server = smtp::start(Options { keep: 1, ..Options::default() }).await?;
    let details = json!({
        "settings": {"host": "127.0.0.1", "port": server.addr().port(), "tls": "none", "from": "Herald <herald@example.org>"},
        "limits": {"concurrency": args.connections},
    });
    let account = Borrowed::create(&herald, "email", "smtp", details, args.set_aside).await?;
    let rounds = account.during(async {
        let mut rounds = Vec::new();
        for number in 1..=args.rounds {
            eprintln!("round {number} of {}", args.rounds);
            rounds.push(round(&args, env, &herald, &server, source.as_ref()).await?);
        }
        Ok(rounds)
    });
    let report = Report::new(&args, source.as_ref(), rounds.await?);
    emit(&report, json)?;
    ensure!(!args.gate || report.within_gate(), "mail is outside the gate");
    Ok(())
}

async fn round(
    args: &MailArgs,
    env: &Env,
    herald: &Herald,
    server: &Handle,
    source: Option<&SmtpSource>,
) -> anyhow::Result<Round> {
    server.set_strict(true);
    server.reset();
    let meter = Meter::start(chosen(&args.processes, env)).await?;
    let body = plan(args.recipients, args.text).to_string().into_bytes();
    let start = Instant::now();
    let id = herald.accept_plan(body).await?;
    let deliveries = herald.wait_finished(&[id], PATIENCE).await?;
    let time = start.elapsed();
    let processes = meter.stop().await?;
    let mails = args.recipients as usize;
    ensure!(deliveries.sent == mails as u64, "{} of {mails} are sent: {deliveries:?}", deliveries.sent);
    let (wire, connections, bytes_a_mail) = server.read(|received| {
        exactly_once(received, mails)?;
        let wire = received.last_at.zip(received.first_at).context("no mail")?;
        anyhow::Ok((wire.0 - wire.1, received.connections, received.bytes as f64 / mails as f64))
    })?;
    let mut round = Round {
        herald: stats::rate(mails, time),
        herald_on_the_wire: stats::rate(mails, wire),
        connections: connections.max,
        connections_in_all: connections.total,
        bytes_a_mail,
        source_reusing: None,
        source_reconnecting: None,
        processes,
    };
    if let Some(source) = source {
        let load = same_size(args, bytes_a_mail, source, server).await?;
        round.source_reusing = Some(peer(source, Load { reuse: true, ..load }, server).await?);
        round.source_reconnecting = Some(peer(source, Load { reuse: false, ..load }, server).await?);
    }
    Ok(round)
}

/// Mails a second of one run of `smtp-source`, by its own duration.
async fn peer(source: &SmtpSource, load: Load, server: &Handle) -> anyhow::Result<f64> {
    // Its messages have no MIME-Version.
    server.set_strict(false);
    server.reset();
    let time = source.run(load, server).await?;
    let (mails, violations) = server.read(|received| (received.mails, received.violations.clone()));
    ensure!(mails == load.mails as u64, "the server took {mails} mails from smtp-source: {violations:?}");
    Ok(stats::rate(load.mails, time))
}

/// The payload with which `smtp-source`'s whole mails are as large as Herald's.
async fn same_size(
    args: &MailArgs,
    bytes_a_mail: f64,
    source: &SmtpSource,
    server: &Handle,
) -> anyhow::Result<Load> {
    let bytes = bytes_a_mail.round() as usize;
    let load = Load { connections: args.connections, mails: args.recipients as usize, bytes, reuse: true };
    peer(source, Load { mails: PROBE, connections: 1, ..load }, server).await?;
    let whole = server.read(|received| received.bytes as f64 / received.mails as f64);
    let headers = (whole - bytes_a_mail).round().max(0.0) as usize;
    Ok(Load { bytes: bytes.saturating_sub(headers).max(1), ..load })
}

fn exactly_once(received: &Received, mails: usize) -> anyhow::Result<()> {
    ensure!(received.violations.is_empty(), "the server refused what it was sent: {:?}", received.violations);
    for (what, counts) in [("recipients", &received.by_recipient), ("Message-IDs", &received.by_message_id)] {
        let repeated = counts.values().filter(|tally| tally.count > 1).count();
        ensure!(
            counts.len() == mails && repeated == 0,
            "the server saw {} different {what} of {mails}, {repeated} of them more than once",
            counts.len()
        );
    }
    Ok(())
}

fn plan(recipients: u32, letters: usize) -> Value {
    let text: String = (0..letters).map(|at| if at % 70 == 69 { '\n' } else { 'x' }).collect();
    let recipients: Vec<Value> = (0..recipients)
        .map(|number| json!({"email": format!("person{number}@example.org"), "name": format!("Person {number}")}))
        .collect();
    json!({
        "title": "Water is off", "content": {"subject": "Water is off", "text": format!("Hello {{{{ name }}}}.\n{text}")},
        "recipients": recipients, "channels": ["email"],
    })
}

impl Report {
    fn new(args: &MailArgs, source: Option<&SmtpSource>, rounds: Vec<Round>) -> Self {
        let ratio = |peer: fn(&Round) -> Option<f64>| {
            stats::median(rounds.iter().filter_map(|round| Some(round.herald / peer(round)?)).collect())
        };
        Self {
            recipients: args.recipients,
            connections: args.connections,
            peer: source.map(SmtpSource::origin),
            ratio_to_reusing: ratio(|round| round.source_reusing),
            ratio_to_reconnecting: ratio(|round| round.source_reconnecting),
            peak_mb: rounds
                .iter()
                .flat_map(|round| &round.processes)
                .map(|used| used.peak_mb)
                .reduce(f64::max),
            rounds,
        }
    }

    fn within_gate(&self) -> bool {
        self.ratio_to_reconnecting.is_none_or(|ratio| ratio >= GATE)
            && self.peak_mb.is_none_or(|peak| peak < MEMORY_MB)
            && self.rounds.iter().all(|round| round.connections <= self.connections)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "mails/s",
            "herald",
            "on the wire",
            "smtp-source -d",
            "smtp-source",
            "connections at once",
            "in all",
            "bytes a mail",
        ];
        let mut table = Table::new(&head);
        let or_dash = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), whole);
        for (number, round) in self.rounds.iter().enumerate() {
            table.row(
                format!("round {}", number + 1),
                [
                    whole(round.herald),
                    whole(round.herald_on_the_wire),
                    or_dash(round.source_reusing),
                    or_dash(round.source_reconnecting),
                    round.connections.to_string(),
                    round.connections_in_all.to_string(),
                    whole(round.bytes_a_mail),
                ],
            );
        }
        let (recipients, connections) = (self.recipients, self.connections);
        writeln!(f, "one plan of {recipients} recipients, POST to finished; {connections} connections")?;
        write!(f, "{table}")?;
        for (number, round) in self.rounds.iter().enumerate() {
            for used in &round.processes {
                writeln!(f, "round {} {used}", number + 1)?;
            }
        }
        if let (Some(reusing), Some(reconnecting)) = (self.ratio_to_reusing, self.ratio_to_reconnecting) {
            let (reusing, reconnecting) = (times(reusing), times(reconnecting));
            writeln!(
                f,
                "median ratio to smtp-source -d {reusing}, without -d {reconnecting} (gate {GATE}x)"
            )?;
        }
        if let Some(peak) = self.peak_mb {
            writeln!(f, "highest memory of one process {peak:.0} MB (gate {MEMORY_MB} MB)")?;
        }
        Ok(())
    }
}
