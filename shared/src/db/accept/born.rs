//! What a plan that is due and small starts with: its deliveries and its jobs. The same rule as sql/expand/write.sql, which
//! expands the others; a system test compares the two.

use super::NewPlan;
use crate::domain::{DeliveryStatus, Slot};

/// A delivery to write.
pub(super) struct Delivery<'a> {
    pub(super) plan_id: i64,
    pub(super) slot: Slot,
    pub(super) no: i32,
    pub(super) status: DeliveryStatus,
    pub(super) reason: Option<&'a str>,
}

/// A job to write, born published.
pub(super) struct Job {
    pub(super) plan_id: i64,
    pub(super) tenant_id: i64,
    pub(super) slot: Slot,
    pub(super) lane: i16,
    pub(super) account: i64,
    pub(super) units: i32,
    pub(super) lo: i32,
    pub(super) hi: i32,
}

/// Deliveries and jobs of `plan`: one delivery per recipient and slot, the sendable ones in jobs of a channel's size.
pub(super) fn rows(plan: &NewPlan) -> (Vec<Delivery<'_>>, Vec<Job>) {
    let mut deliveries = Vec::with_capacity(plan.recipients.len() * plan.slots.len());
    let mut jobs: Vec<Job> = Vec::new();
    for (&slot, &account) in plan.slots.iter().zip(&plan.accounts) {
        let (kind, size) = (slot.channel().address_kind(), slot.channel().job_units());
        let mut batch = None;
        for (no, person) in (1i32..).zip(&plan.recipients) {
            let reason = match person.skips.get(kind) {
                Some(reason) => Some(reason.as_str()),
                None if person.addresses.contains_key(kind) => None,
                None => Some("no_address"),
            };
            let status = if reason.is_some() { DeliveryStatus::Suppressed } else { DeliveryStatus::Pending };
            deliveries.push(Delivery { plan_id: plan.id, slot, no, status, reason });
            if reason.is_some() {
                continue;
            }
            let this = (no - 1) / size;
            if batch != Some(this) {
                batch = Some(this);
                jobs.push(Job {
                    plan_id: plan.id,
                    tenant_id: plan.tenant_id,
                    slot,
                    lane: plan.lane.code(),
                    account,
                    units: 0,
                    lo: no,
                    hi: no,
                });
            }
            let job = jobs.last_mut().expect("pushed above");
            (job.hi, job.units) = (no, job.units + 1);
        }
    }
    (deliveries, jobs)
}
