//! A file system that can be full: a tmpfs for a database's tables and indexes, in a mount namespace of the servers' own, which
//! goes when they go. The log (pg_wal) stays where it is: without room for it PostgreSQL ends itself, which is a crash.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// More than any run needs; memory is taken by what is written.
const ROOMY: &str = "8g";
/// What is left when it is full.
const LEFT_KB: u32 = 256;
/// The tablespace's name.
pub(crate) const TABLESPACE: &str = "small";

/// The file system, and the way to it.
pub struct Small {
    /// The servers' mount namespace.
    namespace: File,
    folder: PathBuf,
}

/// The folder it is mounted on. Each namespace has its own, so all can have the same, and none is left behind for each run.
fn mount_point() -> PathBuf {
    std::env::temp_dir().join("herald-small")
}

/// A command that runs its arguments in a mount namespace with a tmpfs. `None`: only root may do that, and not everywhere.
pub(crate) fn wrapper() -> Option<Command> {
    let script = format!("mount -t tmpfs -o size={ROOMY} herald-small \"$0\" && exec \"$@\"");
    let command = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", &script]).arg(mount_point()).args(words);
        command
    };
    std::fs::create_dir_all(mount_point()).ok()?;
    let can = command(&["true"]).output().is_ok_and(|output| output.status.success());
    can.then(|| command(&[]))
}

impl Small {
    /// The tmpfs of servers in `directory` that were started by a [`wrapper`]; `pid` is one of theirs.
    pub(crate) fn of(directory: &Path, pid: u64) -> anyhow::Result<Small> {
        let namespace = File::open(format!("/proc/{pid}/ns/mnt"))?;
        let small = Small { namespace, folder: mount_point() };
        // A tablespace's folder must be the server's own.
        small.run(&format!("chown --reference='{}' \"$0\"", directory.join("postgres").display()))?;
        Ok(small)
    }

    /// Where it is, for the server.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves no room.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn fill(&self) -> anyhow::Result<()> {
        self.run(&format!(
            "used=$(df -k --output=used \"$0\" | tail -n 1) && mount -o remount,size=$((used + {LEFT_KB}))k \"$0\""
        ))
    }

    /// Gives all the room back.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn free(&self) -> anyhow::Result<()> {
        self.run(&format!("mount -o remount,size={ROOMY} \"$0\""))
    }

    fn run(&self, script: &str) -> anyhow::Result<()> {
        let namespace = format!("--mount=/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd());
        let mut command = Command::new("nsenter");
        let output = command.arg(namespace).args(["sh", "-c", script]).arg(&self.folder).output();
        let output = output.context("nsenter (of util-linux) cannot be run")?;
        ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}
