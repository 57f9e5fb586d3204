//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::accept::AcceptArgs;
use crate::book::ReportArgs;
use crate::bulk::BulkArgs;
use crate::env::Env;
use crate::floor::Floor;
use crate::inbox::InboxArgs;
use crate::ladders::LaddersArgs;
use crate::latency::LatencyArgs;
use crate::limits::LimitsArgs;
use crate::mail::MailArgs;
use crate::mixed::MixedArgs;
use crate::peer::PeerArgs;
use crate::single::SingleArgs;
use crate::soak::SoakArgs;
use crate::standin::Standin;
use crate::{
    accept, book, bulk, floor, inbox, ladders, latency, limits, mail, mixed, peer, single, soak, standin,
};

/// Measures Herald through its HTTP contract, beside floors measured in the same run on the same machine.
///
/// The servers are found through HERALD_URL, HERALD_API_KEY, DATABASE_URL and AMQP_URL, from the environment or from
/// the file that `make run` writes. Receivers are started by the command itself on loopback: Herald must allow it
/// (HERALD_ALLOW_NETS=127.0.0.0/8; `make run` does). Measure release builds on an otherwise idle machine, and read
/// medians and ratios: absolute figures wander from hour to hour.
#[derive(Debug, Parser)]
#[command(name = "herald-loadtest", version, max_term_width = 110)]
struct Cli {
    /// File with NAME=value lines; the real environment wins over it.
    #[arg(long, global = true, value_name = "FILE", default_value = ".herald/env")]
    env: PathBuf,
    /// Also write the result as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What Postgres and RabbitMQ do here without Herald. Needs DATABASE_URL, AMQP_URL, not Herald.
    #[command(subcommand)]
    Floor(Floor),
    /// Urgent singles to a webhook at a fixed rate, from the moment each POST was due to its arrival, run by run
    /// beside the hops floor.
    Latency(LatencyArgs),
    /// Accept alone: plans that are due later, beside pgbench.
    Accept(AcceptArgs),
    /// Throughput of singles: closed loop, from the first POST to the last outcome recorded, beside pgbench.
    Single(SingleArgs),
    /// One plan of a million people to WeCom (draft, streamed upload, send), each exactly once, beside the rows floor.
    Bulk(BulkArgs),
    /// Urgent singles of one tenant beside a plan of a million of another, in turns with nothing beside; and how soon a
    /// third tenant's plan starts.
    Mixed(MixedArgs),
    /// What a team would write instead: Celery, RabbitMQ and Postgres doing the job of `single`, on private servers.
    Peer(PeerArgs),
    /// An account's limit a second at the provider: sliding windows, and how much of the limit was used.
    Limits(LimitsArgs),
    /// A moderate mixed load for a time: latency, queue depths and memory, part by part.
    Soak(SoakArgs),
    /// One plan of 10,000 mails over SMTP, each exactly once, beside postfix's smtp-source on the same server.
    Smtp(MailArgs),
    /// Bulk into the in-app inbox: deliveries a second from the first POST to the last plan finished.
    Inbox(InboxArgs),
    /// A million ladders whose second tier falls due over ten minutes while people read: does the dispatcher keep up?
    Ladders(LaddersArgs),
    /// Runs everything and writes one table, Markdown and plots.
    Report(ReportArgs),
    /// Plays a provider for work by hand, until Ctrl-C.
    #[command(subcommand)]
    Standin(Standin),
}

/// Parses the program's arguments and does what they say.
///
/// # Errors
///
/// Whatever kept a measurement from being made, in words for the terminal.
pub async fn run() -> anyhow::Result<()> {
    let cli = Cli::parse();
    // Only one provider is compiled in; a second installation would be the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    let env = Env::load(&cli.env)?;
    let json = cli.json.as_deref();
    match cli.command {
        Command::Floor(args) => floor::run(args, &env, json).await,
        Command::Latency(args) => Box::pin(latency::run(args, &env, json)).await,
        Command::Accept(args) => accept::run(args, &env, json).await,
        Command::Peer(args) => Box::pin(peer::run(args, json)).await,
        Command::Limits(args) => Box::pin(limits::run(args, &env, json)).await,
        Command::Soak(args) => Box::pin(soak::run(args, &env, json)).await,
        Command::Single(args) => single::run(args, &env, json).await,
        Command::Bulk(args) => Box::pin(bulk::run(args, &env, json)).await,
        Command::Mixed(args) => Box::pin(mixed::run(args, &env, json)).await,
        Command::Smtp(args) => mail::run(args, &env, json).await,
        Command::Inbox(args) => inbox::run(args, &env, json).await,
        Command::Ladders(args) => Box::pin(ladders::run(args, &env, json)).await,
        Command::Report(args) => book::run(args, &cli.env).await,
        Command::Standin(args) => standin::run(args).await,
    }
}
