//! How calls at once of an account are shared by the workers that want some. Pure.
//!
//! Each worker tells what it wants and computes its own share from what the others hold and want, one worker at a time
//! (`db::shares`). It takes only what nobody holds, so the sum never exceeds the limit; who holds more than its share lets its calls end
//! without starting others, so that the sum of what is held comes to what it should be.

/// What a run holds and wants of an account's calls at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimant {
    /// The run of its worker.
    pub run: i64,
    /// Calls it may make at once.
    pub places: u32,
    /// Calls it would make at once.
    pub wanted: u32,
    /// An urgent one waits.
    pub urgent: bool,
}

/// A run's wish for a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The asking run.
    pub run: i64,
    /// The account's limit.
    pub total: u32,
    /// The run makes no more than so many calls at once until it is answered.
    pub bound: u32,
    /// Calls it would make at once.
    pub wanted: u32,
    /// An urgent one waits.
    pub urgent: bool,
}

/// What a run may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Calls it may make at once: with more under way it starts none.
    pub allowed: u32,
    /// Calls that count as its own until it asks again: those that must end are among them.
    pub places: u32,
}

/// The share of whoever asks. As even as wishes allow; what cannot be divided goes to those with urgent calls first, then in `turn`.
#[must_use]
pub fn share(ask: &Ask, others: &[Claimant], turn: u64) -> Share {
    let taken: u32 = others.iter().map(|other| other.places).sum();
    let allowed = due(ask, others, turn).min(ask.total.saturating_sub(taken));
    Share { allowed, places: allowed.max(ask.bound) }
}

fn due(ask: &Ask, others: &[Claimant], turn: u64) -> u32 {
    let mut all: Vec<(i64, u32, bool)> = others.iter().map(|o| (o.run, o.wanted, o.urgent)).collect();
    all.push((ask.run, ask.wanted, ask.urgent));
    all.sort_unstable();
    let given = |level: u32| all.iter().map(|(_, wanted, _)| u64::from(*wanted.min(&level))).sum::<u64>();
    let most = all.iter().map(|(_, wanted, _)| *wanted).max().unwrap_or(0).min(ask.total);
    let level = (0..=most).rev().find(|level| given(*level) <= u64::from(ask.total)).unwrap_or(0);
    let mut more: Vec<_> = all.iter().filter(|(_, wanted, _)| *wanted > level).collect();
    if ask.wanted <= level || more.is_empty() {
        return ask.wanted;
    }
    let count = more.len();
    more.rotate_left(usize::try_from(turn % count as u64).unwrap_or(0));
    more.sort_by_key(|(.., urgent)| !urgent);
    let place = more.iter().position(|(run, ..)| *run == ask.run).unwrap_or(count);
    let left = u64::from(ask.total) - given(level);
    level + u32::from((place as u64) < left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claimant(run: i64, places: u32, wanted: u32) -> Claimant {
        Claimant { run, places, wanted, urgent: false }
    }

    fn ask(run: i64, total: u32, bound: u32, wanted: u32) -> Ask {
        Ask { run, total, bound, wanted, urgent: false }
    }

    #[test]
    fn alone_it_gets_what_it_wants() {
        assert_eq!(share(&ask(1, 10, 0, 4), &[], 7), Share { allowed: 4, places: 4 });
        assert_eq!(share(&ask(1, 10, 0, 400), &[], 7), Share { allowed: 10, places: 10 });
    }

    #[test]
    fn who_holds_more_than_its_share_lets_calls_end_first() {
        let newcomer = claimant(2, 0, 10);
        assert_eq!(share(&ask(1, 10, 10, 10), &[newcomer], 0), Share { allowed: 5, places: 10 });
        assert_eq!(share(&ask(2, 10, 0, 10), &[claimant(1, 10, 10)], 0).allowed, 0, "nothing is free yet");
        assert_eq!(share(&ask(1, 10, 7, 10), &[newcomer], 0), Share { allowed: 5, places: 7 });
        assert_eq!(share(&ask(2, 10, 0, 10), &[claimant(1, 7, 10)], 0), Share { allowed: 3, places: 3 });
    }

    #[test]
    fn what_others_do_not_want_is_not_kept_for_them() {
        let others = [claimant(2, 0, 1), claimant(3, 0, 100)];
        assert_eq!(
            share(&ask(1, 10, 0, 100), &others, 0).allowed + share(&ask(1, 10, 0, 100), &others, 1).allowed,
            9
        );
    }

    #[test]
    fn fewer_places_than_workers_go_round_and_urgent_calls_are_first() {
        let others = [claimant(2, 0, 5), claimant(3, 0, 5), claimant(4, 0, 5)];
        let got: u32 = (0..4).map(|turn| share(&ask(1, 3, 0, 5), &others, turn).allowed).sum();
        assert_eq!(got, 3, "three of four turns");
        let urgent = Ask { urgent: true, ..ask(1, 1, 0, 5) };
        assert!((0..4).all(|turn| share(&urgent, &others, turn).allowed == 1));
    }

    proptest! {
        /// Workers ask in any order while their calls begin and end: never more at once than allowed, and all of it is used in the end.
        #[test]
        fn the_sum_never_exceeds_the_limit_and_nothing_stays_unused(
            total in 1u32..20, wishes in proptest::collection::vec(0u32..30, 1..6), steps in proptest::collection::vec((0usize..6, 0u32..30), 0..60),
        ) {
            let runs = wishes.len();
            let mut all: Vec<Claimant> = (0..runs).map(|n| claimant(n as i64, 0, wishes[n])).collect();
            let (mut used, mut allowed) = (vec![0u32; runs], vec![0u32; runs]);
            let mut step = |who: usize, begin: u32, used: &mut Vec<u32>, allowed: &mut Vec<u32>, turn: u64| {
                let bound = used[who].max(allowed[who]);
                let others: Vec<Claimant> = all.iter().copied().filter(|c| c.run != who as i64).collect();
                let got = share(&ask(who as i64, total, bound, wishes[who]), &others, turn);
                (all[who].places, allowed[who]) = (got.places, got.allowed);
                used[who] = begin.min(got.allowed);
                all.iter().map(|c| c.places).sum::<u32>()
            };
            for (turn, (who, begin)) in steps.into_iter().enumerate() {
                let sum = step(who % runs, begin, &mut used, &mut allowed, turn as u64);
                prop_assert!(sum <= total, "{sum} of {total}");
            }
            for _ in 0..4 {
                for who in 0..runs {
                    step(who, u32::MAX, &mut used, &mut allowed, 0);
                }
            }
            let (sum, wanted) = (used.iter().sum::<u32>(), wishes.iter().sum::<u32>());
            prop_assert_eq!(sum, wanted.min(total));
        }
    }
}
