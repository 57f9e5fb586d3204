//! Ladders: what comes next for one person, given their tier, what is proved, their deliveries and the time. The database decides by the
//! same rules wherever something happens (`ladder_verdict` in shared/migrations); a test compares the two. Rule numbers: docs/ESCALATION.md.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Channel, DeliveryStatus, Lane, Steps, Tier, words};

words! {
    /// What is known of a message, in order; each implies those before it (rule 1).
    Proof, "until", {
        /// The provider took it.
        Sent = 1: "sent",
        /// It arrived.
        Delivered = 2: "delivered",
        /// It was read.
        Read = 3: "read",
        /// It was answered.
        Acknowledged = 4: "acknowledged",
    }
}

words! {
    /// How a ladder ended (rule 23).
    LadderResult, "result", {
        /// They answered.
        Acknowledged = 1: "acknowledged",
        /// They read it.
        Read = 2: "read",
        /// It arrived.
        Delivered = 3: "delivered",
        /// It was sent.
        Sent = 4: "sent",
        /// Every tier was used, and the last one's `until` did not hold.
        Exhausted = 5: "exhausted",
        /// No tier could reach them.
        Unreachable = 6: "unreachable",
        /// Enough others had answered.
        NotNeeded = 7: "not_needed",
        /// The plan was recalled.
        Recalled = 8: "recalled",
        /// The plan was stopped.
        Stopped = 9: "stopped",
        /// The plan expired.
        Expired = 10: "expired",
        /// A step came too late to fire.
        Overdue = 11: "overdue",
        /// The person was frozen.
        Frozen = 12: "frozen",
    }
}

impl From<Proof> for LadderResult {
    fn from(proof: Proof) -> Self {
        match proof {
            Proof::Sent => LadderResult::Sent,
            Proof::Delivered => LadderResult::Delivered,
            Proof::Read => LadderResult::Read,
            Proof::Acknowledged => LadderResult::Acknowledged,
        }
    }
}

/// What the providers of a channel report of a message they took (rule 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reports {
    /// Nothing: `delivered` holds once it is sent.
    Nothing = 0,
    /// Failures only: silence at the end of `wait` means that it arrived.
    Failures = 1,
    /// Both ways: silence means that it did not.
    BothWays = 2,
}

impl Reports {
    /// Of a channel; SQL has the same table (`channel_reports`).
    #[must_use]
    pub const fn of(channel: Channel) -> Self {
        match channel {
            Channel::Email => Reports::Failures,
            Channel::Sms | Channel::Voice | Channel::Dingtalk | Channel::Wechat => Reports::BothWays,
            Channel::Wecom | Channel::Feishu | Channel::Welink | Channel::Webhook | Channel::Inbox => {
                Reports::Nothing
            }
        }
    }
}

impl Proof {
    /// Whether a message on this channel can ever prove it (rule 4): reading and answering need the link to the page.
    #[must_use]
    pub const fn is_provable(self, channel: Channel) -> bool {
        match self {
            Proof::Sent | Proof::Delivered => true,
            Proof::Read | Proof::Acknowledged => matches!(
                channel,
                Channel::Email | Channel::Sms | Channel::Wecom | Channel::Webhook | Channel::Inbox
            ),
        }
    }
}

/// How late a step may fire (rule 16) where the plan says nothing; SQL has the same (`max_late`).
#[must_use]
pub const fn max_late(lane: Lane) -> Duration {
    Duration::from_secs(match lane {
        Lane::Urgent => 3600,
        Lane::Normal | Lane::Bulk => 12 * 3600,
    })
}

/// How long after its start a plan is given up: what it says, else a day (urgent) or three and what its tiers wait together.
#[must_use]
pub fn life(after: Option<Wait>, lane: Lane, waits: Duration) -> Duration {
    let hours = if lane == Lane::Urgent { 24 } else { 72 };
    after.map_or_else(|| Duration::from_secs(hours * 3600).saturating_add(waits), Wait::duration)
}

/// A whole number of seconds, written as ISO 8601 (`PT10M`) and read as that or as `10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait(u64);

impl Wait {
    /// The longest wait of a tier: 30 days.
    pub const MAX: Wait = Wait(30 * 86_400);
    /// The longest ladder: 90 days.
    pub const MAX_LADDER: Wait = Wait(90 * 86_400);

    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Wait(seconds)
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Whole days in it.
    #[must_use]
    pub const fn days(self) -> u64 {
        self.0 / 86_400
    }

    /// Milliseconds, as the database keeps them.
    #[must_use]
    pub fn millis(self) -> i64 {
        i64::try_from(self.0.saturating_mul(1000)).unwrap_or(i64::MAX)
    }
}

/// A text that is no duration of whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a duration: write 10m, 1h30m or PT10M, in days, hours, minutes and seconds")]
pub struct NoWait;

impl std::str::FromStr for Wait {
    type Err = NoWait;

