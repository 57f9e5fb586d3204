//! The kinds of faults: what each may hit and how long it lasts.

use std::time::Duration;

use super::{Place, Shape, ms};

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
    /// One server process is SIGKILLed: all connections end and PostgreSQL recovers, without starting anew.
    PostgresBackend,
    /// The file system of tables and indexes is full, until the end of the length.
    PostgresFull,
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
    /// Open connections are silent for ever and still acknowledge everything; new ones are as they should be.
    Silence,
    /// The clock of a dispatcher's or worker's machine jumps by two hours, and back after the length.
    ClockJump,
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
pub(super) const ALL: [Kind; 38] = [
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
    PostgresBackend,
    PostgresFull,
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
    Silence,
    ClockJump,
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
pub(super) const FEW: [Kind; 9] = [
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

/// Where a fault of a kind may happen.
pub(super) fn place(kind: Kind, shape: Shape, rng: &mut fastrand::Rng) -> Place {
    let all = shape.apis + shape.dispatchers + shape.workers;
    match kind {
        KillApi | FreezeApi => Place::Process(rng.usize(..shape.apis)),
        KillDispatcher | FreezeDispatcher => Place::Process(shape.apis + rng.usize(..shape.dispatchers)),
        KillWorker | FreezeWorker => Place::Process(all - 1 - rng.usize(..shape.workers)),
        FreezeHolding => Place::Process(rng.usize(shape.apis..all)),
        Replace => Place::Process(rng.usize(..all)),
        PostgresCrash | PostgresAway | PostgresHangUp | PostgresBackend | PostgresFull => Place::Postgres,
        RabbitStop | RabbitKill | RabbitWipe | RabbitMemory | RabbitDisk | RabbitHangUp => Place::Rabbit,
        Cut | Stall | Slow | Silence if rng.bool() => Place::Database(rng.usize(..all)),
        Cut | Stall | Slow | Silence => Place::Broker(rng.usize(..all)),
        // One process of a kind has a clock of its own.
        ClockJump => Place::Clock(if rng.bool() { all - 1 } else { shape.apis + shape.dispatchers - 1 }),
        MailDefers | MailStalls | MailTakesAndDrops | MailDrops | MailHangsUp => {
            Place::Mail(rng.usize(..shape.tenants))
        }
        HookFails | HookStalls | HookTakesAndDrops | HookThrottles => Place::Hook(rng.usize(..shape.tenants)),
    }
}

/// How long one lasts.
pub(super) fn length(kind: Kind, rng: &mut fastrand::Rng) -> Duration {
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
        PostgresFull => 2000..8000,
        ClockJump => 5000..20_000,
        RabbitStop | RabbitKill | RabbitMemory | RabbitDisk => 1000..6000,
        MailDefers | MailStalls | MailTakesAndDrops | MailDrops | HookFails | HookStalls
        | HookTakesAndDrops | HookThrottles => 1500..7000,
        Replace | PostgresCrash | PostgresHangUp | PostgresBackend | Silence | RabbitWipe | RabbitHangUp
        | MailHangsUp => 1..2,
    };
    ms(rng.u64(range))
}
