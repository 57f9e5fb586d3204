//! How much a queue's consumers take a second, from looks at its depth, and how large its window should be. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// Before anything is known, units a second.
const GUESS: f64 = 200.0;
/// The time over which measurements are averaged.
const OVER: f64 = 1.0;
/// Messages a consumer takes into its hands ahead of its work (the default prefetch of workers).
const HANDS: f64 = 16.0;
/// Messages whose size is remembered.
const MOST: usize = 4096;

/// A queue as its publisher knows it.
#[derive(Debug)]
pub struct Throughput {
    /// Units a second its consumers take when there is something.
    rate: f64,
    /// Sizes of the messages believed to wait, oldest first: a queue is first in, first out.
    sizes: VecDeque<i32>,
    /// Their sum.
    own: i64,
    /// Messages published by others, at the usual size.
    others: i64,
    /// Units in messages that the broker has not confirmed yet.
    unconfirmed: i64,
    /// Units per message, lately.
    usual: f64,
    /// Units and messages confirmed since the last look.
    published: (i64, usize),
    /// Units and messages that waited at the last look.
    waited: (i64, usize),
    /// Messages believed to lie in the consumers' hands.
    held: f64,
}

impl Default for Throughput {
    fn default() -> Self {
        let sizes = VecDeque::new();
        Throughput {
            rate: GUESS,
            sizes,
            own: 0,
            others: 0,
            unconfirmed: 0,
            usual: 0.0,
            published: (0, 0),
            waited: (0, 0),
            held: 0.0,
        }
    }
}

impl Throughput {
    /// A message is on its way.
    pub fn sending(&mut self, units: i32) {
        self.unconfirmed += i64::from(units);
        let units = f64::from(units);
        self.usual = if self.usual > 0.0 { self.usual + (units - self.usual) / 100.0 } else { units };
    }

    /// A message has arrived, or not.
    pub fn sent(&mut self, units: i32, arrived: bool) {
        self.unconfirmed -= i64::from(units);
        if arrived {
            self.published = (self.published.0 + i64::from(units), self.published.1 + 1);
            self.sizes.push_back(units);
            self.own += i64::from(units);
            if self.sizes.len() > MOST {
                self.forget();
                self.others += 1;
            }
        }
    }

    /// Units believed to wait.
    #[must_use]
    pub fn waiting(&self) -> i64 {
        self.own + (self.others as f64 * self.usual.max(1.0)) as i64 + self.unconfirmed
    }

    /// Takes a look: so many messages are ready for so many consumers, so long after the look before.
    ///
    /// Two things show less than they seem to. A queue that was emptied proves only that its consumers can take at least that
    /// much; and what they took may lie in their hands yet, until those must be full.
    pub fn seen(&mut self, messages: usize, consumers: u32, since: Duration) {
        while self.sizes.len() > messages {
            self.forget();
        }
        self.others = (messages - self.sizes.len()) as i64;
        let waits = self.waiting() - self.unconfirmed;
        let had = (self.waited.0 + self.published.0, self.waited.1 + self.published.1);
        (self.waited, self.published) = ((waits, messages), (0, 0));
        let seconds = since.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let taken = had.1.saturating_sub(messages) as f64;
        let size = if taken > 0.0 { (had.0 - waits).max(0) as f64 / taken } else { self.usual }.max(1.0);
        let worked = self.worked(taken, messages == 0, consumers, self.rate * seconds / size);
        let measured = worked * size / seconds;
        if had.1 > 0 && (messages > 0 || measured > self.rate) {
            self.rate += (measured - self.rate) * (1.0 - (-seconds / OVER).exp());
        }
    }

    /// Messages worked off while `taken` left the queue: what came into the consumers' hands and did not stay there.
    fn worked(&mut self, taken: f64, emptied: bool, consumers: u32, usually: f64) -> f64 {
        let hands = f64::from(consumers) * HANDS;
        if !emptied {
            self.held = hands;
            return taken;
        }
        let left = self.held - usually.min(self.held);
        let kept = (left + taken).min(hands);
        let worked = self.held + taken - kept;
        self.held = kept;
        worked
    }

    /// The oldest message has been taken.
    fn forget(&mut self) {
        self.own -= self.sizes.pop_front().map_or(0, i64::from);
    }

