//! What a verdict makes of a delivery. Pure; `db::settle` writes it.

use std::time::Duration;

use super::backoff::{Backoff, Next};
use super::outcome::Outcome;
use super::{Class, DeliveryStatus, Failure, OnUnknown, Reason, Verdict};

/// The fate of the deliveries of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Final with this status (and reason, where the status needs one).
    Final(DeliveryStatus, Option<Reason>),
    /// Pending at the next attempt, due after the delay.
    Retry(Duration),
    /// Pending at the same attempt, due after the delay; the call is forgotten.
    PutBack(Duration),
}

/// The outcome to store with the attempt; `None` when the call is forgotten.
#[must_use]
pub fn outcome_of(verdict: &Verdict) -> Option<Outcome> {
    match verdict {
        Verdict::Sent { .. } => Some(Outcome::Sent),
        Verdict::NotStarted => None,
        Verdict::Failed(failure) => match failure.class {
            Class::Transient => Some(Outcome::Transient),
            Class::RateLimited => None,
            Class::PermanentRecipient | Class::PermanentRequest => Some(Outcome::Permanent),
            Class::Account => None,
            Class::Unknown => Some(Outcome::Unknown),
        },
    }
}

/// Decides what follows `verdict` on attempt number `attempt`.
///
/// - `grace`: how long a resend after an unknown outcome waits, so that late truth can still arrive.
/// - `roll`: a random number in 0..1.
/// - `ask` behaves as `hold` until a provider can be asked.
#[must_use]
pub fn fate(
    verdict: &Verdict,
    attempt: i16,
    on_unknown: OnUnknown,
    backoff: &Backoff,
    grace: Duration,
    roll: f64,
) -> Fate {
    let failure = match verdict {
        Verdict::Sent { .. } => return Fate::Final(DeliveryStatus::Sent, None),
        Verdict::NotStarted => return Fate::PutBack(Duration::ZERO),
        Verdict::Failed(failure) => failure,
    };
    if failure.class == Class::Unknown {
        return after_unknown(attempt, on_unknown, backoff, grace);
    }
    match backoff.after(failure.class, attempt, failure.retry_after, roll) {
        Next::Retry(delay) => Fate::Retry(delay),
        Next::PutBack(delay) => Fate::PutBack(delay),
        Next::GiveUp if failure.class == Class::Transient => {
            Fate::Final(DeliveryStatus::Failed, Some(Reason::Exhausted))
        }
        // Nobody was called: the address is not in the mailing any more.
        Next::GiveUp if failure.reason == Reason::Unsubscribed => {
            Fate::Final(DeliveryStatus::Suppressed, Some(failure.reason))
        }
        Next::GiveUp => Fate::Final(DeliveryStatus::Failed, Some(failure.reason)),
    }
}

/// Decides what follows for one member that a sent batch left out. The call itself was made and is on record, so nothing is
/// put back: whoever may be tried again is, as a new attempt, as often as attempts allow.
#[must_use]
pub fn fate_of_exception(failure: &Failure, attempt: i16, backoff: &Backoff, roll: f64) -> Fate {
    let exhausted = Fate::Final(DeliveryStatus::Failed, Some(Reason::Exhausted));
    match backoff.after(failure.class, attempt, failure.retry_after, roll) {
        Next::Retry(delay) => Fate::Retry(delay),
        Next::PutBack(delay) if attempt < backoff.max_attempts => Fate::Retry(delay),
        Next::PutBack(_) => exhausted,
        Next::GiveUp if failure.class == Class::Transient => exhausted,
        Next::GiveUp => Fate::Final(DeliveryStatus::Failed, Some(failure.reason)),
    }
}

/// The outcome to store for a member that a sent batch left out: always one, since the call is on record.
#[must_use]
pub const fn outcome_of_exception(failure: &Failure) -> Outcome {
    match failure.class {
        Class::Transient | Class::RateLimited | Class::Account => Outcome::Transient,
        Class::PermanentRecipient | Class::PermanentRequest => Outcome::Permanent,
        Class::Unknown => Outcome::Unknown,
    }
}

/// Decides what follows an unknown outcome: also what reclaim does with the calls of a dead worker.
#[must_use]
pub fn after_unknown(attempt: i16, on_unknown: OnUnknown, backoff: &Backoff, grace: Duration) -> Fate {
    match on_unknown {
        OnUnknown::Resend if attempt < backoff.max_attempts => Fate::Retry(grace),
        OnUnknown::Resend | OnUnknown::Hold | OnUnknown::Ask => Fate::Final(DeliveryStatus::Unknown, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(class: Class) -> Failure {
        Failure {
            class,
            code: "550 5.1.1".into(),
            detail: "no such user".into(),
            reason: Reason::InvalidAddress,
            retry_after: None,
        }
    }

    fn failed(class: Class) -> Verdict {
        Verdict::Failed(failure(class))
    }

    #[test]
    fn who_was_left_out_of_a_sent_call_is_never_put_back() {
        let rule = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(9), max_attempts: 2 };
        let exhausted = Fate::Final(DeliveryStatus::Failed, Some(Reason::Exhausted));
        let invalid = Fate::Final(DeliveryStatus::Failed, Some(Reason::InvalidAddress));
        let cases = [
            (Class::PermanentRecipient, 1, invalid),
            (Class::Transient, 1, Fate::Retry(Duration::from_secs(1))),
            (Class::Transient, 2, exhausted),
            (Class::RateLimited, 1, Fate::Retry(Duration::from_millis(1200))),
            (Class::RateLimited, 2, exhausted),
        ];
        for (class, attempt, expected) in cases {
            assert_eq!(
                fate_of_exception(&failure(class), attempt, &rule, 1.0),
                expected,
                "{class:?} {attempt}"
            );
        }
    }

    #[test]
    fn every_verdict_has_one_fate() {
        let rule = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(9), max_attempts: 2 };
        let grace = Duration::from_secs(10);
        let unknown = Fate::Final(DeliveryStatus::Unknown, None);
        let cases = [
            (Verdict::sent(None), 1, OnUnknown::Resend, Fate::Final(DeliveryStatus::Sent, None)),
            (Verdict::NotStarted, 1, OnUnknown::Resend, Fate::PutBack(Duration::ZERO)),
            (failed(Class::Transient), 1, OnUnknown::Resend, Fate::Retry(Duration::from_secs(1))),
            (
                failed(Class::Transient),
                2,
                OnUnknown::Resend,
                Fate::Final(DeliveryStatus::Failed, Some(Reason::Exhausted)),
            ),
            (
                failed(Class::PermanentRecipient),
                1,
                OnUnknown::Hold,
                Fate::Final(DeliveryStatus::Failed, Some(Reason::InvalidAddress)),
            ),
            (failed(Class::Account), 2, OnUnknown::Hold, Fate::PutBack(Duration::from_millis(1200))),
            (failed(Class::Unknown), 1, OnUnknown::Resend, Fate::Retry(grace)),
            (failed(Class::Unknown), 2, OnUnknown::Resend, unknown),
            (failed(Class::Unknown), 1, OnUnknown::Hold, unknown),
            (failed(Class::Unknown), 1, OnUnknown::Ask, unknown),
        ];
        for (verdict, attempt, on_unknown, expected) in cases {
            assert_eq!(
                fate(&verdict, attempt, on_unknown, &rule, grace, 1.0),
                expected,
                "{verdict:?} {attempt}"
            );
        }
    }
}
