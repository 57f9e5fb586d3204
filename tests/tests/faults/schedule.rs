//! What will go wrong, and when: a pure function of the seed.

mod kind;

use std::collections::HashMap;
use std::time::Duration;

pub(crate) use kind::Kind;
use kind::{ALL, FEW, length, place};

/// What a fault is about; two faults at one of these do not overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A process of the fleet.
    Process(usize),
    /// A process's way to PostgreSQL.
    Database(usize),
    /// A process's way to RabbitMQ.
    Broker(usize),
    /// PostgreSQL itself.
    Postgres,
    /// RabbitMQ itself.
    Rabbit,
    /// The clock of a process's machine.
    Clock(usize),
    /// A tenant's mail server.
    Mail(usize),
    /// A tenant's webhook receiver.
    Hook(usize),
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Since the start of the load.
    pub(crate) at: Duration,
    /// How long it lasts.
    pub(crate) length: Duration,
    /// What.
    pub(crate) kind: Kind,
    /// What it hits.
    pub(crate) place: Place,
    /// Of two ways it can go, which.
    pub(crate) flag: bool,
}

/// What there is to break.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Processes 0.. are APIs,
    pub(crate) apis: usize,
    /// then dispatchers,
    pub(crate) dispatchers: usize,
    /// then workers.
    pub(crate) workers: usize,
    /// Tenants, each with a mail server and a webhook receiver.
    pub(crate) tenants: usize,
}

/// Faults for so many seconds. In the middle the broker is wiped, whatever else the seed says.
pub(crate) fn plan(seed: u64, seconds: u64, shape: Shape, short: bool) -> Vec<Fault> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let kinds: &[Kind] = if short { &FEW } else { &ALL };
    let end = ms(seconds * 1000);
    let mut busy: HashMap<Place, Duration> = HashMap::new();
    let (mut faults, mut bag, mut clock) = (Vec::new(), Vec::new(), ms(2000));
    let mut wipe = !short;
    loop {
        let kind = if wipe && clock >= end / 2 {
            wipe = false;
            Kind::RabbitWipe
        } else {
            if bag.is_empty() {
                bag = kinds.to_vec();
                rng.shuffle(&mut bag);
            }
            bag.pop().expect("it was just filled")
        };
        let place = place(kind, shape, &mut rng);
        let length = length(kind, &mut rng);
        // Three of four deaths are aimed.
        let flag = if matches!(place, Place::Process(_)) { rng.u8(..4) > 0 } else { rng.bool() };
        let at = clock.max(busy.get(&place).copied().unwrap_or_default());
        clock += ms(rng.u64(1000..4500));
        if at + length > end {
            if clock > end {
                break;
            }
            continue;
        }
        busy.insert(place, at + length + ms(500));
        faults.push(Fault { at, length, kind, place, flag });
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const SHAPE: Shape = Shape { apis: 2, dispatchers: 2, workers: 3, tenants: 3 };

    proptest! {
        #[test]
        fn a_seed_says_it_all(seed: u64, seconds in 20u64..700, short: bool) {
            prop_assert_eq!(plan(seed, seconds, SHAPE, short), plan(seed, seconds, SHAPE, short));
        }

        #[test]
        fn ten_minutes_hold_every_kind_and_a_wipe_in_the_middle(seed: u64) {
            let faults = plan(seed, 600, SHAPE, false);
            let kinds: HashSet<Kind> = faults.iter().map(|fault| fault.kind).collect();
            for kind in ALL {
                prop_assert!(kinds.contains(&kind), "{kind:?} is missing");
            }
            let middle = |fault: &Fault| (285..330).contains(&fault.at.as_secs());
            prop_assert!(faults.iter().any(|fault| fault.kind == Kind::RabbitWipe && middle(fault)));
        }

        #[test]
        fn faults_end_in_time_and_leave_each_other_a_place(seed: u64, seconds in 20u64..700, short: bool) {
            let faults = plan(seed, seconds, SHAPE, short);
            let mut busy: HashMap<Place, Duration> = HashMap::new();
            for fault in &faults {
                prop_assert!(fault.at + fault.length <= Duration::from_secs(seconds));
                let until = busy.insert(fault.place, fault.at + fault.length);
                prop_assert!(until.is_none_or(|until| until < fault.at), "{fault:?} overlaps another");
            }
        }
    }

    #[test]
    fn another_seed_is_another_schedule() {
        assert_ne!(plan(1, 600, SHAPE, false), plan(2, 600, SHAPE, false));
    }

    #[test]
    fn the_short_run_has_one_of_each_part() {
        let kinds: HashSet<Kind> = plan(crate::SHORT_SEED, crate::SHORT_SECONDS, SHAPE, true)
            .iter()
            .map(|fault| fault.kind)
            .collect();
        for kind in FEW {
            assert!(kinds.contains(&kind), "{kind:?} is missing: choose another seed");
        }
    }
}
