//! Which days, and which times on them.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::Days;
use crate::domain::local_time;

/// Days without a match after which there is none: more than the eight years between two 29ths of February around 2100.
const BARREN_DAYS: u32 = 9 * 366;

/// When something recurs.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The days.
    pub days: Days,
    /// The times of such a day, ascending, at least one.
    pub times: Vec<Time>,
    /// Whose clock counts.
    pub zone: TimeZone,
    /// No moment before this.
    pub from: Timestamp,
    /// No moment after this.
    pub until: Option<Timestamp>,
    /// So many moments; counted by whoever keeps how far it has come.
    pub count: Option<u32>,
}

impl Pattern {
    /// Its moments after `after`, ascending, each once, up to `until`.
    #[must_use]
    pub fn after(&self, after: Timestamp) -> Moments<'_> {
        let after =
            after.max(self.from.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(self.from));
        // The clock may be turned across midnight: what belongs to the day before may still come.
        let day = after.to_zoned(self.zone.clone()).date();
        Moments { pattern: self, after, day: Some(day.yesterday().unwrap_or(day)), ready: Vec::new() }
    }

    /// The moments of a day, ascending. Not yet free of those that another day has, too.
    fn of_day(&self, day: Date) -> impl Iterator<Item = Timestamp> + '_ {
        self.times.iter().filter_map(move |time| {
            local_time::moment(day.to_datetime(*time), &self.zone).ok().map(|(at, _)| at)
        })
    }
}

/// The moments of a [`Pattern`], one after the other.
#[derive(Debug)]
pub struct Moments<'a> {
    pattern: &'a Pattern,
    /// The last one given out.
    after: Timestamp,
    /// The first day not looked at; `None`: the calendar is over.
    day: Option<Date>,
    /// Of the days looked at, what is still to come, descending.
    ready: Vec<Timestamp>,
}

impl Moments<'_> {
    /// Looks at one more day; `false`: there is none.
    fn look(&mut self) -> bool {
        let Some(day) = self.day else { return false };
        self.day = day.tomorrow().ok();
        if self.pattern.days.has(day) {
            self.ready.extend(self.pattern.of_day(day).filter(|at| *at > self.after));
            self.ready.sort_unstable_by(|a, b| b.cmp(a));
            self.ready.dedup();
        }
        true
    }

    /// Whether `at` lies so early before the first day not looked at that nothing of that can come before it.
    fn is_certain(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(self.pattern.zone.clone()).date();
        self.day.is_none_or(|day| local < day)
    }
}

impl Iterator for Moments<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        let mut barren = 0;
        loop {
            if let Some(&at) = self.ready.last().filter(|at| self.is_certain(**at)) {
                self.ready.pop();
                if self.pattern.until.is_some_and(|until| at > until) {
                    self.day = None;
                    self.ready.clear();
                    return None;
                }
                self.after = at;
                return Some(at);
            }
            if self.ready.is_empty() {
                barren += 1;
            }
            if barren > BARREN_DAYS || !self.look() && self.ready.is_empty() {
                return None;
            }
        }
    }
}
