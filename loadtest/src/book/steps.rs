//! The measurements of a report: this program's own commands, each with its result as JSON.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use serde_json::Value;
use tokio::process::Command;

/// One command; its name is also that of its file.
pub(super) struct Step {
    pub(super) name: &'static str,
    short: &'static str,
    full: &'static str,
}

/// In the order in which they run. The peer comes beside singles, the floors inside of what they are floors of; accept comes
/// late, since it leaves the most behind.
pub(super) const STEPS: [Step; 10] = [
    step("hops", "floor hops --count 300 --runs 1", "floor hops"),
    step("pointers", "floor pointers --count 20000", "floor pointers"),
    step("latency", "latency --plans 300 --runs 1 --set-aside", "latency --set-aside"),
    step(
        "single",
        "single --seconds 8 --floor-seconds 5 --set-aside",
        "single --seconds 20 --rounds 3 --set-aside",
    ),
    step("peer", "peer --count 2000", "peer --count 10000"),
    step("bulk", "bulk --recipients 300000 --set-aside", "bulk --set-aside"),
    step(
        "recall",
        "bulk --recipients 300000 --recall-at 0.5 --set-aside",
        "bulk --recall-at 0.5 --set-aside",
    ),
    step(
        "mixed",
        "mixed --recipients 150000 --pairs 1 --plans 300 --set-aside",
        "mixed --recipients 1000000 --pairs 5 --plans 1000 --set-aside",
    ),
    step("limits", "limits --seconds 15 --set-aside", "limits --set-aside"),
    step("accept", "accept --rounds 1 --seconds 5 --floor-seconds 5 --set-aside", "accept --set-aside"),
];

/// The last one: the longest.
pub(super) const SOAK: Step = step("soak", "soak --seconds 30 --set-aside", "soak --set-aside");

const fn step(name: &'static str, short: &'static str, full: &'static str) -> Step {
    Step { name, short, full }
}

impl Step {
    /// What it is called with.
    pub(super) fn words(&self, full: bool) -> &'static str {
        if full { self.full } else { self.short }
    }

    /// Where its result is.
    pub(super) fn file(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{}.json", self.name))
    }

    /// Runs it; its own words go to standard error. A step that fails is told and leaves no file.
    pub(super) async fn run(&self, env: &Path, directory: &Path, full: bool) -> anyhow::Result<bool> {
        let (words, file) = (self.words(full), self.file(directory));
        eprintln!("\n== {words}");
        drop(std::fs::remove_file(&file));
        let status = Command::new(std::env::current_exe()?)
            .args(words.split(' '))
            .arg("--env")
            .arg(env)
            .arg("--json")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .kill_on_drop(true)
            .status()
            .await
            .with_context(|| format!("cannot run {words}"))?;
        Ok(status.success())
    }

    /// Its result, where there is one.
    pub(super) fn result(&self, directory: &Path) -> anyhow::Result<Option<Value>> {
        match std::fs::read(self.file(directory)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
