//! A fixed rate by the clock, whatever becomes of the work (open loop).

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// One thing that is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    /// Counts from 0.
    pub(crate) index: usize,
    /// When it should start; its time counts from here.
    pub(crate) due: Instant,
}

/// Rest before the first tick, so that the generator is ready for it.
const LEAD: Duration = Duration::from_millis(50);

/// `count` ticks at `per_second`, from a thread of its own: tokio's timer is a millisecond coarse, the kernel's
/// some 50 microseconds, and the floor to compare with is 4 ms.
pub(crate) fn ticks(per_second: f64, count: usize) -> mpsc::UnboundedReceiver<Tick> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let first = Instant::now() + LEAD;
    std::thread::spawn(move || {
        for index in 0..count {
            let due = first + Duration::from_secs_f64(index as f64 / per_second);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if sender.send(Tick { index, due }).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Ticks of a run before the first that counts: two seconds' worth.
pub(crate) fn warm_up(per_second: f64) -> usize {
    (per_second * 2.0).ceil().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ticks_come_at_their_time() {
        let mut ticks = ticks(1000.0, 20);
        let mut dues = Vec::new();
        while let Some(tick) = ticks.recv().await {
            assert!(Instant::now() >= tick.due);
            assert_eq!(tick.index, dues.len());
            dues.push(tick.due);
        }
        assert_eq!(dues[19] - dues[0], Duration::from_millis(19));
    }
}
