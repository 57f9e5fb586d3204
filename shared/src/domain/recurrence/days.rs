//! Which days of the calendar.

use jiff::civil::{Date, Weekday};

/// A condition on days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Days {
    /// As cron has it.
    Cron {
        /// Months, bit 1 is January.
        months: u16,
        /// Days of the month, bit 1 is the first. `None`: any, `*` was written.
        month_days: Option<u32>,
        /// Days of the week, bit 0 is Sunday. `None`: any.
        weekdays: Option<u8>,
    },
    /// As RFC 5545 has it.
    Rule {
        /// The unit that `interval` counts.
        every: Every,
        /// Every so many units from the start on.
        interval: i32,
        /// The first day.
        start: Date,
        /// Months, bit 1 is January; all bits: any.
        months: u16,
        /// Days of the month, from its end where negative; empty: any.
        month_days: Vec<i8>,
        /// Days of the week with the how-many-eth of the month, from its end where negative (0: each); empty: any.
        weekdays: Vec<(i8, Weekday)>,
    },
}

/// What an interval counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// Days.
    Day,
    /// Weeks, which begin on Monday.
    Week,
    /// Months.
    Month,
    /// Years.
    Year,
}

impl Days {
    /// Whether `day` is one of them.
    #[must_use]
    pub fn has(&self, day: Date) -> bool {
        match self {
            Days::Cron { months, month_days, weekdays } => {
                let weekday = weekdays.map(|set| set >> day.weekday().to_sunday_zero_offset() & 1 == 1);
                let month_day = month_days.map(|set| set >> day.day() & 1 == 1);
                months >> day.month() & 1 == 1
                    && match (month_day, weekday) {
                        // Both given: either will do. So cron has always had it.
                        (Some(a), Some(b)) => a || b,
                        (a, b) => a.or(b).unwrap_or(true),
                    }
            }
            Days::Rule { every, interval, start, months, month_days, weekdays } => {
                day >= *start
                    && steps(*every, *start, day) % i64::from(*interval) == 0
                    && months >> day.month() & 1 == 1
                    && (month_days.is_empty() || month_days.iter().any(|of| is_month_day(day, *of)))
                    && (weekdays.is_empty() || weekdays.iter().any(|(nth, of)| is_weekday(day, *nth, *of)))
            }
        }
    }
}

/// How many units after `start` the unit is that `day` is in.
fn steps(every: Every, start: Date, day: Date) -> i64 {
    let since_epoch = |date: Date| i64::from((date - Date::constant(1970, 1, 5)).get_days());
    let months = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
    match every {
        Every::Day => since_epoch(day) - since_epoch(start),
        // The fifth of January 1970 was a Monday.
        Every::Week => since_epoch(day).div_euclid(7) - since_epoch(start).div_euclid(7),
        Every::Month => months(day) - months(start),
        Every::Year => i64::from(day.year()) - i64::from(start.year()),
    }
}

fn is_month_day(day: Date, of: i8) -> bool {
    day.day() == of || day.day() - day.days_in_month() - 1 == of
}

fn is_weekday(day: Date, nth: i8, of: Weekday) -> bool {
    let from_start = (day.day() - 1) / 7 + 1;
    let from_end = -((day.days_in_month() - day.day()) / 7 + 1);
    day.weekday() == of && (nth == 0 || nth == from_start || nth == from_end)
}
