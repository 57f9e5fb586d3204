//! Cron expressions of five fields: minute, hour, day of the month, month, day of the week.
//!
//! Lists `1,15`, ranges `1-5`, steps `*/10` and `0-30/10`, names of months and days in English (`mon-fri`), Sunday as 0 or 7. Where both
//! days are given either will do, as cron has always had it.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::{Days, Fault, Pattern};

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A field: its name for problems, its bounds, and the names its values may have, from the lowest on.
struct Part {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const PARTS: [Part; 5] = [
    Part { name: "minute", low: 0, high: 59, names: &[] },
    Part { name: "hour", low: 0, high: 23, names: &[] },
    Part { name: "day of the month", low: 1, high: 31, names: &[] },
    Part { name: "month", low: 1, high: 12, names: &MONTHS },
    Part { name: "day of the week", low: 0, high: 7, names: &WEEKDAYS },
];

/// Reads an expression.
pub(super) fn read(text: &str, zone: TimeZone) -> Result<Pattern, Fault> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    if fields.len() != PARTS.len() {
        let detail = format!(
            "has {} fields; five are needed: minute, hour, day of the month, month, day of the week, such as 0 9 * * 1-5",
            fields.len()
        );
        return Err(Fault::new("cron", detail));
    }
    let mut sets = [0u64; 5];
    for ((set, field), part) in sets.iter_mut().zip(&fields).zip(&PARTS) {
        *set = part.set(field)?;
    }
    let [minutes, hours, month_days, months, weekdays] = sets;
    // Sunday is 0 and 7.
    let weekdays = (weekdays | weekdays >> 7) & 0x7f;
    let times =
        bits(hours).flat_map(|hour| bits(minutes).map(move |minute| Time::constant(hour, minute, 0, 0)));
    let narrow = |set: u64| u32::try_from(set).unwrap_or(u32::MAX);
    Ok(Pattern {
        days: Days::Cron {
            months: u16::try_from(months).unwrap_or(u16::MAX),
            month_days: (!fields[2].starts_with('*')).then(|| narrow(month_days)),
            weekdays: (!fields[4].starts_with('*')).then(|| u8::try_from(weekdays).unwrap_or(u8::MAX)),
        },
        times: times.collect(),
        zone,
        from: Timestamp::MIN,
        until: None,
        count: None,
    })
}

fn bits(set: u64) -> impl Iterator<Item = i8> {
    (0..60i8).filter(move |bit| set >> bit & 1 == 1)
}

impl Part {
    /// The values of a field as bits.
    fn set(&self, field: &str) -> Result<u64, Fault> {
        field.split(',').try_fold(0, |set, item| Ok(set | self.item(item)?))
    }

    fn item(&self, item: &str) -> Result<u64, Fault> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|n| (1..=self.high).contains(n))),
            None => (item, Some(1)),
        };
        let bounds = match range.split_once('-') {
            _ if range == "*" => Some((self.low, self.high)),
            Some((low, high)) => self.value(low).zip(self.value(high)).filter(|(low, high)| low <= high),
            // `5/10` is from 5 on, as in `5-59/10`.
            None if item.contains('/') => self.value(range).map(|low| (low, self.high)),
            None => self.value(range).map(|at| (at, at)),
        };
        let (Some((low, high)), Some(step)) = (bounds, step) else {
            let (name, low, high) = (self.name, self.low, self.high);
            let detail =
                format!("has the {name} {item}, which is no value, range or step of {low} to {high}");
            return Err(Fault::new("cron", detail));
        };
        Ok((low..=high).step_by(step as usize).fold(0, |set, value| set | 1 << value))
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(place) => self.low + u32::try_from(place).ok()?,
            None => text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()?,
        };
        (self.low..=self.high).contains(&value).then_some(value)
    }
}
