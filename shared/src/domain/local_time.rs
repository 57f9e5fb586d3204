//! Local times: which moment a clock on the wall means in a zone, also on the two nights of a year on which it is turned.
//!
//! One rule everywhere (RFC 5545 calls it, and Temporal, "compatible"): a time that does not exist because the clock goes forward is later
//! by as much as the clock is turned; of a time that comes twice the first is meant.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};

use super::words;

words! {
    /// How often a local time is on the clock.
    OnClock, "local time", {
        /// Once, as nearly always.
        Once = 0: "once",
        /// Never: the clock is turned forward over it. The moment is as much later.
        Skipped = 1: "skipped",
        /// Twice: the clock is turned back over it. The first is meant.
        Twice = 2: "twice",
    }
}

/// A local time as its author wrote it, and how it was understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTime {
    /// Date and time on the clock.
    pub local: DateTime,
    /// IANA name of the clock's zone.
    pub time_zone: String,
    /// How often the clock shows it.
    pub on_clock: OnClock,
}

/// The moment that `local` means in `zone`.
///
/// # Errors
/// When it is beyond the years 1 to 9999.
pub fn moment(local: DateTime, zone: &TimeZone) -> Result<(Timestamp, OnClock), jiff::Error> {
    let found = zone.to_ambiguous_timestamp(local);
    let on_clock = match found.offset() {
        AmbiguousOffset::Unambiguous { .. } => OnClock::Once,
        AmbiguousOffset::Gap { .. } => OnClock::Skipped,
        AmbiguousOffset::Fold { .. } => OnClock::Twice,
    };
    Ok((found.compatible()?, on_clock))
}

/// The zone of that IANA name; `None`: there is no such one.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    let shaped = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b));
    shaped.then(|| TimeZone::get(name).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zone, local time, how often it is on the clock, and the moment in UTC.
    const TABLE: &[(&str, &str, OnClock, &str)] = &[
        ("Europe/Berlin", "2026-03-29T01:59:59", OnClock::Once, "2026-03-29T00:59:59Z"),
        ("Europe/Berlin", "2026-03-29T02:00:00", OnClock::Skipped, "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "2026-03-29T02:30:00", OnClock::Skipped, "2026-03-29T01:30:00Z"),
        ("Europe/Berlin", "2026-03-29T03:00:00", OnClock::Once, "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "2026-10-25T01:59:59", OnClock::Once, "2026-10-24T23:59:59Z"),
        ("Europe/Berlin", "2026-10-25T02:30:00", OnClock::Twice, "2026-10-25T00:30:00Z"),
        ("Europe/Berlin", "2026-10-25T03:00:00", OnClock::Once, "2026-10-25T02:00:00Z"),
        ("America/New_York", "2026-03-08T02:30:00", OnClock::Skipped, "2026-03-08T07:30:00Z"),
        ("America/New_York", "2026-11-01T01:30:00", OnClock::Twice, "2026-11-01T05:30:00Z"),
        // Half an hour, in the southern spring; and back in autumn.
        ("Australia/Lord_Howe", "2026-10-04T02:15:00", OnClock::Skipped, "2026-10-03T15:45:00Z"),
        ("Australia/Lord_Howe", "2026-04-05T01:45:00", OnClock::Twice, "2026-04-04T14:45:00Z"),
        // A zone without changes.
        ("Asia/Shanghai", "2026-03-29T02:30:00", OnClock::Once, "2026-03-28T18:30:00Z"),
        ("UTC", "2026-03-29T02:30:00", OnClock::Once, "2026-03-29T02:30:00Z"),
    ];

    #[test]
    fn a_local_time_means_one_moment_on_every_night_of_the_year() {
        for &(name, local, on_clock, utc) in TABLE {
            let found = moment(local.parse().unwrap(), &zone(name).unwrap()).unwrap();
            assert_eq!(found, (utc.parse().unwrap(), on_clock), "{local} in {name}");
        }
    }

    #[test]
    fn only_names_of_zones_are_zones() {
        for bad in ["", "Mars/Olympus", "../../etc/passwd", "Europe/Berlin ", "+02:00", "Europe"] {
            assert!(zone(bad).is_none(), "{bad}");
        }
        assert!(zone("Europe/Berlin").is_some());
    }
}
