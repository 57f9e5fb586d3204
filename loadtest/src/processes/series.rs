//! What a process used over time, in bounded memory.

use serde::Serialize;

use super::Usage;

/// Samples kept; when there are more, every second one is dropped.
const KEPT: usize = 400;

/// One look at a process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Sample {
    /// Since the measurement began.
    pub(crate) seconds: f64,
    /// CPU seconds used since it began.
    pub(crate) cpu_seconds: f64,
    /// Resident memory in MB (10^6 bytes).
    pub(crate) mb: f64,
}

/// Samples of one process.
#[derive(Debug, Default)]
pub(super) struct Series {
    pub(super) samples: Vec<Sample>,
    pub(super) peak: f64,
    every: usize,
    seen: usize,
}

impl Series {
    pub(super) fn add(&mut self, seconds: f64, before: Usage, now: Usage) {
        self.peak = self.peak.max(now.memory);
        if self.seen.is_multiple_of(self.every.max(1)) {
            let sample = Sample { seconds, cpu_seconds: now.cpu - before.cpu, mb: now.memory / 1e6 };
            self.samples.push(sample);
        }
        self.seen += 1;
        if self.samples.len() > KEPT {
            let mut number = 0;
            self.samples.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.every = self.every.max(1) * 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_series_is_thinned_evenly_and_keeps_its_peak() {
        let mut series = Series::default();
        for second in 0..5000_u32 {
            let memory = if second == 4001 { 9e6 } else { 1e6 };
            series.add(f64::from(second), Usage::default(), Usage { cpu: 0.0, memory });
        }
        assert!(series.samples.len() <= KEPT && series.samples.len() > KEPT / 3, "{}", series.samples.len());
        let steps: Vec<f64> =
            series.samples.windows(2).map(|pair| pair[1].seconds - pair[0].seconds).collect();
        assert!(steps.iter().all(|step| *step == steps[0]), "{steps:?}");
        assert!((series.peak - 9e6).abs() < 1.0);
    }
}
