//! How an account does and what share of the work it gets: error rate and latency, with hysteresis; a breaker with probes. Pure.

use std::time::Duration;

/// What the fleet has seen of an account, old calls halved every ten seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Calls that worked.
    pub good: f64,
    /// Calls that failed for a reason that may be the account's.
    pub bad: f64,
    /// Mean time of a call, in ms.
    pub latency_ms: f64,
    /// What that is in good times; 0: not known yet.
    pub usual_ms: f64,
    /// Its share now, 0..=1.
    pub share: f64,
    /// Nothing is sent but probes.
    pub open: bool,
    /// Times the breaker opened in a row.
    pub trips: i16,
}

/// What is made of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// Its share from now on.
    pub share: f64,
    /// The breaker is open, and the next probe comes after this long.
    pub open_for: Option<Duration>,
    /// Times the breaker opened in a row.
    pub trips: i16,
    /// What a call usually takes.
    pub usual_ms: f64,
}

/// Calls below which nothing is concluded.
const FEW: f64 = 5.0;
/// Calls below which the breaker stays closed.
const ENOUGH: f64 = 10.0;
/// From this part of failures on the breaker opens.
const TRIPS: f64 = 0.5;
/// From this part of failures on the share falls...
const FALLS: f64 = 0.1;
/// ... and below this it rises again. In between it stays.
const RISES: f64 = 0.05;
/// A call that takes this many times the usual is slow, if it takes at least [`SLOW_MS`].
const SLOW: f64 = 4.0;
const SLOW_MS: f64 = 250.0;
/// The least share: enough to notice that it recovers.
pub const LEAST: f64 = 0.05;
/// No probe waits longer.
pub const LONGEST: Duration = Duration::from_secs(300);

/// Judges an account after `fresh` calls (good, bad) were added to `seen`. `probe_after`: the first wait before a probe.
#[must_use]
pub fn judge(seen: &Seen, fresh: (u32, u32), probe_after: Duration) -> Judgement {
    let Seen { share, trips, usual_ms, .. } = *seen;
    let unchanged = Judgement { share, open_for: None, trips, usual_ms };
    if seen.open {
        return match fresh {
            (1.., _) => Judgement { share: LEAST, ..unchanged },
            _ => opened(&unchanged, probe_after),
        };
    }
    let calls = seen.good + seen.bad;
    let failing = if calls > 0.0 { seen.bad / calls } else { 0.0 };
    if calls >= ENOUGH && failing >= TRIPS {
        return opened(&unchanged, probe_after);
    }
    let slow = usual_ms > 0.0 && seen.latency_ms > SLOW_MS.max(SLOW * usual_ms);
    if calls >= FEW && (failing > FALLS || slow) {
        return Judgement { share: (share * 0.7).max(LEAST), ..unchanged };
    }
    if failing < RISES && !slow {
        let share = (share + 0.1).min(1.0);
        let trips = if share >= 1.0 { 0 } else { trips };
        return Judgement { share, trips, usual_ms: learnt(seen, calls), open_for: None };
    }
    unchanged
}

/// The breaker opens, for twice as long each time in a row.
#[must_use]
pub fn opened(before: &Judgement, probe_after: Duration) -> Judgement {
    let doublings = u32::from(before.trips.clamp(0, 16).unsigned_abs());
    let wait = probe_after.saturating_mul(1 << doublings).min(LONGEST.max(probe_after));
    Judgement { share: 0.0, open_for: Some(wait), trips: before.trips.saturating_add(1), ..*before }
}

fn learnt(seen: &Seen, calls: f64) -> f64 {
    if calls < FEW {
        seen.usual_ms
    } else if seen.usual_ms > 0.0 {
        seen.usual_ms + (seen.latency_ms - seen.usual_ms) * 0.02
    } else {
        seen.latency_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: Duration = Duration::from_secs(15);
    const WELL: Seen =
        Seen { good: 100.0, bad: 0.0, latency_ms: 50.0, usual_ms: 50.0, share: 1.0, open: false, trips: 0 };

    #[test]
    fn a_few_failures_conclude_nothing() {
        let few = Seen { good: 0.0, bad: 4.0, ..WELL };
        assert_eq!(
            judge(&few, (0, 4), PROBE),
            Judgement { share: 1.0, open_for: None, trips: 0, usual_ms: 50.0 }
        );
    }

    #[test]
    fn failures_cost_share_and_then_the_breaker_opens_for_longer_each_time() {
        let failing = judge(&Seen { good: 80.0, bad: 20.0, ..WELL }, (8, 2), PROBE);
        assert!((failing.share - 0.7).abs() < 1e-9 && failing.open_for.is_none());
        let held = judge(&Seen { good: 92.0, bad: 8.0, share: 0.5, ..WELL }, (9, 1), PROBE);
        assert!((held.share - 0.5).abs() < 1e-9, "between the two thresholds it stays");
        let worse = Seen { good: 10.0, bad: 12.0, ..WELL };
        let first = judge(&worse, (0, 5), PROBE);
        assert_eq!((first.open_for, first.share, first.trips), (Some(PROBE), 0.0, 1));
        let second = judge(&Seen { open: true, trips: 1, share: 0.0, ..worse }, (0, 1), PROBE);
        assert_eq!((second.open_for, second.trips), (Some(2 * PROBE), 2));
        let last = judge(&Seen { open: true, trips: 99, share: 0.0, ..worse }, (0, 1), PROBE);
        assert_eq!(last.open_for, Some(LONGEST));
    }

    #[test]
    fn a_good_probe_closes_it_and_the_share_grows_back_step_by_step() {
        let mut seen = Seen { good: 1.0, bad: 0.0, open: true, share: 0.0, trips: 3, ..WELL };
        let mut shares = Vec::new();
        loop {
            let judged = judge(&seen, (1, 0), PROBE);
            assert_eq!(judged.open_for, None);
            shares.push(judged.share);
            if judged.share >= 1.0 {
                assert_eq!(judged.trips, 0, "a full recovery is forgiven");
                break;
            }
            seen = Seen { open: false, share: judged.share, trips: judged.trips, ..seen };
        }
        assert_eq!(shares.len(), 11, "{shares:?}");
    }

    #[test]
    fn a_slow_account_loses_share_and_its_slowness_is_not_learnt() {
        let slow = Seen { latency_ms: 900.0, ..WELL };
        let judged = judge(&slow, (10, 0), PROBE);
        assert!(judged.share < 1.0);
        assert_eq!(judged.usual_ms, 50.0);
        let quick = Seen { latency_ms: 200.0, usual_ms: 2.0, ..WELL };
        assert_eq!(judge(&quick, (10, 0), PROBE).share, 1.0, "a fifth of a second is nobody's failure");
    }
}
