//! What will go wrong, and when: a pure function of the seed.

use std::collections::HashMap;
use std::time::Duration;

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
    /// A tenant's mail server.
    Mail(usize),
    /// A tenant's webhook receiver.
    Hook(usize),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// SIGKILL; started again after the length, as a supervisor would.
    KillApi,
    /// The same.
    KillDispatcher,
    /// The same.
    KillWorker,
    /// SIGSTOP, and SIGCONT after the length.
    FreezeApi,
    /// The same.
    FreezeDispatcher,
    /// The same.
    FreezeWorker,
    /// SIGSTOP of a dispatcher or worker in the middle of a transaction: its locks stay, beyond what others wait for one.
    FreezeHolding,
    /// SIGTERM and a start, as in a rolling update; of the other build where there are two.
    Replace,
    /// Stopped as by a crash (`-m immediate`) and started at once.
    PostgresCrash,
    /// The same, started after the length.
    PostgresAway,
    /// `pg_terminate_backend` for every connection.
    PostgresHangUp,
    /// `rabbitmqctl stop_app`, and `start_app` after the length.
    RabbitStop,
    /// The node is SIGKILLed and started after the length.
    RabbitKill,
    /// The node is SIGKILLed, all its data removed, and started.
    RabbitWipe,
    /// Its memory alarm blocks publishers.
    RabbitMemory,
    /// Its disk alarm does.
    RabbitDisk,
    /// Every connection is closed by the broker.
    RabbitHangUp,
    /// A process's connections to a server are cut and new ones refused.
    Cut,
    /// Nothing passes and nobody is told (half-open); at the end it flows on, or everything is reset.
    Stall,
    /// Small pieces, late.
    Slow,
    /// `451` for every mail.
    MailDefers,
    /// The mail server takes a mail, and answers after the client has given up.
    MailStalls,
    /// The mail server takes a mail and hangs up without a word.
    MailTakesAndDrops,
    /// The mail server hangs up without taking it.
    MailDrops,
    /// The mail server cuts all its connections.
    MailHangsUp,
    /// 500 for every call.
    HookFails,
    /// The receiver takes a call, and answers after the client has given up.
    HookStalls,
    /// The receiver takes a call and hangs up.
    HookTakesAndDrops,
    /// 429 with Retry-After.
    HookThrottles,
}

use Kind::*;

/// Every kind, worker deaths more often than others: the protocol is about them.
const ALL: [Kind; 34] = [
    KillApi,
    KillDispatcher,
    KillWorker,
    KillWorker,
    KillWorker,
    FreezeApi,
    FreezeDispatcher,
    FreezeWorker,
    FreezeWorker,
    FreezeHolding,
    Replace,
    Replace,
    PostgresCrash,
    PostgresAway,
    PostgresHangUp,
    RabbitStop,
    RabbitKill,
    RabbitWipe,
    RabbitMemory,
    RabbitDisk,
    RabbitHangUp,
    Cut,
    Cut,
    Stall,
    Slow,
    MailDefers,
    MailStalls,
    MailTakesAndDrops,
    MailDrops,
    MailHangsUp,
    HookFails,
    HookStalls,
    HookTakesAndDrops,
    HookThrottles,
];
/// Those of the short run: one of each part, the quick ones.
const FEW: [Kind; 9] = [
    KillWorker,
    KillApi,
    KillDispatcher,
    FreezeWorker,
    PostgresCrash,
    RabbitWipe,
    Cut,
    MailTakesAndDrops,
    HookTakesAndDrops,
];

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
            RabbitWipe
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

fn place(kind: Kind, shape: Shape, rng: &mut fastrand::Rng) -> Place {
    let all = shape.apis + shape.dispatchers + shape.workers;
    match kind {
        KillApi | FreezeApi => Place::Process(rng.usize(..shape.apis)),
        KillDispatcher | FreezeDispatcher => Place::Process(shape.apis + rng.usize(..shape.dispatchers)),
        KillWorker | FreezeWorker => Place::Process(all - 1 - rng.usize(..shape.workers)),
        FreezeHolding => Place::Process(rng.usize(shape.apis..all)),
        Replace => Place::Process(rng.usize(..all)),
        PostgresCrash | PostgresAway | PostgresHangUp => Place::Postgres,
        RabbitStop | RabbitKill | RabbitWipe | RabbitMemory | RabbitDisk | RabbitHangUp => Place::Rabbit,
        Cut | Stall | Slow if rng.bool() => Place::Database(rng.usize(..all)),
        Cut | Stall | Slow => Place::Broker(rng.usize(..all)),
        MailDefers | MailStalls | MailTakesAndDrops | MailDrops | MailHangsUp => {
            Place::Mail(rng.usize(..shape.tenants))
        }
        HookFails | HookStalls | HookTakesAndDrops | HookThrottles => Place::Hook(rng.usize(..shape.tenants)),
    }
}

fn length(kind: Kind, rng: &mut fastrand::Rng) -> Duration {
    // Now and then longer than a lock is waited for (10 s).
    let long = rng.u8(..6) == 0;
    let range = match kind {
        KillApi | KillDispatcher | KillWorker => 200..3000,
        // Shorter and longer than the lease of 3 s.
        FreezeApi | FreezeDispatcher | FreezeWorker | Cut | Stall | Slow if long => 11_000..18_000,
        FreezeHolding => 4000..16_000,
        FreezeApi | FreezeDispatcher | FreezeWorker => 1000..9000,
        Cut | Stall | Slow => 1000..9000,
        PostgresAway => 1000..5000,
        RabbitStop | RabbitKill | RabbitMemory | RabbitDisk => 1000..6000,
        MailDefers | MailStalls | MailTakesAndDrops | MailDrops | HookFails | HookStalls
        | HookTakesAndDrops | HookThrottles => 1500..7000,
        Replace | PostgresCrash | PostgresHangUp | RabbitWipe | RabbitHangUp | MailHangsUp => 1..2,
    };
    ms(rng.u64(range))
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
            prop_assert!(faults.iter().any(|fault| fault.kind == RabbitWipe && middle(fault)));
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
