//! What a plan that is due and small starts with: its deliveries and its jobs. The same rule as sql/expand/write.sql, which
//! expands the others; a system test compares the two.

use super::{NewPlan, NewRecipient};
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

/// Deliveries and jobs of tier 1 of `plan`, the sendable ones in jobs of a channel's size: one delivery per recipient and slot, or, where
/// a tier goes from channel to channel, those up to the first on which the recipient can be reached.
pub(super) fn rows(plan: &NewPlan) -> (Vec<Delivery<'_>>, Vec<Job>) {
    let first = plan.first_tiers();
    let openings: Vec<Slot> = first.openings(&plan.slots).collect();
    let mut deliveries = Vec::with_capacity(plan.recipients.len() * openings.len());
    let mut jobs = Jobs { plan, last: vec![None; plan.slots.len()], made: Vec::new() };
    for (no, person) in (1i32..).zip(&plan.recipients) {
        for &opening in &openings {
            let mut next = Some(opening);
            while let Some(slot) = next {
                let kind = slot.channel().address_kind();
                let reason = match person.skips.get(kind) {
                    Some(reason) => Some(reason.as_str()),
                    None if person.addresses.contains_key(kind) => None,
                    None => Some("no_address"),
                };
                let status =
                    if reason.is_some() { DeliveryStatus::Suppressed } else { DeliveryStatus::Pending };
                deliveries.push(Delivery { plan_id: plan.id, slot, no, status, reason });
                if reason.is_none() {
                    jobs.add(slot, no);
                }
                next = first.next(&plan.slots, slot, status);
            }
        }
    }
    (deliveries, jobs.made)
}

/// How many deliveries `plan` is counted with when it is written, all of them pending; 0: the schema counts them, by an update
/// of the row that was just written.
pub(super) fn counted(plan: &NewPlan) -> i32 {
    let [slot] = plan.slots[..] else { return 0 };
    if plan.ladder().is_some() {
        return 0;
    }
    let kind = slot.channel().address_kind();
    let reachable =
        |person: &NewRecipient| person.addresses.contains_key(kind) && !person.skips.contains_key(kind);
    if super::born_published(plan) && plan.recipients.iter().all(reachable) {
        i32::try_from(plan.recipients.len()).unwrap_or(0)
    } else {
        0
    }
}

/// The jobs of a plan while recipients are added in order.
struct Jobs<'a> {
    plan: &'a NewPlan,
    /// The last job of each slot: where it is in `made`.
    last: Vec<Option<usize>>,
    made: Vec<Job>,
}

impl Jobs<'_> {
    fn add(&mut self, slot: Slot, no: i32) {
        let place = self.plan.slots.iter().position(|own| *own == slot).expect("the slot is the plan's");
        let batch = |no: i32| (no - 1) / slot.channel().job_units();
        let job = match self.last[place].filter(|&at| batch(self.made[at].lo) == batch(no)) {
            Some(at) => &mut self.made[at],
            None => {
                self.last[place] = Some(self.made.len());
                self.made.push(Job {
                    plan_id: self.plan.id,
                    tenant_id: self.plan.tenant_id,
                    slot,
                    lane: self.plan.lane.code(),
                    account: self.plan.accounts[place],
                    units: 0,
                    lo: no,
                    hi: no,
                });
                self.made.last_mut().expect("pushed above")
            }
        };
        (job.hi, job.units) = (no, job.units + 1);
    }
}
