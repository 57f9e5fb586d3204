//! From a driver's verdict to what is recorded, and the counters that follow the commit.

use std::time::Duration;

use herald_shared::config::Timings;
use herald_shared::db::claim::Claimed;
use herald_shared::db::settle::{Done, LeftOut};
use herald_shared::domain::settle::{Fate, fate, fate_of_exception, outcome_of, outcome_of_exception};
use herald_shared::domain::{Class, Failure, Reason, Verdict};

use crate::Shared;
use crate::capacity::Place;

/// A finished call, before it is recorded.
pub(crate) struct Ended {
    /// Its members.
    pub(crate) nos: Vec<i32>,
    /// What the driver said.
    pub(crate) verdict: Verdict,
    /// Its place among the account's calls, kept until the outcome is recorded.
    pub(crate) permit: Place,
    /// How long a call that was not let through is to wait.
    pub(crate) held_back: Duration,
}

/// What the rules make of a call.
pub(crate) struct Judged {
    /// To be recorded.
    pub(crate) done: Done,
    /// Members that stay with the job, and how long they wait.
    pub(crate) put_back: Option<Duration>,
    /// The account is at fault: why.
    pub(crate) account_fault: Option<String>,
}

/// Applies the rules. `roll` is one number in 0..1 per job, so that its retries stay together in one new job.
pub(crate) fn judge(
    claimed: &Claimed,
    provider: &'static str,
    ended: &Ended,
    timings: &Timings,
    roll: f64,
) -> Judged {
    let (backoff, grace) = (&timings.backoff, timings.unknown_grace);
    let fate = fate(&ended.verdict, claimed.attempt, claimed.on_unknown, backoff, grace, roll);
    let (code, detail, provider_ref) = match &ended.verdict {
        Verdict::Sent { provider_ref, .. } => (None, None, provider_ref.as_deref().map(storable)),
        Verdict::Failed(failure) => (Some(storable(&failure.code)), Some(storable(&failure.detail)), None),
        Verdict::NotStarted => (None, None, None),
    };
    let account_fault = match &ended.verdict {
        Verdict::Failed(failure) if failure.class == Class::Account => {
            Some(storable(format!("{} {}", failure.code, failure.detail).trim()))
        }
        _ => None,
    };
    let done = Done {
        plan_id: claimed.plan.id,
        tenant_id: claimed.tenant_id,
        slot: claimed.slot,
        lane: claimed.lane,
        lo: ended.nos[0],
        number: claimed.attempt,
        incarnation: claimed.incarnation,
        outcome: outcome_of(&ended.verdict),
        code,
        detail,
        provider_ref,
        fate,
        width: ended.nos.len(),
        provider,
        class: class_of(&ended.verdict),
        except: left_out(claimed, ended, timings, roll),
    };
    let put_back = match fate {
        Fate::PutBack(delay) => Some(delay.max(ended.held_back)),
        Fate::Retry(_) | Fate::Final(..) => None,
    };
    Judged { done, put_back, account_fault }
}

/// Whom a sent call left out, each once. What a driver says of others than the call's members is not believed.
fn left_out(claimed: &Claimed, ended: &Ended, timings: &Timings, roll: f64) -> Vec<LeftOut> {
    let Verdict::Sent { except, .. } = &ended.verdict else { return Vec::new() };
    let mut all: Vec<LeftOut> = except
        .iter()
        .filter(|exception| ended.nos.binary_search(&exception.no).is_ok())
        .map(|exception| LeftOut {
            no: exception.no,
            outcome: outcome_of_exception(&exception.failure),
            code: storable(&exception.failure.code),
            detail: storable(&exception.failure.detail),
            fate: fate_of_exception(&exception.failure, claimed.attempt, &timings.backoff, roll),
            class: exception.failure.class,
        })
        .collect();
    all.sort_by_key(|out| out.no);
    all.dedup_by_key(|out| out.no);
    all
}

/// A provider's words as they can be stored: PostgreSQL takes no NUL, and what a provider says must never keep an outcome from
/// being recorded, whichever driver heard it.
fn storable(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).collect()
}

/// A call that could not even be rendered or ran out of time.
pub(crate) fn failed(class: Class, reason: Reason, code: &str, detail: &str) -> Verdict {
    Verdict::Failed(Failure {
        class,
        code: code.to_owned(),
        detail: detail.to_owned(),
        reason,
        retry_after: None,
    })
}

fn class_of(verdict: &Verdict) -> Option<Class> {
    match verdict {
        Verdict::Failed(failure) => Some(failure.class),
        Verdict::Sent { .. } | Verdict::NotStarted => None,
    }
}

/// Moves the counters; called after the commit.
pub(crate) fn count<'a>(shared: &Shared, done: impl Iterator<Item = &'a Done>) {
    for call in done {
        let out = call.except.len();
        count_fate(shared, call, call.fate, call.class, call.width.saturating_sub(out));
        for member in &call.except {
            count_fate(shared, call, member.fate, Some(member.class), 1);
        }
        let outcome = match (call.outcome, call.class) {
            (Some(outcome), _) => outcome.as_str(),
            (None, Some(class)) => class.as_str(),
            (None, None) => continue,
        };
        let labels = [call.slot.channel().as_str(), call.provider, outcome];
        shared.metrics.attempts.with_label_values(&labels).inc();
    }
}

fn count_fate(shared: &Shared, call: &Done, fate: Fate, class: Option<Class>, width: usize) {
    let channel = call.slot.channel().as_str();
    let width = u64::try_from(width).unwrap_or(0);
    match fate {
        Fate::Final(status, _) => {
            let labels = [channel, call.provider, status.as_str()];
            shared.metrics.deliveries.with_label_values(&labels).inc_by(width);
        }
        Fate::Retry(_) | Fate::PutBack(_) => {
            if let Some(class) = class {
                shared.metrics.retries.with_label_values(&[channel, class.as_str()]).inc_by(width);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_words_never_hold_what_the_database_refuses() {
        assert_eq!(storable("250 ok\0 queued\r\n\u{1b}[0m 已收"), "250 ok queued[0m 已收");
    }
}
