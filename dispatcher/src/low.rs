//! How far back to look for what is due.

use std::time::{Duration, Instant};

/// A low-water mark: nothing is due for longer than what was seen last, so the dead entries at the left end of an index (a
/// transaction left open keeps them from being cleaned up) need not be read each time.
///
/// What was written by a slow transaction is due for longer than that when it appears. So now and then a look goes further back,
/// and twice a minute everything is read.
pub(crate) struct Low {
    near: Duration,
    far: Duration,
    /// Age of the oldest seen, and when.
    seen: Option<(f64, Instant)>,
    /// What was asked for last, and when each wider look was answered.
    asked: Reach,
    far_at: Instant,
    ever_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Reach {
    Near,
    Far,
    Ever,
}

/// How far back everything is.
const EVER: f64 = 1e9;
/// Between two looks that go `far` back.
const FAR_EVERY: Duration = Duration::from_secs(3);
/// Between two looks at everything.
const EVER_EVERY: Duration = Duration::from_secs(30);

impl Low {
    /// Looks go back to the oldest seen and `near` more, now and then `far` more.
    pub(crate) fn new(near: Duration, far: Duration) -> Self {
        let now = Instant::now();
        Low { near, far, seen: None, asked: Reach::Ever, far_at: now, ever_at: now }
    }

    /// How many seconds the next look is to go back.
    pub(crate) fn back(&mut self) -> f64 {
        let Some((age, at)) = self.seen.filter(|_| self.ever_at.elapsed() < EVER_EVERY) else {
            self.asked = Reach::Ever;
            return EVER;
        };
        let is_far = self.far_at.elapsed() >= FAR_EVERY;
        let (reach, margin) = if is_far { (Reach::Far, self.far) } else { (Reach::Near, self.near) };
        self.asked = reach;
        age + (at.elapsed() + margin).as_secs_f64()
    }

    /// Takes what the look that [`Low::back`] was asked for has found: the age of the oldest in seconds, 0 for nothing.
    pub(crate) fn saw(&mut self, oldest: f64) {
        let now = Instant::now();
        if self.asked >= Reach::Far {
            self.far_at = now;
        }
        if self.asked == Reach::Ever {
            self.ever_at = now;
        }
        self.seen = Some((oldest.max(0.0), now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_everything_first_and_then_as_far_as_the_oldest_seen() {
        let mut low = Low::new(Duration::from_secs(2), Duration::from_secs(60));
        assert!(low.back() >= EVER);
        low.saw(100.0);
        let back = low.back();
        assert!((102.0..103.0).contains(&back), "{back}");
        low.saw(0.0);
        let back = low.back();
        assert!((2.0..3.0).contains(&back), "{back}");
    }

    #[test]
    fn a_wider_look_counts_when_it_is_answered() {
        let mut low = Low::new(Duration::from_secs(2), Duration::from_secs(60));
        low.back();
        low.saw(0.0);
        low.far_at -= FAR_EVERY;
        assert!(low.back() >= 60.0);
        assert!(low.back() >= 60.0, "the first was not answered");
        low.saw(0.0);
        assert!(low.back() < 3.0);
        low.ever_at -= EVER_EVERY;
        assert!(low.back() >= EVER);
        low.saw(5.0);
        assert!((7.0..8.0).contains(&low.back()));
    }
}
