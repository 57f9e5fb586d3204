//! A subset of the rules of RFC 5545, 3.3.10: `FREQ` (`DAILY`, `WEEKLY`, `MONTHLY`, `YEARLY`), `INTERVAL`, `BYMONTH`, `BYMONTHDAY`,
//! `BYDAY` (with a number where `FREQ` is `MONTHLY`), `BYHOUR`, `BYMINUTE`, `UNTIL` and `COUNT`. What else a rule may say is refused by
//! name. The start counts when it matches the rule. Weeks begin on Monday.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::TimeZone;

use super::days::Every;
use super::{Days, Fault, Pattern};
use crate::domain::local_time;

const KNOWN: [&str; 9] =
    ["FREQ", "INTERVAL", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE", "UNTIL", "COUNT"];
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Monday),
    ("TU", Weekday::Tuesday),
    ("WE", Weekday::Wednesday),
    ("TH", Weekday::Thursday),
    ("FR", Weekday::Friday),
    ("SA", Weekday::Saturday),
    ("SU", Weekday::Sunday),
];

fn fault(detail: impl Into<String>) -> Fault {
    Fault::new("rrule", detail)
}

/// The parts of a rule.
struct Parts<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Result<Self, Fault> {
        let mut parts = BTreeMap::new();
        for part in text.strip_prefix("RRULE:").unwrap_or(text).split(';') {
            let (name, value) =
                part.split_once('=').ok_or_else(|| fault("must be parts like FREQ=WEEKLY;BYDAY=MO,WE"))?;
            if !KNOWN.contains(&name) {
                return Err(fault(format!("has {name}; known here are {}", KNOWN.join(", "))));
            }
            if parts.insert(name, value).is_some() {
                return Err(fault(format!("has {name} twice")));
            }
        }
        Ok(Parts(parts))
    }

    /// The numbers of a part, ascending; empty when it is not there.
    fn numbers<T>(&self, name: &str, good: impl Fn(&T) -> bool, such: &str) -> Result<Vec<T>, Fault>
    where
        T: FromStr + Ord,
    {
        let Some(list) = self.0.get(name) else { return Ok(Vec::new()) };
        let read = |text: &str| text.parse().ok().filter(&good);
        let numbers: Option<Vec<T>> = list.split(',').map(read).collect();
        let mut numbers = numbers.ok_or_else(|| fault(format!("has {name}={list}; it takes {such}")))?;
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    fn number(&self, name: &str) -> Result<Option<u32>, Fault> {
        let range = |n: &u32| (1..=1_000_000).contains(n);
        let numbers = self.numbers(name, range, "a whole number from 1 to 1000000")?;
        match numbers[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(fault(format!("has a list for {name}, which takes one number"))),
        }
    }

    /// `BYDAY`: how-many-eth (0: each) and weekday.
    fn weekdays(&self) -> Result<Vec<(i8, Weekday)>, Fault> {
        let Some(list) = self.0.get("BYDAY") else { return Ok(Vec::new()) };
        let read = |text: &str| {
            let (number, name) = text.split_at_checked(text.len().checked_sub(2)?)?;
            let (_, weekday) = WEEKDAYS.iter().find(|(known, _)| *known == name)?;
            match number {
                "" => Some((0, *weekday)),
                _ => number.parse::<i8>().ok().filter(|n| (1..=5).contains(&n.abs())).map(|n| (n, *weekday)),
            }
        };
        let days: Option<Vec<_>> = list.split(',').map(read).collect();
        days.ok_or_else(|| {
            fault(format!("has BYDAY={list}; it takes days like MO,WE or, monthly, 1MO and -1FR"))
        })
    }
}

