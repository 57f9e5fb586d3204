//! When a failed delivery is tried again: exponential backoff with full jitter, by error class. Pure.

use std::time::Duration;

use super::Class;

/// The retry rule of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first delay; doubles with each attempt. Default 5 s.
    pub base: Duration,
    /// No delay is longer. Default 1 h.
    pub cap: Duration,
    /// Attempts a delivery has in all, the first included. Default 8.
    pub max_attempts: i16,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { base: Duration::from_secs(5), cap: Duration::from_secs(3600), max_attempts: 8 }
    }
}

/// What becomes of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after the delay, as a new attempt.
    Retry(Duration),
    /// Try again after the delay; this one did not count.
    PutBack(Duration),
    /// Over.
    GiveUp,
}

impl Backoff {
    /// Decides what follows attempt number `attempt` (from 1) that failed with `class`.
    ///
    /// - `retry_after`: the provider's wish; a retry is never earlier, and never later than the cap for it.
    /// - `roll`: a random number in 0..1, so that the rule itself stays pure.
    ///
    /// `Unknown` is not decided here: it follows the plan's `on_unknown`.
    ///
    /// Source: full jitter, Brooker, "Exponential Backoff And Jitter" (AWS, 2015); a floor of a tenth keeps a retry
    /// from hitting a provider at once.
    #[must_use]
    pub fn after(&self, class: Class, attempt: i16, retry_after: Option<Duration>, roll: f64) -> Next {
        match class {
            Class::PermanentRecipient | Class::PermanentRequest => Next::GiveUp,
            Class::RateLimited => Next::PutBack(self.spread(retry_after.unwrap_or(self.base), roll)),
            Class::Account => Next::PutBack(self.spread(self.base, roll)),
            Class::Transient | Class::Unknown if attempt >= self.max_attempts => Next::GiveUp,
            Class::Transient | Class::Unknown => {
                let own = self.delay(attempt, roll);
                Next::Retry(retry_after.map_or(own, |wish| own.max(wish.min(self.cap))))
            }
        }
    }

    /// The delay after attempt `attempt`: between a tenth and the whole of `base * 2^(attempt-1)`, capped.
    #[must_use]
    pub fn delay(&self, attempt: i16, roll: f64) -> Duration {
        let doublings = u32::from(attempt.clamp(1, 32).unsigned_abs() - 1);
        let ceiling = self.base.saturating_mul(2u32.saturating_pow(doublings)).min(self.cap);
        ceiling.mul_f64(0.1 + 0.9 * roll.clamp(0.0, 1.0))
    }

    /// At least `wish` (capped), at most a fifth more, so that a paused crowd does not come back in one instant.
    fn spread(&self, wish: Duration, roll: f64) -> Duration {
        wish.min(self.cap).mul_f64(1.0 + 0.2 * roll.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classes_decide() {
        let rule = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60), max_attempts: 3 };
        let wish = Some(Duration::from_secs(7));
        let cases = [
            (Class::PermanentRecipient, 1, None, Next::GiveUp),
            (Class::PermanentRequest, 1, None, Next::GiveUp),
            (Class::Transient, 1, None, Next::Retry(Duration::from_secs(1))),
            (Class::Transient, 2, None, Next::Retry(Duration::from_secs(2))),
            (Class::Transient, 3, None, Next::GiveUp),
            (Class::Transient, 1, wish, Next::Retry(Duration::from_secs(7))),
            (Class::Unknown, 3, None, Next::GiveUp),
            (Class::RateLimited, 99, wish, Next::PutBack(Duration::from_millis(8400))),
            (Class::Account, 99, None, Next::PutBack(Duration::from_millis(1200))),
        ];
        for (class, attempt, wish, expected) in cases {
            assert_eq!(rule.after(class, attempt, wish, 1.0), expected, "{class:?} {attempt}");
        }
    }

    proptest! {
        #[test]
        fn a_delay_is_bounded_and_never_zero(attempt in 1i16..=i16::MAX, roll in 0.0f64..1.0) {
            let rule = Backoff::default();
            let delay = rule.delay(attempt, roll);
            prop_assert!(delay >= rule.base / 10);
            prop_assert!(delay <= rule.cap);
        }
    }
}
