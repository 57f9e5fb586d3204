//! What time it is: by the database's clock, so that a machine whose own clock is wrong or jumps does no harm. A receiver of webhooks
//! refuses signatures that are 5 minutes off, and a mail dated tomorrow is taken for spam.

use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// The last time heard, and when. Between two it is carried on by the monotonic clock, which does not jump.
static HEARD: RwLock<Option<(Instant, Timestamp)>> = RwLock::new(None);

/// The database said that it was `time` at `at`.
pub fn heard(at: Instant, time: Timestamp) {
    *HEARD.write().unwrap_or_else(PoisonError::into_inner) = Some((at, time));
}

/// The time; by this machine's clock as long as the database has said nothing.
#[must_use]
pub fn now() -> Timestamp {
    let heard = *HEARD.read().unwrap_or_else(PoisonError::into_inner);
    let carried = heard.and_then(|(at, time)| {
        let since = SignedDuration::try_from(at.elapsed()).ok()?;
        time.checked_add(since).ok()
    });
    carried.unwrap_or_else(Timestamp::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_from_what_was_heard() {
        let near = |time: Timestamp| now().duration_since(time).abs() < SignedDuration::from_secs(60);
        assert!(near(Timestamp::now()));
        let other: Timestamp = "2031-02-03T04:05:06Z".parse().unwrap();
        heard(Instant::now(), other);
        assert!(near(other) && now() >= other);
    }
}
