//! Postfix's load generator `smtp-source`: the peer for mail. Never installed: taken out of Debian's package.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::standins::smtp;

/// Where the package puts it.
const INSTALLED: &str = "/usr/sbin/smtp-source";

/// A run is given up after this.
const PATIENCE: Duration = Duration::from_secs(600);

/// The program, wherever it came from.
pub(crate) struct SmtpSource {
    program: PathBuf,
    libraries: Option<PathBuf>,
    unpacked: Option<Folder>,
}

/// A temporary folder, removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the temporary folder; nothing depends on it.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// One way to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Connections at once.
    pub(crate) connections: usize,
    pub(crate) mails: usize,
    /// Payload bytes of a mail, without its headers.
    pub(crate) bytes: usize,
    /// Keep connections open from mail to mail (`-d`).
    pub(crate) reuse: bool,
}

impl SmtpSource {
    /// `named`, or the installed one, or one unpacked from Debian's package postfix into a temporary folder.
    ///
    /// # Errors
    ///
    /// There is none and the package cannot be downloaded.
    pub(crate) async fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        let installed = named.unwrap_or(Path::new(INSTALLED));
        if installed.is_file() {
            return Ok(Self { program: installed.to_owned(), libraries: None, unpacked: None });
        }
        ensure!(named.is_none(), "there is no {}", installed.display());
        eprintln!("taking smtp-source out of Debian's package postfix (it is not installed)");
        let folder = Folder(std::env::temp_dir().join(format!("smtp-source-{:08x}", fastrand::u32(..))));
        std::fs::create_dir(&folder.0)?;
        unpack(&folder.0)
            .await
            .context("or name one with --smtp-source; it is part of the package postfix")?;
        Ok(Self {
            program: folder.0.join("usr/sbin/smtp-source"),
            libraries: Some(folder.0.join("usr/lib/postfix")),
            unpacked: Some(folder),
        })
    }

    /// Sends, and waits until the server has accepted all; how long the program ran.
    pub(crate) async fn run(&self, load: Load, server: &smtp::Handle) -> anyhow::Result<Duration> {
        let mut command = Command::new(&self.program);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
            .args(["-s", &load.connections.to_string(), "-m", &load.mails.to_string()])
            .args(["-l", &load.bytes.to_string(), "-f", "source@example.org", "-t", "sink@example.org"])
            .args(load.reuse.then_some("-d"))
            .arg(server.addr().to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let start = Instant::now();
        let output =
            tokio::time::timeout(PATIENCE, command.output()).await.context("smtp-source hangs")??;
        let time = start.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "smtp-source failed: {}", said.trim());
        let wanted = load.mails as u64;
        server.wait_for(|received| received.mails >= wanted, Duration::from_secs(5)).await?;
        Ok(time)
    }

    /// Whether it lies in a temporary folder, for the report.
    pub(crate) fn origin(&self) -> &'static str {
        if self.unpacked.is_some() { "unpacked from Debian's package" } else { "installed" }
    }
}

async fn unpack(folder: &Path) -> anyhow::Result<()> {
    step(Command::new("apt-get").args(["-q", "download", "postfix"]).current_dir(folder)).await?;
    let package = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left no package")?;
    step(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder)).await
}

async fn step(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().await.context("cannot run apt-get or dpkg-deb")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
