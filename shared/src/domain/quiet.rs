//! Quiet hours (rule 14): when nothing goes out, on the recipient's clock. The database decides by the same rule (`quiet_until`); a test
//! compares the two.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Time;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Channel, Wait, words};

/// Windows of which one begins where another ends.
const IN_A_ROW: usize = 4;

words! {
    /// What a plan says of quiet hours.
    QuietRule, "quiet", {
        /// They do not concern it.
        Ignore = 1: "ignore",
    }
}

/// A tenant's quiet hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuietHours {
    /// Whose clock counts for recipients without a zone of their own.
    pub time_zone: String,
    /// The windows; none: no quiet hours.
    pub windows: Vec<Window>,
    /// Over how long what waited is spread when they end.
    pub spread: Wait,
}

/// A part of the local day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its first minute.
    pub from: Minute,
    /// The first minute after it; before `from`: of the next day.
    pub to: Minute,
    /// Where it holds; all channels where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
}

/// A minute of the day, written `22:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(i16);

/// A text that is no minute of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a time of day: write hours and minutes like 22:00")]
pub struct NoMinute;

impl Minute {
    /// Minutes since midnight, 0..=1439.
    #[must_use]
    pub const fn of_day(self) -> i16 {
        self.0
    }

    /// So many minutes after midnight.
    #[must_use]
    pub fn at(minutes: i16) -> Option<Self> {
        (0..24 * 60).contains(&minutes).then_some(Minute(minutes))
    }

    /// As a time.
    #[must_use]
    pub fn time(self) -> Time {
        let (hour, minute) = (self.0 / 60, self.0 % 60);
        Time::constant(i8::try_from(hour).unwrap_or(0), i8::try_from(minute).unwrap_or(0), 0, 0)
    }
}

impl FromStr for Minute {
    type Err = NoMinute;

