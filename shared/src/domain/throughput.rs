//! How much a queue's consumers take a second, from looks at its depth, and how large its window should be. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// Before anything is known, units a second.
const GUESS: f64 = 500.0;
/// The time over which measurements are averaged.
const OVER: f64 = 1.0;
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
    /// Confirmed since the last look.
    published: i64,
    /// Units that waited at the last look.
    waited: i64,
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
            usual: 1.0,
            published: 0,
            waited: 0,
        }
    }
}

impl Throughput {
    /// A message is on its way.
    pub fn sending(&mut self, units: i32) {
        self.unconfirmed += i64::from(units);
        self.usual += (f64::from(units) - self.usual) / 100.0;
    }

    /// A message has arrived, or not.
    pub fn sent(&mut self, units: i32, arrived: bool) {
        self.unconfirmed -= i64::from(units);
        if arrived {
            self.published += i64::from(units);
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
        self.own + (self.others as f64 * self.usual) as i64 + self.unconfirmed
    }

    /// Takes a look: so many messages are ready, so long after the look before.
    ///
    /// A queue that was emptied shows only that its consumers can take at least that much.
    pub fn seen(&mut self, messages: usize, since: Duration) {
        while self.sizes.len() > messages {
            self.forget();
        }
        self.others = (messages - self.sizes.len()) as i64;
        let waits = self.waiting() - self.unconfirmed;
        let (had, took) = (self.waited + self.published, self.waited + self.published - waits);
        (self.waited, self.published) = (waits, 0);
        let seconds = since.as_secs_f64();
        if had <= 0 || seconds <= 0.0 {
            return;
        }
        let measured = took.max(0) as f64 / seconds;
        if messages > 0 || measured > self.rate {
            self.rate += (measured - self.rate) * (1.0 - (-seconds / OVER).exp());
        }
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

    const LOOK: Duration = Duration::from_millis(50);

    /// Consumers that take `rate` units a second from messages of `size`, for `looks` looks, with a backlog behind.
    fn run(throughput: &mut Throughput, rate: f64, size: i32, looks: usize) -> i64 {
        let (mut queue, mut due, mut largest) = (0i64, 0.0, 0);
        for _ in 0..looks {
            while throughput.waiting() < throughput.window(i64::from(size), 100_000) {
                throughput.sending(size);
                throughput.sent(size, true);
                queue += 1;
            }
            largest = queue * i64::from(size);
            due += rate * LOOK.as_secs_f64() / f64::from(size);
            let taken = (due as i64).min(queue);
            due -= taken as f64;
            if queue == taken {
                due = 0.0;
            }
            queue -= taken;
            throughput.seen(usize::try_from(queue).unwrap(), LOOK);
        }
        largest
    }

    #[test]
    fn the_window_becomes_about_a_seconds_work() {
        for (rate, size) in [(10_000.0, 50), (50_000.0, 1000), (200.0, 1), (1000.0, 1)] {
            let mut throughput = Throughput::default();
            let held = run(&mut throughput, rate, size, 200) as f64;
            assert!(
                (rate * 0.7..=rate * 1.6 + f64::from(size)).contains(&held),
                "{rate}/s in messages of {size}: {held}"
            );
        }
    }

    #[test]
    fn it_finds_up_and_down_within_seconds() {
        let mut throughput = Throughput::default();
        run(&mut throughput, 50_000.0, 50, 40);
        assert!(throughput.rate() > 30_000.0, "up in 2 s: {}", throughput.rate());
        run(&mut throughput, 100.0, 50, 120);
        assert!(throughput.rate() < 400.0, "down in 6 s: {}", throughput.rate());
        run(&mut throughput, 0.0, 50, 200);
        assert_eq!(throughput.window(50, 5000), 50, "without consumers one job waits");
    }

    #[test]
    fn a_queue_that_runs_empty_says_nothing_against_its_consumers() {
        let mut throughput = Throughput::default();
        run(&mut throughput, 5000.0, 1, 100);
        throughput.seen(0, LOOK);
        let busy = throughput.rate();
        for _ in 0..1000 {
            throughput.sending(1);
            throughput.sent(1, true);
            throughput.seen(0, LOOK);
        }
        assert!((throughput.rate() - busy).abs() < 1.0, "{} {busy}", throughput.rate());
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
        throughput.seen(2, LOOK);
        assert_eq!(throughput.waiting(), 2, "first in, first out");
        throughput.sending(7);
        throughput.sent(7, false);
        assert_eq!(throughput.waiting(), 2);
        throughput.seen(12, LOOK);
        assert!(throughput.waiting() >= 12, "others published too");
    }
}
