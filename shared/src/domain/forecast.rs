//! How long a plan takes to go out under its accounts' limits. An estimate: nobody knows what others will send, nor what fails. Pure.

use std::time::Duration;

use super::limits::{Limits, Per};

/// Seconds of a day: its limit slides.
const DAY: f64 = 86_400.0;
/// The part of a rate that is given out (`domain::slots`).
const GIVEN: f64 = 0.95;
/// Longest forecast; beyond it nobody knows anything.
const LONGEST: f64 = 3650.0 * DAY;

/// One of the accounts that share a channel's work.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// Its part of the work, among those that share it.
    pub share: f64,
    /// Its limits.
    pub limits: Limits,
    /// Units of its day that are used up already.
    pub used_today: i64,
    /// How long one call takes.
    pub call: Duration,
    /// Calls it makes at once.
    pub at_once: u32,
    /// People one call carries.
    pub batch: u32,
}

/// How long it takes until `people` have been sent to, those who wait before them included; `None`: there is no way.
#[must_use]
pub fn takes(people: i64, ways: &[Way]) -> Option<Duration> {
    let all: f64 = ways.iter().map(|way| way.share).sum();
    if people <= 0 {
        return Some(Duration::ZERO);
    }
    let each =
        ways.iter().filter(|way| way.share > 0.0).map(|way| seconds(people as f64 * way.share / all, way));
    let longest = each.reduce(f64::max)?;
    Some(Duration::from_secs_f64(longest.min(LONGEST)))
}

/// The strictest limit says it.
fn seconds(people: f64, way: &Way) -> f64 {
    let calls = (people / f64::from(way.batch.max(1))).ceil();
    let counted = match way.limits.per {
        Per::Call => calls,
        Per::Recipient => people,
    };
    let at_once = calls * way.call.as_secs_f64() / f64::from(way.at_once.max(1));
    let by_second = way.limits.per_second.map_or(0.0, |rate| calls / (f64::from(rate) * GIVEN));
    // The first minute's may go at once.
    let by_minute = way.limits.per_minute.map_or(0.0, |most| 60.0 * (counted / f64::from(most) - 1.0));
    let by_day = way.limits.per_day.map_or(0.0, |most| {
        let left = (f64::from(most) - way.used_today as f64).max(0.0);
        DAY * ((counted - left).max(0.0) / f64::from(most)).ceil()
    });
    [at_once, by_second, by_minute, by_day].into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn way(limits: Limits) -> Way {
        Way { share: 1.0, limits, used_today: 0, call: Duration::from_millis(100), at_once: 10, batch: 1 }
    }

    fn seconds_of(people: i64, ways: &[Way]) -> u64 {
        takes(people, ways).unwrap().as_secs()
    }

    #[test]
    fn the_strictest_limit_says_how_long_it_takes() {
        let none = Limits::default();
        assert_eq!(seconds_of(1_000, &[way(none)]), 10, "a hundred calls a second");
        let per_second = Limits { per_second: Some(50), ..none };
        assert_eq!(seconds_of(9_500, &[way(per_second)]), 200, "47.5 a second");
        let per_minute = Limits { per_minute: Some(600), ..none };
        assert_eq!(seconds_of(6_000, &[way(per_minute)]), 540, "nine minutes after the first");
        let per_day = Limits { per_day: Some(10_000), ..none };
        assert_eq!(seconds_of(9_000, &[way(per_day)]), 90, "within the day");
        assert_eq!(seconds_of(25_000, &[way(per_day)]), 2 * 86_400, "the rest of a third day's");
        assert_eq!(
            seconds_of(9_000, &[Way { used_today: 5_000, ..way(per_day) }]),
            86_400,
            "half of it is used up"
        );
        let batch = Way { batch: 1_000, ..way(per_minute) };
        assert_eq!(seconds_of(600_000, std::slice::from_ref(&batch)), 6, "six hundred calls");
        let people = Way { limits: Limits { per: Per::Recipient, ..per_minute }, ..batch };
        assert_eq!(seconds_of(6_000, &[people]), 540, "people are counted, not calls");
        assert_eq!(takes(5, &[]), None);
    }

    proptest! {
        #[test]
        fn more_people_and_fewer_ways_never_take_less(people in 1i64..10_000_000, more in 0i64..10_000_000, rate in 1u32..10_000, day in 1u32..1_000_000) {
            let one = way(Limits { per_second: Some(rate), per_day: Some(day), ..Limits::default() });
            let alone = takes(people, std::slice::from_ref(&one));
            prop_assert!(takes(people + more, std::slice::from_ref(&one)) >= alone);
            prop_assert!(takes(people, &[one.clone(), one]) <= alone);
        }
    }
}