    fn from_str(text: &str) -> Result<Self, NoMinute> {
        let (hour, minute) = text.split_once(':').ok_or(NoMinute)?;
        let number = |digits: &str, below: i16| {
            let shaped = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            shaped.then(|| digits.parse::<i16>().ok()).flatten().filter(|n| *n < below).ok_or(NoMinute)
        };
        if text == "24:00" {
            return Ok(Minute(0));
        }
        Ok(Minute(number(hour, 24)? * 60 + number(minute, 60)?))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for Minute {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Minute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a window: write 22:00-07:00, or 22:00-07:00=sms,voice for some channels")]
pub struct NoWindow(String);

impl FromStr for Window {
    type Err = NoWindow;

    fn from_str(text: &str) -> Result<Self, NoWindow> {
        let no = || NoWindow(text.to_owned());
        let (times, names) = text.split_once('=').unwrap_or((text, ""));
        let (from, to) = times.split_once('-').ok_or_else(no)?;
        let channel = |name: &str| name.parse().map_err(|_| no());
        let channels =
            names.split(',').filter(|name| !name.is_empty()).map(channel).collect::<Result<_, _>>()?;
        let window =
            Window { from: from.parse().map_err(|_| no())?, to: to.parse().map_err(|_| no())?, channels };
        if window.from == window.to { Err(no()) } else { Ok(window) }
    }
}

impl Window {
    /// The channels it holds for.
    #[must_use]
    pub fn of(&self) -> &[Channel] {
        if self.channels.is_empty() { Channel::ALL } else { &self.channels }
    }

    /// How long it still lasts at a minute of the day; `None`: that is not in it.
    fn rest(&self, at: Minute) -> Option<i16> {
        let (at, from, to) = (at.0, self.from.0, self.to.0);
        let inside = if from < to { (from..to).contains(&at) } else { at >= from || at < to };
        inside.then_some((to - at).rem_euclid(24 * 60))
    }
}

impl QuietHours {
    /// A channel on which these leave no minute of the day.
    #[must_use]
    pub fn silences(&self) -> Option<Channel> {
        let ever = |channel: &Channel| {
            let here = self.windows.iter().filter(|window| window.of().contains(channel));
            (0..24 * 60).all(|minute| here.clone().any(|window| window.rest(Minute(minute)).is_some()))
        };
        Channel::ALL.iter().copied().find(ever)
    }

    /// Until when a message on `channel` that is due at `since` must wait on the clock of `zone`; `None`: it need not.
    ///
    /// An end that the clock shows twice is the second, one that it skips comes as much later: rather a little longer than too early.
    #[must_use]
    pub fn until(&self, channel: Channel, zone: &TimeZone, since: Timestamp) -> Option<Timestamp> {
        let mut until = since;
        for _ in 0..IN_A_ROW {
            let local = until.to_zoned(zone.clone()).datetime();
            let minute = Minute(i16::from(local.hour()) * 60 + i16::from(local.minute()));
            let here = self.windows.iter().filter(|window| window.of().contains(&channel));
            let Some(rest) = here.filter_map(|window| window.rest(minute)).max() else { break };
            let whole = local.with().second(0).subsec_nanosecond(0).build().ok()?;
            let end = zone.to_ambiguous_timestamp(whole.checked_add(rest.minutes()).ok()?);
            let end = match end.offset() {
                AmbiguousOffset::Fold { .. } => end.later(),
                _ => end.compatible(),
            };
            until = end.ok()?;
        }
        (until > since).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::local_time::zone;

    fn hours(windows: &[(&str, &str, &[Channel])]) -> QuietHours {
        let window = |(from, to, channels): &(&str, &str, &[Channel])| Window {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            channels: channels.to_vec(),
        };
        QuietHours {
            time_zone: "UTC".to_owned(),
            windows: windows.iter().map(window).collect(),
            spread: Wait::seconds(600),
        }
    }

    fn until(hours: &QuietHours, name: &str, since: &str) -> Option<String> {
        hours.until(Channel::Email, &zone(name).unwrap(), since.parse().unwrap()).map(|at| at.to_string())
    }

    #[test]
    fn a_night_ends_in_the_morning_of_the_recipient() {
        let night = hours(&[("22:00", "07:00", &[])]);
        assert_eq!(until(&night, "Asia/Shanghai", "2026-11-27T13:59:59Z"), None);
        assert_eq!(until(&night, "Asia/Shanghai", "2026-11-27T14:00:00Z").unwrap(), "2026-11-27T23:00:00Z");
        assert_eq!(until(&night, "Asia/Shanghai", "2026-11-27T22:59:59.5Z").unwrap(), "2026-11-27T23:00:00Z");
        assert_eq!(until(&night, "Asia/Shanghai", "2026-11-27T23:00:00Z"), None);
        assert_eq!(until(&night, "UTC", "2026-11-27T14:00:00Z"), None, "it is afternoon there");
        // The night of the change is an hour shorter, or longer.
        assert_eq!(until(&night, "Europe/Berlin", "2026-03-28T22:00:00Z").unwrap(), "2026-03-29T05:00:00Z");
        assert_eq!(until(&night, "Europe/Berlin", "2026-10-24T22:00:00Z").unwrap(), "2026-10-25T06:00:00Z");
    }

    #[test]
    fn an_end_that_the_clock_shows_twice_or_never_is_the_later() {
        let early = hours(&[("22:00", "02:30", &[])]);
        assert_eq!(until(&early, "Europe/Berlin", "2026-10-24T22:00:00Z").unwrap(), "2026-10-25T01:30:00Z");
        assert_eq!(until(&early, "Europe/Berlin", "2026-03-28T22:00:00Z").unwrap(), "2026-03-29T01:30:00Z");
    }

    #[test]
    fn windows_that_follow_one_another_are_one_and_channels_have_their_own() {
        let two = hours(&[
            ("22:00", "24:00", &[]),
            ("00:00", "07:00", &[Channel::Email]),
            ("12:00", "14:00", &[Channel::Sms]),
        ]);
        assert_eq!(until(&two, "UTC", "2026-11-27T22:30:00Z").unwrap(), "2026-11-28T07:00:00Z");
        assert_eq!(until(&two, "UTC", "2026-11-27T12:30:00Z"), None, "that is for SMS");
    }

    #[test]
    fn windows_of_a_command_line_and_days_without_a_free_minute() {
        let window: Window = "22:00-07:00=sms,voice".parse().unwrap();
        assert_eq!(window.channels, [Channel::Sms, Channel::Voice]);
        for bad in ["", "22:00", "22:00-22:00", "22-07", "22:00-07:00=pigeon"] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
        assert_eq!(
            hours(&[("00:00", "12:00", &[]), ("12:00", "24:00", &[Channel::Sms])]).silences(),
            Some(Channel::Sms)
        );
        assert_eq!(hours(&[("00:00", "12:00", &[]), ("12:01", "24:00", &[])]).silences(), None);
    }

    #[test]
    fn minutes_are_written_in_four_digits() {
        for bad in ["", "7:00", "07:60", "24:01", "25:00", "07-00", "+7:00", "0 :00", "07:00:00"] {
            assert_eq!(bad.parse::<Minute>(), Err(NoMinute), "{bad}");
        }
        assert_eq!("07:05".parse::<Minute>().unwrap().to_string(), "07:05");
        assert_eq!("24:00".parse::<Minute>().unwrap().of_day(), 0);
    }

    fn is_whole_minute(at: Timestamp) -> bool {
        at.as_second() % 60 == 0 && at.subsec_nanosecond() == 0
    }

    proptest! {
        #[test]
        fn the_end_lies_outside_of_every_window(
            from in 0i16..1440, length in 1i16..1200, since in 1_600_000_000i64..1_900_000_000,
            name in prop::sample::select(vec!["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        ) {
            let window = Window { from: Minute(from), to: Minute((from + length) % 1440), channels: Vec::new() };
            let quiet = QuietHours { time_zone: "UTC".to_owned(), windows: vec![window], spread: Wait::seconds(0) };
            let (zone, since) = (zone(name).unwrap(), Timestamp::from_second(since).unwrap());
            if let Some(end) = quiet.until(Channel::Email, &zone, since) {
                prop_assert!(end > since && is_whole_minute(end));
                prop_assert_eq!(quiet.until(Channel::Email, &zone, end), None);
                prop_assert!(end.duration_since(since) <= jiff::SignedDuration::from_hours(25));
            }
        }
    }
}
