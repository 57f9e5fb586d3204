//! What the peer needs: a virtual environment, private servers, its table.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::process::Command;

use crate::servers;

const TABLE: &str = "
    DROP TABLE IF EXISTS message;
    CREATE TABLE message (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, url text NOT NULL, title text NOT NULL, body text NOT NULL,
        status smallint NOT NULL DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz
    );";

/// The description that `deploy/servers` prints.
#[derive(Debug, Deserialize)]
pub(super) struct Servers {
    pub(super) database_url: String,
    pub(super) amqp_url: String,
    pub(super) postgres: Server,
    pub(super) broker: Server,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct Server {
    pub(super) pid: u32,
}

/// Starts private servers in `directory` that end with this program, with an empty table.
pub(super) async fn servers(directory: &Path) -> anyhow::Result<Servers> {
    let owner = std::process::id().to_string();
    let said = run(Command::new("deploy/servers").arg("up").arg(directory).args(["--owner", &owner])).await;
    let said = said.context("the peer's servers (run this in Herald's clone, where deploy/servers is)")?;
    let servers: Servers = serde_json::from_slice(&said).context("what deploy/servers printed")?;
    servers::postgres(&servers.database_url).await?.batch_execute(TABLE).await?;
    Ok(servers)
}

/// Stops them and removes their data.
pub(super) async fn stop(directory: &Path) -> anyhow::Result<()> {
    run(Command::new("deploy/servers").arg("down").arg(directory).arg("--remove")).await?;
    Ok(())
}

/// A virtual environment in `directory` with what `requirements` pins; made once. Its folder of programs.
pub(super) async fn environment(directory: &Path, requirements: &Path) -> anyhow::Result<PathBuf> {
    let wanted = tokio::fs::read(requirements)
        .await
        .with_context(|| format!("cannot read {} (run this in Herald's clone)", requirements.display()))?;
    let (programs, mark) = (directory.join("bin"), directory.join("installed.txt"));
    if tokio::fs::read(&mark).await.is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    eprintln!("making a virtual environment in {}", directory.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(directory)).await?;
    run(Command::new(programs.join("pip")).args(["install", "--quiet", "-r"]).arg(requirements)).await?;
    tokio::fs::write(&mark, wanted).await?;
    Ok(programs)
}

async fn run(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command.kill_on_drop(true).output().await.with_context(|| format!("cannot run {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{name} failed: {} {}", said.trim(), printed.trim());
    Ok(output.stdout)
}
