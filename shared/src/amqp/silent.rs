//! Queues that do not answer while others do.
//!
//! A RabbitMQ node that is killed while it makes a quorum queue can leave it half made: whoever declares it, looks at it or sends to it
//! then waits for ever, also after the next start; or it refuses every message. It is asked again and again, published to no more, and when others answered
//! in between each time, it is made anew: what a queue holds can be lost.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Times in a row without an answer, others answering in between, after which a queue counts as broken.
const BROKEN: u32 = 3;

/// What a queue was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// How much is in it.
    Look,
    /// To take a message.
    Send,
}

/// What is known of all queues of a publisher.
#[derive(Default)]
pub(super) struct Silences(Mutex<State>);

#[derive(Default)]
struct State {
    /// Answers of any queue.
    answers: u64,
    silent: HashMap<String, Silent>,
}

struct Silent {
    /// What it did not answer; only the same, answered, says that it is well.
    asked: Asked,
    times: u32,
    /// The answers there had been the last time.
    answers: u64,
}

impl Silences {
    /// Whether the queue does not even say how much is in it.
    pub(super) fn is_silent(&self, queue: &str) -> bool {
        self.with(|state| state.silent.get(queue).is_some_and(|silent| silent.asked == Asked::Look))
    }

    /// A queue has answered.
    pub(super) fn answered(&self, queue: &str, asked: Asked) {
        self.with(|state| {
            state.answers += 1;
            if state.silent.get(queue).is_some_and(|silent| silent.asked == asked) {
                state.silent.remove(queue);
            }
        });
    }

    /// A queue has not answered, or refused.
    pub(super) fn unanswered(&self, queue: &str, asked: Asked) {
        self.with(|state| {
            let answers = state.answers;
            let silent = state.silent.entry(queue.to_owned()).or_insert(Silent { asked, times: 1, answers });
            // When nobody answers it is the broker, or the way there.
            if answers > silent.answers {
                (silent.times, silent.answers) = (silent.times + 1, answers);
            }
        });
    }

    /// Whether a queue is broken; it is not again before it has shown so anew.
    pub(super) fn take_broken(&self, queue: &str) -> bool {
        self.with(|state| {
            let broken = state.silent.get(queue).is_some_and(|silent| silent.times >= BROKEN);
            if broken {
                state.silent.remove(queue);
            }
            broken
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_broken_when_others_answer_and_it_does_not() {
        let silences = Silences::default();
        for asked in [Asked::Look, Asked::Send] {
            (0..9).for_each(|_| silences.unanswered("a", asked));
            assert!(!silences.take_broken("a"), "the whole broker may be away");
            assert_eq!((silences.is_silent("a"), silences.is_silent("b")), (asked == Asked::Look, false));
            for broken in [false, true] {
                silences.answered("b", Asked::Look);
                silences.unanswered("a", asked);
                assert_eq!(silences.take_broken("a"), broken);
            }
            assert!(!silences.take_broken("a"), "once");
        }
    }

    #[test]
    fn a_queue_that_says_how_much_is_in_it_may_take_nothing_all_the_same() {
        let silences = Silences::default();
        for _ in 0..3 {
            silences.unanswered("a", Asked::Send);
            silences.answered("a", Asked::Look);
        }
        assert!(silences.take_broken("a"));
        silences.unanswered("a", Asked::Send);
        silences.answered("a", Asked::Send);
        (0..3).for_each(|_| silences.answered("b", Asked::Send));
        assert!(!silences.take_broken("a"));
    }
}
