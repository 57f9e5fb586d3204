//! Series: when a plan that recurs goes out. Pure; the database keeps how far a series has come (`db::series`).
//!
//! A rule is written as a cron expression (`cron`) or in a subset of RFC 5545 (`rrule`); both become a [`Pattern`]: which days, and
//! which times on them, on the clock of a zone. Each local time becomes a moment by [`local_time::moment`]: what the clock skips comes
//! as much later, what it shows twice comes once. So a series never leaves an occurrence out and never has one twice.

mod cron;
mod days;
mod pattern;
mod rrule;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::local_time;
pub use days::Days;
pub use pattern::{Moments, Pattern};

/// When a plan recurs, as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    /// Five fields: minute, hour, day of the month, month, day of the week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// A rule of RFC 5545.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rrule: Option<String>,
    /// With `rrule`: date and time of the first, on the zone's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime>,
    /// IANA name of the zone whose clock counts.
    pub time_zone: String,
    /// No occurrence after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// So many occurrences, those skipped included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// What is wrong with a recurrence, and in which of its fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct Fault {
    /// The field.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub detail: String,
}

impl Fault {
    fn new(field: &'static str, detail: impl Into<String>) -> Self {
        Fault { field, detail: detail.into() }
    }
}

impl Recurrence {
    /// Its pattern, with its end.
    ///
    /// # Errors
    /// [`Fault`]: the first thing that is wrong.
    pub fn pattern(&self) -> Result<Pattern, Fault> {
        let zone = local_time::zone(&self.time_zone)
            .ok_or_else(|| Fault::new("time_zone", "is not an IANA time zone such as Asia/Shanghai"))?;
        let mut pattern = match (&self.cron, &self.rrule) {
            (Some(text), None) => cron::read(text, zone)?,
            (None, Some(text)) => {
                let start = self.start.ok_or_else(|| {
                    Fault::new(
                        "start",
                        "is required with rrule: the first date and time, such as 2026-12-01T09:00:00",
                    )
                })?;
                rrule::read(text, start, zone)?
            }
            _ => return Err(Fault::new("cron", "or rrule is required, one of the two")),
        };
        if let Some(until) = self.until {
            pattern.until = Some(pattern.until.map_or(until, |at| at.min(until)));
        }
        if let Some(count) = self.count {
            pattern.count = Some(pattern.count.map_or(count, |n| n.min(count)));
        }
        Ok(pattern)
    }
}

/// How far a series has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Come {
    /// Occurrences that were started.
    pub started: u32,
    /// Occurrences that were not, because they came up too late or in a pause.
    pub skipped: u32,
}

/// What is to be done with a series now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The occurrence to start.
    pub start: Option<Timestamp>,
    /// Occurrences to leave out.
    pub skipped: u32,
    /// When the series is to be looked at again; `None`: it is over.
    pub next: Option<Timestamp>,
}

/// Occurrences one turn looks at; the rest is left to the next.
const AT_ONCE: usize = 100_000;

/// Decides about the occurrences from `next` on that are due at `now`.
///
/// At most one is started, the last, and only if it is not more than `late` overdue and not from before `resumed`: after an outage
/// people get one message and not all that were missed, after a pause they get the next in time. All others count as skipped.
#[must_use]
pub fn turn(
    pattern: &Pattern,
    come: Come,
    next: Timestamp,
    (now, resumed): (Timestamp, Option<Timestamp>),
    late: Duration,
) -> Turn {
    let room = pattern.count.map_or(u32::MAX, |count| count.saturating_sub(come.started + come.skipped));
    let before = next.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(next);
    let mut moments = pattern.after(before).take(room as usize);
    let mut due: Vec<Timestamp> = Vec::new();
    let mut following = None;
    for at in moments.by_ref().take(AT_ONCE) {
        if at > now {
            following = Some(at);
            break;
        }
        due.push(at);
    }
    if following.is_none() && due.len() == AT_ONCE {
        following = moments.next();
    }
    let oldest = now
        .checked_sub(SignedDuration::try_from(late).unwrap_or(SignedDuration::MAX))
        .unwrap_or(Timestamp::MIN);
    // What comes after this turn is due as well: then the last of it is the one to start.
    let last = due.last().copied().filter(|_| following.is_none_or(|at| at > now));
    let start = last.filter(|at| *at >= oldest && resumed.is_none_or(|resumed| *at > resumed));
    let skipped = due.len() - usize::from(start.is_some());
    Turn { start, skipped: u32::try_from(skipped).unwrap_or(u32::MAX), next: following }
}