    /// Units a second its consumers take.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Units that may wait: a second's work, `least` to `most`.
    #[must_use]
    pub fn window(&self, least: i64, most: i64) -> i64 {
        (self.rate as i64).max(least).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(25);

    /// A consumer with its hands, behind a queue.
    #[derive(Default)]
    struct Consumer {
        queue: i64,
        hands: i64,
        due: f64,
    }

    impl Consumer {
        /// Works `rate` units a second in messages of `size`, for `looks` looks, with a backlog behind; the most that waited.
        fn run(&mut self, throughput: &mut Throughput, rate: f64, size: i32, looks: usize) -> i64 {
            let mut most = 0;
            for _ in 0..looks {
                while throughput.waiting() < throughput.window(i64::from(size), 100_000) {
                    throughput.sending(size);
                    throughput.sent(size, true);
                    self.queue += 1;
                }
                self.due += rate * LOOK.as_secs_f64() / f64::from(size);
                let all = self.hands + self.queue;
                let done = (self.due as i64).min(all);
                self.due = if done == all { 0.0 } else { self.due - done as f64 };
                self.hands = (all - done).min(16);
                self.queue = all - done - self.hands;
                most = most.max(self.queue * i64::from(size));
                throughput.seen(usize::try_from(self.queue).unwrap(), 1, LOOK);
            }
            most
        }
    }

    #[test]
    fn the_queue_holds_about_a_seconds_work() {
        for (rate, size) in [(10_000.0, 50), (50_000.0, 1000), (5000.0, 100), (200.0, 1), (1000.0, 1)] {
            let (mut throughput, mut consumer) = (Throughput::default(), Consumer::default());
            consumer.run(&mut throughput, rate, size, 400);
            let held = consumer.run(&mut throughput, rate, size, 400) as f64;
            let most = rate * 1.5 + f64::from(size);
            assert!((rate * 0.6..=most).contains(&held), "{rate}/s in messages of {size}: {held}");
        }
    }

    #[test]
    fn what_slow_consumers_take_into_their_hands_is_not_taken_for_work() {
        let (mut throughput, mut consumer) = (Throughput::default(), Consumer::default());
        let most = consumer.run(&mut throughput, 10.0, 50, 4000);
        assert!(most <= 250, "{most} at 10/s");
        assert_eq!(throughput.window(50, 5000), 50);
    }

    #[test]
    fn it_finds_up_and_down_within_seconds() {
        let (mut throughput, mut consumer) = (Throughput::default(), Consumer::default());
        consumer.run(&mut throughput, 50_000.0, 50, 80);
        assert!(throughput.rate() > 30_000.0, "up in 2 s: {}", throughput.rate());
        consumer.run(&mut throughput, 100.0, 50, 280);
        assert!(throughput.rate() < 400.0, "down in 7 s: {}", throughput.rate());
        consumer.run(&mut throughput, 0.0, 50, 400);
        assert_eq!(throughput.window(50, 5000), 50, "without work done one job waits");
    }

    #[test]
    fn a_queue_that_runs_empty_says_nothing_against_its_consumers() {
        let (mut throughput, mut consumer) = (Throughput::default(), Consumer::default());
        consumer.run(&mut throughput, 5000.0, 1, 400);
        throughput.seen(0, 1, LOOK);
        let busy = throughput.rate();
        assert!(busy > 3000.0, "{busy}");
        for _ in 0..1000 {
            throughput.sending(1);
            throughput.sent(1, true);
            throughput.seen(0, 1, LOOK);
        }
        assert!(throughput.rate() > busy * 0.99, "{} {busy}", throughput.rate());
    }

    #[test]
    fn what_waits_is_counted_by_the_size_of_the_messages_left() {
        let mut throughput = Throughput::default();
        for units in [1000, 1000, 1, 1] {
            throughput.sending(units);
        }
        assert_eq!(throughput.waiting(), 2002, "on their way is as good as there");
        for units in [1000, 1000, 1, 1] {
            throughput.sent(units, true);
        }
        throughput.seen(2, 1, LOOK);
        assert_eq!(throughput.waiting(), 2, "first in, first out");
        throughput.sending(7);
        throughput.sent(7, false);
        assert_eq!(throughput.waiting(), 2);
        throughput.seen(12, 1, LOOK);
        assert!(throughput.waiting() >= 12, "others published too");
    }
}
