//! The kernel's table of processes, as far as CPU time and memory go.

use std::collections::BTreeMap;

use super::Usage;

/// The kernel's clock ticks a second; 100 on every Linux that Rust's standard library supports (USER_HZ).
const TICKS: f64 = 100.0;

/// Bytes in a memory page, as `/proc/PID/stat` counts; 4096 on x86-64 and on the usual arm64 kernels.
const PAGE: f64 = 4096.0;

/// All processes at one moment.
pub(super) struct Table(BTreeMap<u32, Stat>);

impl Table {
    pub(super) fn read() -> std::io::Result<Self> {
        let mut stats = BTreeMap::new();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            if let Some(stat) = Stat::read(pid) {
                stats.insert(pid, stat);
            }
        }
        Ok(Self(stats))
    }

    /// A process with all its descendants; what those that have ended used is in their parents' figures. Memory that
    /// several of them share (PostgreSQL's buffers) counts once for each.
    pub(super) fn tree(&self, root: u32) -> Option<Usage> {
        self.0.get(&root)?;
        let mut sum = Usage::default();
        for (pid, stat) in &self.0 {
            if self.descends(*pid, root) {
                sum.cpu += stat.cpu_ticks / TICKS;
                sum.memory += stat.pages * PAGE;
            }
        }
        Some(sum)
    }

    fn descends(&self, mut pid: u32, root: u32) -> bool {
        while pid != root {
            match self.0.get(&pid) {
                Some(stat) if stat.parent != 0 => pid = stat.parent,
                _ => return false,
            }
        }
        true
    }
}

struct Stat {
    parent: u32,
    cpu_ticks: f64,
    pages: f64,
}

impl Stat {
    /// `None` when the process has gone. Fields as numbered in proc(5): after the name, which may hold anything.
    fn read(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            cpu_ticks: number(14)? + number(15)? + number(16)? + number(17)?,
            pages: number(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let table = Table::read().unwrap();
        assert!(table.tree(std::process::id()).unwrap().memory > 100_000.0);
        assert!(table.tree(u32::MAX).is_none());
    }
}
