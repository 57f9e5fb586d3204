//! Slots: moments at which one call of an account may start, given out to one worker at a time. Pure: time goes in.
//!
//! The database gives out slices of time that never overlap (`db::pace`); a slice holds slots at even distance. A slot is good for
//! [`LATE`] and then lost, so that what a fleet sends in any sliding second is bounded by the slots in it, whoever was
//! killed, frozen or slow in between. With slots at 0.95 of the rate, any second and [`LATE`] hold at most `rate` slots as long as the
//! way from the last check to the provider differs by less than 27 ms between two calls.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Part of the promised rate that is given out.
pub const USED: f64 = 0.95;
/// How long after its moment a slot may be used, by the database's clock.
pub const LATE: Duration = Duration::from_millis(25);
/// How long leave of a counted limit is good: less than the spare bucket of its ring.
pub const COUNTED: Duration = Duration::from_millis(900);

/// What the database gave out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grant {
    /// Calls.
    pub calls: u32,
    /// The first slot, from the moment the database answered.
    pub starts: Duration,
    /// Distance of slots; zero where only units are counted.
    pub step: Duration,
    /// Units each call may have.
    pub units: u32,
}

/// A call's leave: from when to when it may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Not before.
    pub at: Instant,
    /// Not at or after.
    pub until: Instant,
    /// For a call of at most so many units.
    pub units: u32,
}

/// The slots a worker holds for one account, in order.
#[derive(Debug, Default)]
pub struct Book(VecDeque<Slot>);

impl Book {
    /// Enters a grant that was asked for at `sent` and came at `received`.
    ///
    /// The answer was written somewhere in between. Counting a slot's moment from `received` it is never early; counting its end from
    /// `sent` it is never used later than [`LATE`] after its moment on the database's clock.
    pub fn add(&mut self, grant: &Grant, sent: Instant, received: Instant) {
        for n in 0..grant.calls {
            let offset = grant.starts + grant.step * n;
            let at = received + offset;
            let until = if grant.step.is_zero() { sent + COUNTED } else { sent + offset + LATE };
            if at < until {
                self.0.push_back(Slot { at, until, units: grant.units });
            }
        }
    }

    /// Slots not lapsed at `now`.
    pub fn left(&mut self, now: Instant) -> usize {
        while self.0.front().is_some_and(|slot| slot.until <= now) {
            self.0.pop_front();
        }
        self.0.len()
    }

    /// Takes the first slot that may be used at `now` by a call of `units`.
    pub fn take(&mut self, now: Instant, units: u32) -> Option<Slot> {
        self.left(now);
        let fits = self.0.iter().position(|slot| slot.at <= now && slot.units >= units)?;
        self.0.remove(fits)
    }

    /// When the slot for a call of `units` after the first `ahead` can be had.
    pub fn next(&mut self, now: Instant, ahead: usize, units: u32) -> Option<Instant> {
        self.left(now);
        self.0.iter().filter(|slot| slot.units >= units).nth(ahead).map(|slot| slot.at)
    }

    /// Gives everything up: the account is paused.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Calls one slice holds at most: a tenth of a second's, so that a killed worker takes little along and an urgent call waits little.
#[must_use]
pub fn slice(per_second: f64) -> u32 {
    // The range is checked where limits are read.
    (per_second / 10.0).ceil().clamp(1.0, 10_000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn slots_come_in_order_and_lapse() {
        let now = Instant::now();
        let mut book = Book::default();
        book.add(&Grant { calls: 3, starts: 10 * MS, step: 20 * MS, units: 1 }, now, now + MS);
        assert_eq!(book.take(now, 1), None);
        assert_eq!(book.next(now, 0, 2), None, "for a call of one, not of two");
        assert_eq!(book.next(now, 0, 1), Some(now + 11 * MS));
        assert_eq!(book.next(now, 2, 1), Some(now + 51 * MS));
        assert_eq!(book.take(now + 11 * MS, 1).map(|slot| slot.at), Some(now + 11 * MS));
        assert_eq!(book.take(now + 12 * MS, 1), None, "the next is not due");
        assert_eq!(book.left(now + 56 * MS), 1, "the second has lapsed 25 ms after its moment");
        assert_eq!(book.left(now + 90 * MS), 0);
    }

    #[test]
    fn a_slow_answer_costs_slots_and_never_makes_one_late() {
        let now = Instant::now();
        let mut book = Book::default();
        book.add(&Grant { calls: 5, starts: Duration::ZERO, step: 20 * MS, units: 1 }, now, now + 30 * MS);
        assert_eq!(book.left(now + 30 * MS), 0);
    }

    proptest! {
        /// Slots of slices that follow one another, used as late as allowed, with what differs on the way to the provider.
        #[test]
        fn no_sliding_second_holds_more_than_the_rate(
            rate in 1u32..2000, uses in proptest::collection::vec(0u64..25_000, 1..400), ways in proptest::collection::vec(0u64..27_000, 400),
        ) {
            let step = 1.0 / (f64::from(rate) * USED);
            let mut times: Vec<f64> = uses.iter().zip(&ways).enumerate()
                .map(|(n, (late, way))| n as f64 * step + *late as f64 / 1e6 + *way as f64 / 1e6).collect();
            times.sort_by(f64::total_cmp);
            let most = usize::try_from(rate).unwrap();
            for window in times.windows(most + 1) {
                prop_assert!(window[most] - window[0] >= 1.0, "{rate}/s: {} in {}", most + 1, window[most] - window[0]);
            }
        }
    }
}
