//! How far a measurement is: a bar on a terminal, else a line a second; on standard error, so that results stay clean.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::report::whole;

const WIDTH: usize = 30;
const ON_TERMINAL: Duration = Duration::from_millis(200);
const IN_A_LOG: Duration = Duration::from_secs(1);

/// The progress of one step. The line ends when it is dropped.
pub(crate) struct Progress {
    what: String,
    total: u64,
    begun: Instant,
    told: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new(what: impl Into<String>, total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { what: what.into(), total, begun: Instant::now(), told: None, terminal }
    }

    /// Tells, unless it has just been told.
    pub(crate) fn show(&mut self, done: u64) {
        let pause = if self.terminal { ON_TERMINAL } else { IN_A_LOG };
        if self.told.is_some_and(|told| told.elapsed() < pause) {
            return;
        }
        self.told = Some(Instant::now());
        let line = line(&self.what, done, self.total, self.begun.elapsed());
        let mut stderr = std::io::stderr().lock();
        // Progress that cannot be written is no reason to stop a measurement.
        drop(if self.terminal { write!(stderr, "\r\x1b[K{line}") } else { writeln!(stderr, "{line}") });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && self.told.is_some() {
            eprintln!();
        }
    }
}

fn line(what: &str, done: u64, total: u64, time: Duration) -> String {
    let share = if total == 0 { 1.0 } else { (done as f64 / total as f64).min(1.0) };
    let filled = (share * WIDTH as f64) as usize;
    let bar: String = (0..WIDTH).map(|at| if at < filled { '#' } else { '.' }).collect();
    let rate = whole(done as f64 / time.as_secs_f64().max(1e-3));
    format!(
        "{what} [{bar}] {:.0} % {} of {}, {rate}/s, {:.0} s",
        share * 100.0,
        whole(done as f64),
        whole(total as f64),
        time.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_share_count_and_rate() {
        let line = line("sending", 500, 1000, Duration::from_secs(2));
        assert_eq!(
            line,
            format!("sending [{}{}] 50 % 500 of 1,000, 250/s, 2 s", "#".repeat(15), ".".repeat(15))
        );
        assert!(super::line("x", 0, 0, Duration::ZERO).contains("100 %"));
    }
}
