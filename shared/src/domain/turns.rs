//! Whose turn it is: which of the living dispatchers admits a queue's jobs. Pure.

use super::{Channel, Lane};

/// The run that is to have a queue: the highest of a hash of queue and run, so that queues spread, and only those of a run
/// that came or went change hands. `None` when nobody lives.
#[must_use]
pub fn rightful(channel: Channel, lane: Lane, living: &[i64]) -> Option<i64> {
    let queue = channel as u64 * 8 + lane as u64;
    living.iter().copied().max_by_key(|&run| (mix(queue ^ mix(run.unsigned_abs())), run))
}

/// `SplitMix64`'s finalizer (Steele, Lea, Flood, 2014).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues() -> impl Iterator<Item = (Channel, Lane)> {
        Channel::ALL.iter().flat_map(|&channel| [(channel, Lane::Normal), (channel, Lane::Bulk)])
    }

    #[test]
    fn queues_spread_over_the_living() {
        for first in 1..50 {
            let living = [first, first + 1, first + 2];
            for run in living {
                let count = queues().filter(|&(c, l)| rightful(c, l, &living) == Some(run)).count();
                assert!(count >= 1, "{run} of {living:?} has {count} of 20");
            }
        }
    }

    #[test]
    fn only_the_queues_of_a_dead_run_move() {
        for (channel, lane) in queues() {
            let before = rightful(channel, lane, &[1, 2, 3]);
            let after = rightful(channel, lane, &[1, 3]);
            assert!(before == after || before == Some(2), "{channel} {lane}");
        }
        assert_eq!(rightful(Channel::Email, Lane::Bulk, &[]), None);
    }
}
