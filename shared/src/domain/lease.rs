//! When a worker counts as dead. Pure: beats and time go in, verdicts come out.

use std::collections::HashMap;
use std::time::Duration;

/// Watches beats on the observer's own clock, so that no jump of any clock ends leases.
#[derive(Debug)]
pub struct Watch {
    lease: Duration,
    seen: HashMap<i64, (i64, Duration)>,
}

impl Watch {
    /// A watch that declares a run dead once its beat stood still for `lease`.
    #[must_use]
    pub fn new(lease: Duration) -> Self {
        Watch { lease, seen: HashMap::new() }
    }

    /// Takes what was seen now, `since_last` after the look before; returns the runs that are dead, with their last beat.
    ///
    /// Time between two looks counts at most a fifth of the lease: while the observer itself was cut off from the database or
    /// frozen, nobody could beat, and nobody may die of it.
    pub fn look(&mut self, since_last: Duration, beats: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let step = since_last.min(self.lease / 5);
        let mut dead = Vec::new();
        let mut seen = HashMap::with_capacity(beats.len());
        for &(id, beat) in beats {
            let still = match self.seen.get(&id) {
                Some(&(last, still)) if last == beat => still + step,
                _ => Duration::ZERO,
            };
            if still >= self.lease {
                dead.push((id, beat));
            }
            seen.insert(id, (beat, still));
        }
        self.seen = seen;
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_run_dies_when_its_beat_stands_still_for_the_lease() {
        let mut watch = Watch::new(10 * SECOND);
        for _ in 0..10 {
            assert_eq!(watch.look(SECOND, &[(1, 5)]), []);
        }
        assert_eq!(watch.look(SECOND, &[(1, 5)]), [(1, 5)]);
    }

    #[test]
    fn a_beat_renews_the_lease() {
        let mut watch = Watch::new(10 * SECOND);
        for beat in 0..100 {
            assert_eq!(watch.look(2 * SECOND, &[(1, beat / 4)]), []);
        }
    }

    #[test]
    fn an_observer_that_was_away_kills_nobody() {
        let mut watch = Watch::new(10 * SECOND);
        assert_eq!(watch.look(SECOND, &[(1, 5)]), []);
        assert_eq!(watch.look(3600 * SECOND, &[(1, 5)]), [], "an hour's gap counts as two seconds");
    }
}