    fn from_str(text: &str) -> Result<Self, NoWait> {
        let upper = text.to_ascii_uppercase();
        let (iso, mut timed) = (upper.starts_with('P'), !upper.starts_with('P'));
        let mut rest = upper.strip_prefix('P').unwrap_or(&upper);
        // Each unit once, the larger first.
        let (mut last, mut total) = (u64::MAX, 0u64);
        while !rest.is_empty() {
            if iso && !timed && rest.starts_with('T') {
                (timed, rest) = (true, &rest[1..]);
            }
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(NoWait)?;
            let number: u64 = rest[..digits].parse().map_err(|_| NoWait)?;
            let unit = match (&rest[digits..=digits], timed) {
                ("D", _) if !(iso && timed) => 86_400,
                ("H", true) => 3600,
                ("M", true) => 60,
                ("S", true) => 1,
                _ => return Err(NoWait),
            };
            if unit >= last {
                return Err(NoWait);
            }
            last = unit;
            total = number.checked_mul(unit).and_then(|part| total.checked_add(part)).ok_or(NoWait)?;
            rest = &rest[digits + 1..];
        }
        if last == u64::MAX { Err(NoWait) } else { Ok(Wait(total)) }
    }
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        f.write_str("P")?;
        if days > 0 {
            write!(f, "{days}D")?;
        }
        if rest > 0 || days == 0 {
            f.write_str("T")?;
        }
        for (number, unit) in [(rest / 3600, 'H'), (rest / 60 % 60, 'M'), (rest % 60, 'S')] {
            if number > 0 || (self.0 == 0 && unit == 'S') {
                write!(f, "{number}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Wait {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The ladder of a plan as the database keeps it: by step, what ends it and how long it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    /// Codes of [`Proof`].
    pub untils: Vec<i16>,
    /// Milliseconds.
    pub waits: Vec<i64>,
}

impl Ladder {
    /// Of a plan with these tiers; `None`: one step that waits for nothing, which needs no ladder.
    #[must_use]
    pub fn of(tiers: &[Tier], steps: &Steps) -> Option<Self> {
        let waits = steps.as_slice().len() > 1 || steps.with(tiers).any(|(_, tier)| tier.until.is_some());
        waits.then(|| Ladder::of_any(tiers, steps))
    }

    /// Of a plan that keeps ladders even where it waits for nothing.
    #[must_use]
    pub fn of_any(tiers: &[Tier], steps: &Steps) -> Self {
        let of = steps
            .with(tiers)
            .map(|(_, tier)| (tier.until.unwrap_or(Proof::Sent).code(), tier.wait.map_or(0, Wait::millis)));
        let (untils, waits) = of.unzip();
        Ladder { untils, waits }
    }
}

/// What is to become of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It stays where it is.
    Stay,
    /// The next tier.
    Next,
    /// It is over.
    End(LadderResult),
}

/// One person at one tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// What ends the tier.
    pub until: Proof,
    /// There is no tier after it.
    pub is_last: bool,
    /// They have read, or answered.
    pub proved: Option<Proof>,
    /// Their deliveries of this tier.
    pub deliveries: &'a [(Reports, DeliveryStatus)],
    /// Something went out, failed or is unknown, in any tier.
    pub reached: bool,
    /// The wait is over.
    pub due: bool,
    /// It is too late to go on.
    pub late: bool,
}

/// Decides what comes next. Rules 1 to 7, 16 and 23.
#[must_use]
pub fn verdict(place: &Place<'_>) -> Step {
    use DeliveryStatus as D;
    let counts_as = |&(reports, status): &(Reports, D)| match (status, reports) {
        (D::Delivered, _) | (D::Sent, Reports::Nothing) => Some(Proof::Delivered),
        (D::Sent, Reports::Failures) if place.due => Some(Proof::Delivered),
        (D::Sent, _) => Some(Proof::Sent),
        _ => None,
    };
    let recorded = |&(_, status): &(Reports, D)| match status {
        D::Delivered => Some(Proof::Delivered),
        D::Sent => Some(Proof::Sent),
        _ => None,
    };
    let held = place.deliveries.iter().filter_map(counts_as).max().max(place.proved);
    if held.is_some_and(|held| held >= place.until) {
        // Silence ends a ladder; it proves nothing.
        let best = place.deliveries.iter().filter_map(recorded).max().max(place.proved);
        return Step::End(best.unwrap_or(Proof::Sent).into());
    }
    let stands = |&(_, status): &(Reports, D)| {
        !matches!(status, D::Failed | D::Suppressed | D::Cancelled | D::Expired)
    };
    let left = !place.deliveries.is_empty() && !place.deliveries.iter().any(stands);
    match (place.due || left, place.late, place.is_last) {
        (false, _, _) => Step::Stay,
        (true, true, _) => Step::End(LadderResult::Overdue),
        (true, false, false) => Step::Next,
        (true, false, true) if place.reached => Step::End(LadderResult::Exhausted),
        (true, false, true) => Step::End(LadderResult::Unreachable),
    }
}

#[cfg(test)]
mod tests;
