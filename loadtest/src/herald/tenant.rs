//! Further tenants for one measurement: the contract has none to make them with, the operator's program has.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::process::Command;

use super::Herald;
use crate::env::Env;

#[derive(Deserialize)]
struct Made {
    key: String,
}

impl Herald {
    /// The same Herald as tenant `name`: with the key in `variable` where it is set, else with a fresh key that
    /// `herald-api tenant create` makes (the tenant stays, and is used again).
    pub(crate) async fn as_tenant(&self, env: &Env, name: &str, variable: &str) -> anyhow::Result<Self> {
        let key = match env.get(variable) {
            Some(key) => key,
            None => create(env, name).await.with_context(|| {
                format!("no second tenant: set {variable} to a key of one, or make herald-api reachable")
            })?,
        };
        Ok(Self { key, ..self.clone() })
    }
}

async fn create(env: &Env, name: &str) -> anyhow::Result<String> {
    let mut command = Command::new(program());
    command.args(["tenant", "create", name, "--if-missing"]).kill_on_drop(true);
    for variable in ["DATABASE_URL", "AMQP_URL"] {
        command.env(variable, env.required(variable)?);
    }
    let output = command.output().await.context("herald-api cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "herald-api tenant create failed: {}", said.trim());
    let made: Made =
        serde_json::from_slice(&output.stdout).context("what herald-api tenant create printed")?;
    Ok(made.key)
}

/// Beside this program, as cargo builds it; else on PATH.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("herald-api"));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| "herald-api".into())
}