/// Reads a rule that starts at `start` on the clock of `zone`.
pub(super) fn read(text: &str, start: DateTime, zone: TimeZone) -> Result<Pattern, Fault> {
    let parts = Parts::read(text)?;
    let every = match parts.0.get("FREQ") {
        Some(&"DAILY") => Every::Day,
        Some(&"WEEKLY") => Every::Week,
        Some(&"MONTHLY") => Every::Month,
        Some(&"YEARLY") => Every::Year,
        _ => {
            return Err(fault(
                "needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY; what comes more often is written as cron",
            ));
        }
    };
    let (from, _) =
        local_time::moment(start, &zone).map_err(|_| Fault::new("start", "is beyond the calendar"))?;
    let until = parts.0.get("UNTIL").map(|text| until(text, &zone)).transpose()?;
    Ok(Pattern {
        days: days(&parts, every, start)?,
        times: times(&parts, start)?,
        zone,
        from,
        until,
        count: parts.number("COUNT")?,
    })
}

/// What the rule leaves out comes from the start.
fn days(parts: &Parts<'_>, every: Every, start: DateTime) -> Result<Days, Fault> {
    let interval = parts.number("INTERVAL")?.unwrap_or(1);
    let months = parts.numbers("BYMONTH", |n: &u16| (1..=12).contains(n), "months from 1 to 12")?;
    let month_days = parts.numbers(
        "BYMONTHDAY",
        |n: &i8| (1..=31).contains(&n.abs()),
        "days from 1 to 31, or -1 to -31",
    )?;
    let weekdays = parts.weekdays()?;
    if every == Every::Week && !month_days.is_empty() {
        return Err(fault("has BYMONTHDAY in a weekly rule; use FREQ=MONTHLY"));
    }
    if every != Every::Month && weekdays.iter().any(|(nth, _)| *nth != 0) {
        return Err(fault("has numbers in BYDAY, which only FREQ=MONTHLY counts"));
    }
    let (mut months, mut month_days, mut weekdays) = (months, month_days, weekdays);
    if every == Every::Year && months.is_empty() {
        months.push(start.month().unsigned_abs().into());
    }
    match every {
        Every::Week if weekdays.is_empty() => weekdays.push((0, start.weekday())),
        Every::Month | Every::Year if weekdays.is_empty() && month_days.is_empty() => {
            month_days.push(start.day())
        }
        _ => {}
    }
    let months =
        if months.is_empty() { u16::MAX } else { months.iter().fold(0, |set, month| set | 1 << month) };
    let interval = i32::try_from(interval).unwrap_or(i32::MAX);
    Ok(Days::Rule { every, interval, start: start.date(), months, month_days, weekdays })
}

fn times(parts: &Parts<'_>, start: DateTime) -> Result<Vec<Time>, Fault> {
    let mut hours = parts.numbers("BYHOUR", |n: &i8| (0..=23).contains(n), "hours from 0 to 23")?;
    let mut minutes = parts.numbers("BYMINUTE", |n: &i8| (0..=59).contains(n), "minutes from 0 to 59")?;
    if hours.is_empty() {
        hours.push(start.hour());
    }
    if minutes.is_empty() {
        minutes.push(start.minute());
    }
    let of = |hour: i8| minutes.iter().map(move |minute| Time::constant(hour, *minute, start.second(), 0));
    Ok(hours.into_iter().flat_map(of).collect())
}

/// `20261231T235959Z`, or on the zone's clock `20261231T235959`, or a date, which is meant whole.
fn until(text: &str, zone: &TimeZone) -> Result<jiff::Timestamp, Fault> {
    let (local, zone) = match text.strip_suffix('Z') {
        Some(local) => (local, &TimeZone::UTC),
        None => (text, zone),
    };
    let whole = if local.contains('T') { local.to_owned() } else { format!("{local}T235959") };
    let at = DateTime::strptime("%Y%m%dT%H%M%S", &whole).and_then(|local| local_time::moment(local, zone));
    at.map(|(at, _)| at).map_err(|_| {
        fault(format!("has UNTIL={text}; it takes 20261231, 20261231T235959 or 20261231T235959Z"))
    })
}
