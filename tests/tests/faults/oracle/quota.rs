//! Invariant 5: no window of a second holds more calls than the account allows.

use std::time::{Duration, Instant};

use super::Findings;
use crate::world::{PER_SECOND, World};

/// Looks at when every webhook receiver was called. Breaches count only where limits are enforced.
pub(super) fn check(world: &World, findings: &mut Findings) {
    let enforced = std::env::var("QUOTAS").is_ok_and(|value| value == "1");
    for tenant in &world.tenants {
        let mut calls = tenant.calls.lock().unwrap().clone();
        calls.sort_unstable();
        findings.most_calls = findings.most_calls.max(most(&calls, Duration::from_secs(1)));
        let over = over(&calls, Duration::from_secs(1), PER_SECOND);
        if enforced && over > 0 {
            findings.quota_violations += over;
            let what = format!(
                "{} was called more than {PER_SECOND} times within a second, {over} times",
                tenant.name
            );
            findings.breach("quota", what);
        }
    }
}

/// Calls that came while `quota` others lay less than a window back. `calls` are in order.
fn over(calls: &[Instant], window: Duration, quota: usize) -> usize {
    calls.windows(quota + 1).filter(|group| group[quota].duration_since(group[0]) < window).count()
}

/// Most calls in any window.
fn most(calls: &[Instant], window: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, at) in calls.iter().enumerate() {
        while at.duration_since(calls[first]) >= window {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_slide() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let second = Duration::from_secs(1);
        // Two in each whole second, four around its border.
        let calls = [at(0), at(900), at(950), at(1000), at(1100), at(2050)];
        assert_eq!(most(&calls, second), 4);
        assert_eq!((over(&calls, second, 4), over(&calls, second, 3), over(&calls, second, 2)), (0, 1, 3));
        assert_eq!((most(&[], second), over(&[], second, 2)), (0, 0));
    }
}
