//! One process under test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::client::Client;
use crate::{SOON, program, wait_for, wait_until, within};

/// A running (or killed) program, its output in a file.
pub struct Process {
    /// Program and number, e.g. `herald-worker.2`.
    pub name: String,
    child: Child,
    log: PathBuf,
    /// Where in the log this run begins.
    skip: usize,
}

/// How to start a program.
pub struct Launch<'a> {
    /// `herald-api`, `herald-dispatcher` or `herald-worker`.
    pub program: &'static str,
    /// Its name in this test, which is that of its log.
    pub name: String,
    /// Where its log goes and where it runs.
    pub folder: &'a Path,
    /// Its settings.
    pub env: &'a [(String, String)],
}

/// Runs one of our programs to its end, with this environment and nothing else of Herald's.
///
/// # Errors
/// Its words when it fails.
pub fn command(name: &str, arguments: &[&str], env: &[(&str, &str)]) -> anyhow::Result<String> {
    let output = clean(Command::new(program::path(name)))
        .args(arguments)
        .envs(env.iter().copied())
        .current_dir(std::env::temp_dir())
        .output()
        .with_context(|| format!("{name} cannot be run"))?;
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    anyhow::ensure!(
        output.status.success(),
        "{name} {arguments:?} ended with {}:\n{out}{err}",
        output.status
    );
    Ok(out)
}

/// Without the settings of whoever runs the tests.
fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars() {
        if name.starts_with("HERALD_") || name == "DATABASE_URL" || name == "AMQP_URL" {
            command.env_remove(name);
        }
    }
    command
}

impl Process {
    /// Starts a program. It dies with the thread that called this, which for a test is the test's own.
    ///
    /// # Panics
    /// When it cannot be started.
    pub(crate) fn start(launch: &Launch<'_>) -> Process {
        Process::start_build(&program::path(launch.program), launch)
    }

    /// The same with the program of a given build.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_build(program: &Path, launch: &Launch<'_>) -> Process {
        let log = launch.folder.join(format!("{}.log", launch.name));
        let skip = std::fs::read(&log).map_or(0, |text| text.len());
        let output = File::options().create(true).append(true).open(&log).expect("a log file can be made");
        let errors = output.try_clone().expect("a file can be shared");
        let mut command = clean(Command::new("setpriv"));
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command.envs(launch.env.iter().map(|(name, value)| (name, value))).current_dir(launch.folder);
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().expect("setpriv (of util-linux) can be run");
        Process { name: launch.name.clone(), child, log, skip }
    }

    /// What it has logged since it was started.
    #[must_use]
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes[self.skip.min(bytes.len())..]).into_owned()
    }

    /// The last lines of it.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = self.output();
        let lines: Vec<&str> = text.lines().collect();
        format!("--- {}\n{}\n", self.name, lines[lines.len().saturating_sub(30)..].join("\n"))
    }

    /// Its address, once it listens: port 0 was asked for, the log says what it got.
    ///
    /// # Panics
    /// When it ended or does not listen soon.
    pub async fn address(&mut self) -> String {
        let found = wait_for("a process listens", SOON, || {
            let found = self.output().lines().find_map(listening);
            let ended = self.exited();
            async move { if found.is_some() || ended.is_some() { Some(found) } else { None } }
        });
        let address = found.await;
        address.unwrap_or_else(|| panic!("a process ended before it listened\n{}", self.tail()))
    }

    /// Its health, readiness and metrics.
    pub async fn http(&mut self) -> Client {
        Client::new(&format!("http://{}", self.address().await), None)
    }

    /// Waits for `/readyz`.
    ///
    /// # Panics
    /// When it is not ready soon.
    pub async fn ready(&mut self) {
        let http = self.http().await;
        let what = format!("{} is ready", self.name);
        wait_until(&what, SOON, || async {
            http.try_call(reqwest::Method::GET, "/readyz", &[], None)
                .await
                .is_ok_and(|answer| answer.status == 200)
        })
        .await;
    }

    /// Its exit status, if it has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// The most memory it has had, in MB; 0 when it has ended.
    #[must_use]
    pub fn peak_memory_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kilobytes.unwrap_or(0) / 1024
    }

    /// Sends a signal by name (`TERM`, `STOP`, `CONT`).
    ///
    /// # Panics
    /// When there is no such process any more.
    pub fn signal(&self, signal: &str) {
        let text = format!("kill -{signal} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &text]).status().expect("sh can be run");
        assert!(status.success(), "{text}");
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Panics
    /// When it had ended before.
    pub fn kill(&mut self) {
        assert!(self.exited().is_none(), "{} had ended by itself\n{}", self.name, self.tail());
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it has not within `limit`.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let ended = within(limit, async || self.exited()).await;
        ended.unwrap_or_else(|| panic!("{} still runs after {limit:?}\n{}", self.name, self.tail()))
    }

    /// SIGTERM; it must leave with exit code 0.
    ///
    /// # Panics
    /// When it does not.
    pub async fn stop(&mut self, limit: Duration) {
        self.signal("TERM");
        let status = self.ended(limit).await;
        assert!(status.success(), "{} ended with {status} after SIGTERM\n{}", self.name, self.tail());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; there is nothing more to do then.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn listening(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let says = line["message"].as_str()?;
    let own = says.contains("listens") || says.contains("serves /healthz");
    let address = line["addr"].as_str().or(line["address"].as_str())?;
    own.then(|| address.to_owned())
}
