//! Requests per second and key, in this process.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

type Keyed = Arc<DefaultKeyedRateLimiter<i64>>;

/// Limiters by rate: governor's quota is fixed at construction, so keys of one rate share a keyed limiter.
///
/// Bounded by the keys in use: only keys that exist are counted, and [`Limiters::tidy`] forgets the idle ones.
#[derive(Default)]
pub struct Limiters {
    by_rate: Mutex<HashMap<NonZeroU32, Keyed>>,
    clock: DefaultClock,
}

impl Limiters {
    /// Takes one request of the key's rate (burst: one second's worth).
    ///
    /// # Errors
    /// How long to wait for the next.
    pub fn take(&self, key_id: i64, per_second: u32) -> Result<(), Duration> {
        let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let limiter = self.limiter(rate);
        limiter.check_key(&key_id).map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Forgets keys that have their whole burst back. Call it now and then: governor's maps only grow.
    pub fn tidy(&self) {
        let mut by_rate = self.by_rate.lock().unwrap_or_else(PoisonError::into_inner);
        by_rate.retain(|_, limiter| {
            limiter.retain_recent();
            limiter.shrink_to_fit();
            !limiter.is_empty()
        });
    }

    fn limiter(&self, rate: NonZeroU32) -> Keyed {
        let mut by_rate = self.by_rate.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(RateLimiter::keyed(Quota::per_second(rate)));
        by_rate.entry(rate).or_insert_with(make).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_over_its_rate_waits_and_others_do_not() {
        let limiters = Limiters::default();
        assert!((0..3).all(|_| limiters.take(1, 3).is_ok()), "a burst of one second's worth");
        let wait = limiters.take(1, 3).unwrap_err();
        assert!(wait > Duration::ZERO && wait < Duration::from_secs(1));
        assert!(limiters.take(2, 3).is_ok());
    }

    #[test]
    fn tidying_keeps_what_is_in_use() {
        let limiters = Limiters::default();
        assert!(limiters.take(1, 1).is_ok());
        limiters.tidy();
        assert!(limiters.take(1, 1).is_err(), "its use is remembered");
    }
}
