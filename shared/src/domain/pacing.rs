//! Pacing at admission: of an account with a limit, about one second's calls are let into the broker. Pure.
//!
//! The limit itself is kept by the workers. This only sees to it that a slow account does not fill a window that all tenants share.

use std::collections::HashMap;
use std::time::Duration;

/// Calls an account may be ahead of its rate, as time.
const AHEAD: Duration = Duration::from_secs(1);
/// An account that is full is let in again when this much of [`AHEAD`] is free: fewer, larger rounds.
const STEP: Duration = Duration::from_millis(100);
/// Admitted is this much more than the rate: the workers keep it, and must not run dry between two rounds.
const OVER: f64 = 1.1;
/// Accounts remembered; idle ones go first.
const MOST: usize = 10_000;

/// Where each account with a limit stands, on the caller's clock (time since any fixed moment).
#[derive(Debug, Default)]
pub struct Pacing {
    accounts: HashMap<i64, Pace>,
}

#[derive(Debug, Clone, Copy)]
struct Pace {
    per_second: f64,
    /// Admitted calls last until then.
    until: Duration,
    full: bool,
}

impl Pacing {
    /// Takes the limit an account has now; `None`: it has none.
    pub fn limit(&mut self, account: i64, per_second: Option<f64>, now: Duration) {
        match per_second.filter(|rate| *rate > 0.0) {
            None => drop(self.accounts.remove(&account)),
            Some(per_second) => {
                let pace =
                    self.accounts.entry(account).or_insert(Pace { per_second, until: now, full: false });
                pace.per_second = per_second;
            }
        }
        if self.accounts.len() > MOST {
            self.accounts.retain(|_, pace| pace.until > now);
        }
    }

    /// How long until the account may be given more; zero: now.
    pub fn wait(&mut self, account: i64, now: Duration) -> Duration {
        let Some(pace) = self.accounts.get_mut(&account) else { return Duration::ZERO };
        let ahead = pace.until.saturating_sub(now);
        let most = if pace.full { AHEAD - STEP } else { AHEAD };
        if ahead < most {
            pace.full = false;
            return Duration::ZERO;
        }
        pace.full = true;
        (ahead - (AHEAD - STEP)).max(Duration::from_millis(1))
    }

    /// Counts calls given to the account. A job counts for at most a second's calls: what does not fit its worker's second
    /// comes back, and is counted again then.
    pub fn take(&mut self, account: i64, calls: i32, now: Duration) {
        let Some(pace) = self.accounts.get_mut(&account) else { return };
        let cost = f64::from(calls.max(1)) / (pace.per_second * OVER);
        pace.until = pace.until.max(now) + Duration::from_secs_f64(cost).min(AHEAD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Calls admitted in `time` when a round comes each 10 ms and there is always a job of `calls`.
    fn admitted(per_second: f64, calls: i32, time: Duration) -> i32 {
        let mut pacing = Pacing::default();
        let (mut now, mut sum) = (5 * SECOND, 0);
        let end = now + time;
        while now < end {
            pacing.limit(1, Some(per_second), now);
            while pacing.wait(1, now) == Duration::ZERO {
                pacing.take(1, calls, now);
                sum += calls;
            }
            now += Duration::from_millis(10);
        }
        sum
    }

    #[test]
    fn about_a_seconds_calls_are_ahead_and_the_rest_follows_at_the_rate() {
        for (rate, calls) in [(1.0, 1), (50.0, 1), (50.0, 50), (1000.0, 1), (1000.0, 50)] {
            let first = f64::from(admitted(rate, calls, Duration::from_millis(10)));
            assert!((rate..=rate * 2.2).contains(&first), "{rate}/s, {calls} calls a job: {first} at once");
            let minute = f64::from(admitted(rate, calls, 60 * SECOND)) / 60.0;
            assert!((rate..=rate * 1.2).contains(&minute), "{rate}/s, {calls} calls a job: {minute}/s");
        }
    }

    #[test]
    fn a_job_larger_than_a_second_of_a_slow_account_counts_as_one_second() {
        assert!((10..=13).contains(&(admitted(1.0, 50, 10 * SECOND) / 50)), "its worker gives the rest back");
    }

    #[test]
    fn an_account_that_is_full_says_for_how_long() {
        let mut pacing = Pacing::default();
        pacing.limit(1, Some(10.0), SECOND);
        pacing.take(1, 100, SECOND);
        let wait = pacing.wait(1, SECOND);
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(101), "{wait:?}");
        assert_eq!(pacing.wait(1, SECOND + wait + Duration::from_millis(1)), Duration::ZERO);
    }

    #[test]
    fn an_account_without_a_limit_never_waits() {
        let mut pacing = Pacing::default();
        pacing.take(7, 1_000_000, SECOND);
        assert_eq!(pacing.wait(7, SECOND), Duration::ZERO);
        pacing.limit(7, Some(1.0), SECOND);
        pacing.take(7, 10, SECOND);
        assert!(pacing.wait(7, SECOND) > Duration::ZERO);
        pacing.limit(7, None, SECOND);
        assert_eq!(pacing.wait(7, SECOND), Duration::ZERO, "the limit was lifted");
    }
}
