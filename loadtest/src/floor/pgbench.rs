//! The pgbench floor: what Postgres commits when every message is its own INSERT.
//!
//! Frozen: `pgbench -n -M prepared -c 16 -j 2`, one INSERT of about 100 bytes into a table with a bigint key.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, ensure};
use serde::Serialize;
use tokio::process::Command;

use super::scratch::Scratch;
use crate::env::Env;
use crate::interrupt::interruptible;
use crate::report::whole;

const TABLES: &str = "CREATE TABLE single (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL, created_at timestamptz NOT NULL DEFAULT now())";
const CLIENTS: &str = "16";

/// What pgbench said.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Pgbench {
    pub(crate) per_second: f64,
    seconds: u32,
}

impl fmt::Display for Pgbench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, seconds) = (whole(self.per_second), self.seconds);
        writeln!(f, "pgbench floor: {rate} single-row INSERTs/s ({CLIENTS} clients, {seconds} s)")
    }
}

/// Measures in a scratch schema of `DATABASE_URL`.
///
/// # Errors
///
/// pgbench is not installed, or it failed: its own words are in the error.
pub(crate) async fn run(env: &Env, seconds: u32) -> anyhow::Result<Pgbench> {
    ensure!(seconds > 0, "--seconds must be at least 1");
    let program =
        find().context("pgbench not found: apt-get install postgresql-client, or put it on PATH")?;
    let url = env.required("DATABASE_URL")?;
    let scratch = Scratch::create(&url, TABLES).await?;
    let measured = interruptible(measure(program, &url, &scratch.name, seconds)).await;
    scratch.remove().await?;
    Ok(Pgbench { per_second: measured?, seconds })
}

async fn measure(program: PathBuf, url: &str, schema: &str, seconds: u32) -> anyhow::Result<f64> {
    let script = format!("INSERT INTO {schema}.single (body) VALUES ('{}');\n", "x".repeat(100));
    let file = std::env::temp_dir().join(format!("{schema}.sql"));
    tokio::fs::write(&file, script).await?;
    let output = connected(&mut Command::new(program), url)?
        .args(["-n", "-M", "prepared", "-j", "2", "-c", CLIENTS, "-T", &seconds.to_string(), "-f"])
        .arg(&file)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .output()
        .await;
    tokio::fs::remove_file(&file).await?;
    let output = output?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    tps(&said).with_context(|| format!("no tps in what pgbench printed: {said}"))
}

/// Passes the server by environment: arguments, and the password in them, are visible to every user of the machine.
fn connected<'a>(command: &'a mut Command, url: &str) -> anyhow::Result<&'a mut Command> {
    let config: tokio_postgres::Config = url.parse().context("DATABASE_URL does not parse")?;
    let host = match config.get_hosts().first() {
        Some(tokio_postgres::config::Host::Tcp(name)) => name.clone(),
        Some(tokio_postgres::config::Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    command.env("PGHOST", host).env("PGOPTIONS", "-c synchronous_commit=on");
    if let Some(port) = config.get_ports().first() {
        command.env("PGPORT", port.to_string());
    }
    if let Some(user) = config.get_user() {
        command.env("PGUSER", user);
    }
    if let Some(password) = config.get_password() {
        command.env("PGPASSWORD", String::from_utf8_lossy(password).into_owned());
    }
    if let Some(database) = config.get_dbname() {
        command.env("PGDATABASE", database);
    }
    Ok(command)
}

/// On PATH, or where Debian keeps it; the newest version.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("pgbench"));
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin/pgbench")))
        .collect();
    versions.sort();
    on_path.chain(versions.into_iter().rev()).find(|program| program.is_file())
}

/// From the line `tps = 10234.5 (without initial connection time)`.
fn tps(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.starts_with("tps = "))?;
    line.split(' ').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tps_is_found() {
        assert_eq!(
            tps("latency average = 1.5 ms\ntps = 10234.5 (without initial connection time)\n"),
            Some(10234.5)
        );
        assert_eq!(tps("tps of sorts"), None);
    }
}
