//! How often one recipient's links may be used.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use herald_shared::links::Holder;

use crate::error::{Kind, Problem, Result};

/// Requests a second, and at once. A page, its image and an answer are three.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(5).expect("five is not zero");
const AT_ONCE: NonZeroU32 = NonZeroU32::new(30).expect("thirty is not zero");

/// Requests a minute that name an address on a plan's page, and a second on that page in all.
const AN_ADDRESS: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
const A_PLAN: NonZeroU32 = NonZeroU32::new(20).expect("twenty is not zero");

/// A limiter for each recipient whose links are in use here.
///
/// By recipient and not by address: behind a proxy everybody has one address. Who has no valid token costs no more than a
/// signature, and is not counted, so that nobody can fill this with made-up tokens.
pub struct PageLimiter {
    known: DefaultKeyedRateLimiter<(i64, i32)>,
    /// By plan and a hash of the address.
    addresses: DefaultKeyedRateLimiter<(i64, u64)>,
    plans: DefaultKeyedRateLimiter<i64>,
    random: RandomState,
    clock: DefaultClock,
}

impl Default for PageLimiter {
    fn default() -> Self {
        let quota = Quota::per_second(PER_SECOND).allow_burst(AT_ONCE);
        let address = Quota::per_minute(AN_ADDRESS).allow_burst(AN_ADDRESS);
        PageLimiter {
            known: RateLimiter::keyed(quota),
            addresses: RateLimiter::keyed(address),
            plans: RateLimiter::keyed(Quota::per_second(A_PLAN).allow_burst(A_PLAN)),
            random: RandomState::new(),
            clock: DefaultClock::default(),
        }
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

    /// Takes one request for or with a code: a few for an address, and not more than a crowd before a poster makes for all of them.
    ///
    /// # Errors
    /// 429 when there were too many.
    pub(crate) fn ask(&self, plan_id: i64, address: &str) -> Result<()> {
        let one = self.random.hash_one(address.to_lowercase());
        let busy =
            self.addresses.check_key(&(plan_id, one)).is_err() || self.plans.check_key(&plan_id).is_err();
        if busy {
            let detail = "Too many are asking here; wait a moment.";
            return Err(Problem::new(Kind::RateLimited, detail).retry_after(10));
        }
        Ok(())
    }

    /// Forgets those not used for a while.
    pub fn tidy(&self) {
        self.known.retain_recent();
        self.known.shrink_to_fit();
        self.addresses.retain_recent();
        self.addresses.shrink_to_fit();
        self.plans.retain_recent();
        self.plans.shrink_to_fit();
    }
}
