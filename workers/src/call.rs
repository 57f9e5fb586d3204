//! One provider call: the driver's work with the worker's clock around it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_channels::{Call, Target};
use herald_shared::db::claim::Member;
use herald_shared::domain::{Class, Lane, Reason, Slot, Verdict};

use crate::Shared;
use crate::accounts::Open;
use crate::gate::CallGate;
use crate::outcome::{Ended, failed};
use crate::permits::Permit;

/// A call with what is measured about it.
pub(crate) struct Prepared {
    /// Its members.
    pub(crate) nos: Vec<i32>,
    /// What to send, or what it comes to without a call.
    pub(crate) call: Result<Call, Verdict>,
    /// Its lane.
    pub(crate) lane: Lane,
    /// Its plan, step and channel.
    pub(crate) plan: (i64, Slot),
    /// Since when it was due, on the first attempt.
    pub(crate) first: Option<jiff::Timestamp>,
    /// Until when its recipients may be called.
    pub(crate) leave: Option<Instant>,
}

/// Makes one call. The permit goes along until its outcome is recorded.
pub(crate) async fn make(
    shared: Arc<Shared>,
    account: Arc<Open>,
    prepared: Prepared,
    permit: Permit,
) -> Ended {
    let Permit { call: permit, place } = permit;
    let Prepared { nos, call, lane, plan, first, leave } = prepared;
    let call = match call {
        Ok(call) => call,
        Err(verdict) => return Ended { nos, verdict, permit, held_back: Duration::ZERO },
    };
    let spec = account.spec;
    if let Some(due) = first {
        let waited = herald_shared::clock::now().duration_since(due).as_secs_f64().max(0.0);
        shared
            .metrics
            .accept_to_send
            .with_label_values(&[spec.channel.as_str(), lane.as_str()])
            .observe(waited);
    }
    let started = Instant::now();
    // Drivers keep their deadline themselves; this is the bound on a defect in one.
    let limit = spec.deadline + Duration::from_secs(5);
    let gate = CallGate::new(shared.clone(), account.clone(), (lane, Some(plan), &nos), leave, place);
    let verdict = tokio::time::timeout(limit, account.driver.send(&call, &gate)).await;
    let took = gate.since_entered().unwrap_or_else(|| started.elapsed());
    let seconds = started.elapsed().as_secs_f64();
    shared
        .metrics
        .attempt_seconds
        .with_label_values(&[spec.channel.as_str(), spec.provider])
        .observe(seconds);
    let verdict = verdict.unwrap_or_else(|_| {
        failed(Class::Unknown, Reason::Timeout, "timeout", "the call did not end within its deadline")
    });
    account.tally.add(spec, &verdict, took);
    Ended { nos, verdict, permit, held_back: gate.wait() }
}

/// The message cannot be rendered.
pub(crate) fn unrenderable(problem: &str) -> Verdict {
    failed(Class::PermanentRequest, Reason::Rejected, "template", problem)
}

/// The recipient wants no more of it.
pub(crate) fn unsubscribed() -> Verdict {
    let detail = "the address has unsubscribed: nothing was sent";
    failed(Class::PermanentRecipient, Reason::Unsubscribed, "unsubscribed", detail)
}

pub(crate) fn target(member: Member) -> Target {
    let Member { no, key, name, address, variables, barred: _ } = member;
    Target { no, key, name, address, variables }
}
