//! How many fell into a sliding window, and how evenly a rate was used.

use std::time::{Duration, Instant};

/// The most of `times` (in order) in any half-open window of `span`.
pub(super) fn most(times: &[Instant], span: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, at) in times.iter().enumerate() {
        while *at - times[first] >= span {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// Share of `per_second` that was used between the first and the last of `times` (in order).
pub(super) fn utilisation(times: &[Instant], per_second: f64) -> Option<f64> {
    let span = (*times.last()? - *times.first()?).as_secs_f64();
    (span > 0.0).then(|| (times.len() - 1) as f64 / span / per_second)
}

/// How many fell into each second since the first.
pub(super) fn by_second(times: &[Instant]) -> Vec<usize> {
    let Some(first) = times.first() else { return Vec::new() };
    let mut seconds = Vec::new();
    for at in times {
        let second = (*at - *first).as_secs() as usize;
        if seconds.len() <= second {
            seconds.resize(second + 1, 0);
        }
        seconds[second] += 1;
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: &[u64]) -> Vec<Instant> {
        let start = Instant::now();
        millis.iter().map(|ms| start + Duration::from_millis(*ms)).collect()
    }

    #[test]
    fn windows_are_half_open() {
        let second = Duration::from_secs(1);
        assert_eq!(most(&at(&[0, 500, 1000, 1499]), second), 3);
        assert_eq!(most(&at(&[0, 999]), second), 2);
        assert_eq!(most(&at(&[0, 1000]), second), 1, "a second later is the next window");
        assert_eq!(most(&[], second), 0);
    }

    #[test]
    fn a_rate_fully_used_is_one() {
        let times = at(&(0..101).map(|n| n * 20).collect::<Vec<_>>());
        assert!((utilisation(&times, 50.0).unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(by_second(&times), [50, 50, 1]);
        assert_eq!(utilisation(&times[..1], 50.0), None);
    }
}
