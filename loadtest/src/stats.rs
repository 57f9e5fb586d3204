//! Exact statistics over all samples.

use std::time::Duration;

use serde::Serialize;

/// Exact percentiles (nearest rank) in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    /// Samples.
    pub(crate) count: usize,
    #[serde(rename = "p50_ms")]
    pub(crate) p50: f64,
    #[serde(rename = "p95_ms")]
    pub(crate) p95: f64,
    #[serde(rename = "p99_ms")]
    pub(crate) p99: f64,
    #[serde(rename = "max_ms")]
    pub(crate) max: f64,
}

impl Percentiles {
    /// `None` without samples.
    pub(crate) fn of(mut samples: Vec<Duration>) -> Option<Self> {
        samples.sort_unstable();
        let max = ms(*samples.last()?);
        let at = |percent: usize| ms(samples[(samples.len() * percent).div_ceil(100).max(1) - 1]);
        Some(Self { count: samples.len(), p50: at(50), p95: at(95), p99: at(99), max })
    }

    /// Each percentile's median over the runs.
    pub(crate) fn medians(runs: &[Self]) -> Option<Self> {
        let of = |pick: fn(&Self) -> f64| median(runs.iter().map(pick).collect());
        Some(Self {
            count: runs.iter().map(|run| run.count).sum(),
            p50: of(|run| run.p50)?,
            p95: of(|run| run.p95)?,
            p99: of(|run| run.p99)?,
            max: of(|run| run.max)?,
        })
    }
}

/// The middle value, or the mean of the two middle ones; `None` without values.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

/// Milliseconds with fractions.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// How many a second.
pub(crate) fn rate(count: usize, time: Duration) -> f64 {
    // Counts here are far below 2^52.
    count as f64 / time.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Percentiles {
        Percentiles::of(values.into_iter().map(Duration::from_millis).collect()).unwrap()
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let all = of((1..=200).rev());
        assert_eq!((all.p50, all.p95, all.p99, all.max), (100.0, 190.0, 198.0, 200.0));
        let one = of([7]);
        assert_eq!((one.p50, one.p99, one.count), (7.0, 7.0, 1));
        assert!(Percentiles::of(Vec::new()).is_none());
    }

    #[test]
    fn medians_are_per_percentile() {
        let medians = Percentiles::medians(&[of([1, 9]), of([5]), of([3, 4])]).unwrap();
        assert_eq!((medians.p50, medians.max, medians.count), (3.0, 5.0, 5));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
