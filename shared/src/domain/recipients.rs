//! Limits per account and recipient that a provider keeps in silence. Pure.
//!
//! A message is counted when it gets leave, under the database's clock, and must reach the provider within `LATE`: whatever the
//! provider sees within a span then got leave within that span and `LATE`, so that is what limits are counted over.
//!
//! Counting costs a row for each message, which a plan to a million does not need: nobody gets it twice in one attempt. Its large calls
//! are one *round*, which counts as one message to everybody for as long as it goes on. Rounds may use half of each limit
//! (`sql/recipient_pace/enter.sql`); while more are under way, their recipients are counted one by one too.

use std::time::Duration;

use ring::digest::{SHA256, digest};

/// From leave to the provider, at most: [`LEAVE`], [`ROUND`], a second the clock is read in, and two on the way.
const LATE: Duration = Duration::from_secs(8);
/// How long leave is good; checked last before the call.
pub const LEAVE: Duration = Duration::from_secs(3);
/// How long a worker takes a round as entered before it says again that it goes on.
pub const ROUND: Duration = Duration::from_secs(2);
/// Calls of so many people may be part of a round; smaller ones are counted one by one.
pub const LARGE: usize = 100;

/// Limits as they are counted: seconds (the provider's span and the time on the way) and messages, shortest span first.
#[must_use]
pub fn counted_over(limits: &[(Duration, u32)]) -> (Vec<i32>, Vec<i32>) {
    let mut limits: Vec<(i32, i32)> = limits
        .iter()
        .map(|&(span, most)| {
            let seconds = (span + LATE).as_secs();
            (i32::try_from(seconds).unwrap_or(i32::MAX), i32::try_from(most).unwrap_or(i32::MAX))
        })
        .collect();
    limits.sort_unstable();
    limits.into_iter().unzip()
}

/// The recipient's name in counters: the same for spellings that differ in case, since providers take them for one.
#[must_use]
pub fn member(address: &str) -> i64 {
    let hash = digest(&SHA256, address.to_lowercase().as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_ref()[..8]);
    i64::from_be_bytes(first)
}

/// What became of the messages to one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// So many may go now.
    pub given: u32,
    /// So many were held back before the others of these.
    pub ahead: u32,
    /// When the first of those held back may go.
    pub first: Duration,
}

impl Counted {
    /// When the `n`th (from 0) of the messages may go; `None`: now. `shortest` is the first of [`counted_over`].
    #[must_use]
    pub fn wait(&self, n: u32, shortest: (i32, i32)) -> Option<Duration> {
        let held = n.checked_sub(self.given)?;
        let (seconds, most) = (shortest.0.unsigned_abs(), shortest.1.unsigned_abs().max(1));
        let spans = self.ahead.saturating_add(held) / most;
        Some((self.first + Duration::from_secs(seconds.into()) * spans).max(Duration::from_secs(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_counted_with_the_time_on_the_way() {
        let minute = (Duration::from_secs(60), 30);
        let hour = (Duration::from_secs(3600), 1000);
        assert_eq!(counted_over(&[hour, minute]), (vec![68, 3608], vec![30, 1000]));
    }

    #[test]
    fn a_member_is_the_same_in_any_case() {
        assert_eq!(member("LiLei"), member("lilei"));
        assert_ne!(member("lilei"), member("lilei2"));
    }

    #[test]
    fn those_held_back_come_in_groups_that_fit_a_span() {
        let counted = Counted { given: 2, ahead: 29, first: Duration::from_secs(40) };
        let wait = |n| counted.wait(n, (68, 30)).map(|wait| wait.as_secs());
        assert_eq!(
            [wait(0), wait(1), wait(2), wait(3), wait(33)],
            [None, None, Some(40), Some(108), Some(176)]
        );
    }
}
