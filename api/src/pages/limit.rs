//! How often one recipient's links may be used.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use herald_shared::links::Holder;

use crate::error::{Kind, Problem, Result};

/// Requests a second, and at once. A page, its image and an answer are three.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(5).expect("five is not zero");
const AT_ONCE: NonZeroU32 = NonZeroU32::new(30).expect("thirty is not zero");

/// A limiter for each recipient whose links are in use here.
///
/// By recipient and not by address: behind a proxy everybody has one address. Who has no valid token costs no more than a
/// signature, and is not counted, so that nobody can fill this with made-up tokens.
pub struct PageLimiter {
    known: DefaultKeyedRateLimiter<(i64, i32)>,
    clock: DefaultClock,
}

impl Default for PageLimiter {
    fn default() -> Self {
        let quota = Quota::per_second(PER_SECOND).allow_burst(AT_ONCE);
        PageLimiter { known: RateLimiter::keyed(quota), clock: DefaultClock::default() }
    }
}

impl PageLimiter {
    /// Takes one request.
    ///
    /// # Errors
    /// 429 when there were too many.
    pub fn take(&self, holder: Holder) -> Result<()> {
        self.known.check_key(&(holder.plan_id, holder.no)).map_err(|until| {
            let seconds = until.wait_time_from(self.clock.now()).as_secs() + 1;
            Problem::new(Kind::RateLimited, "This link is used too often; wait a moment.")
                .retry_after(seconds)
        })
    }

    /// Forgets those not used for a while.
    pub fn tidy(&self) {
        self.known.retain_recent();
        self.known.shrink_to_fit();
    }
}
