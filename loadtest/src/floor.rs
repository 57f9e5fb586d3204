//! What the machine can do at best: the measures Herald's own are divided by.
//!
//! These programs are frozen (ARCHITECTURE.md "Speed"): changing one makes every ratio before it incomparable.
//! Each works in a schema or queue of its own, made at the start and removed at the end.

pub(crate) mod hops;
pub(crate) mod pgbench;
mod pointers;
pub(crate) mod rows;
mod scratch;

use std::path::Path;

use clap::{Args, Subcommand};

use crate::env::Env;
use crate::report::emit;

/// Which floor.
#[derive(Debug, Subcommand)]
pub(crate) enum Floor {
    /// One message after the other's steps, open loop: synced commit, publish to a quorum queue, consume, synced
    /// commit, signed HTTP POST to a local receiver. Prints p50, p95 and p99 from due to arrival.
    Hops(HopsArgs),
    /// Rows through the life of a delivery: insert, UPDATE claim, UPDATE outcome, an attempt row each; two
    /// connections, chunks of 1000, every chunk's steps committed one by one, no broker, no HTTP.
    Rows(RowsArgs),
    /// PostgreSQL's own pgbench: single-row INSERT, 16 clients, prepared, each its own synced commit.
    Pgbench(PgbenchArgs),
    /// 300-byte persistent messages through a quorum queue, published with confirms and consumed at once.
    Pointers(PointersArgs),
}

/// Options of `floor hops`.
#[derive(Debug, Args)]
pub(crate) struct HopsArgs {
    /// Messages a second.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Messages in a run.
    #[arg(long, default_value_t = 1500)]
    count: usize,
    /// Runs, one after the other.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// Options of `floor rows`.
#[derive(Debug, Args)]
pub(crate) struct RowsArgs {
    /// Deliveries.
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
}

/// Options of `floor pgbench`.
#[derive(Debug, Args)]
pub(crate) struct PgbenchArgs {
    /// How long.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

/// Options of `floor pointers`.
#[derive(Debug, Args)]
pub(crate) struct PointersArgs {
    /// Messages.
    #[arg(long, default_value_t = 100_000)]
    count: usize,
}

/// Measures one floor and prints it.
pub(crate) async fn run(floor: Floor, env: &Env, json: Option<&Path>) -> anyhow::Result<()> {
    match floor {
        Floor::Hops(args) => emit(&hops::run(env, args.rate, args.count, args.runs).await?, json),
        Floor::Rows(args) => emit(&rows::run(env, args.rows).await?, json),
        Floor::Pgbench(args) => emit(&pgbench::run(env, args.seconds).await?, json),
        Floor::Pointers(args) => emit(&pointers::run(env, args.count).await?, json),
    }
}
