//! How far back to look for what is due.

use std::time::{Duration, Instant};

/// A low-water mark: nothing is due for longer than what was seen last, so the dead entries at the left end of an index (a
/// transaction left open keeps them from being cleaned up) need not be read each time.
///
/// What was written by a slow transaction is due for longer than that when it appears. So now and then a look goes further back,
/// and twice a minute everything is read; less often where that takes long, so that it never costs more than a small part of the time.
pub(crate) struct Low {
    near: Duration,
    far: Duration,
    /// Age of the oldest seen, and when.
    seen: Option<(f64, Instant)>,
    /// What was asked for last, and when.
    asked: (Reach, Instant),
    /// When the next wider looks are to be.
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
/// A wider look may take one part in so many of the time.
const PART: u32 = 50;
/// No wider look is put off for longer.
const LATEST: Duration = Duration::from_secs(300);

impl Low {
    /// Looks go back to the oldest seen and `near` more, now and then `far` more.
    pub(crate) fn new(near: Duration, far: Duration) -> Self {
        let now = Instant::now();
        Low { near, far, seen: None, asked: (Reach::Ever, now), far_at: now, ever_at: now }
    }

    /// How many seconds the next look is to go back.
    pub(crate) fn back(&mut self) -> f64 {
        let now = Instant::now();
        let Some((age, at)) = self.seen.filter(|_| now < self.ever_at) else {
            self.asked = (Reach::Ever, now);
            return EVER;
        };
        let is_far = now >= self.far_at;
        let (reach, margin) = if is_far { (Reach::Far, self.far) } else { (Reach::Near, self.near) };
        self.asked = (reach, now);
        age + (at.elapsed() + margin).as_secs_f64()
    }

    /// Takes what the look that [`Low::back`] was asked for has found: the age of the oldest in seconds, 0 for nothing.
    pub(crate) fn saw(&mut self, oldest: f64) {
        let now = Instant::now();
        let (reach, asked_at) = self.asked;
        let took = (now - asked_at) * PART;
        if reach >= Reach::Far {
            self.far_at = now + took.clamp(FAR_EVERY, LATEST);
        }
        if reach == Reach::Ever {
            self.ever_at = now + took.clamp(EVER_EVERY, LATEST);
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
        low.far_at = Instant::now();
        assert!(low.back() >= 60.0);
        assert!(low.back() >= 60.0, "the first was not answered");
        low.saw(0.0);
        assert!(low.back() < 3.0);
        low.ever_at = Instant::now();
        assert!(low.back() >= EVER);
        low.saw(5.0);
        assert!((7.0..8.0).contains(&low.back()));
    }
}
