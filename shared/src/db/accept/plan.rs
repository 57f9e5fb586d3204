//! What acceptance is given: a validated plan, its people, and the state it is written in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::BORN_PUBLISHED;
use crate::domain::{Content, FirstTiers, Ladder, Lane, OnUnknown, PlanStatus, Slot, Steps, Terms, Tier};

/// A validated plan, ready to be written.
#[derive(Debug, Clone)]
pub struct NewPlan {
    /// From [`IdBlock::plans`](super::IdBlock::plans).
    pub id: i64,
    /// Whole milliseconds: part of the public ids.
    pub created_at: Timestamp,
    /// Owner.
    pub tenant_id: i64,
    /// A draft: nothing of it goes out before it is sent.
    pub held: bool,
    /// Its priority.
    pub lane: Lane,
    /// Its rule for unknown outcomes.
    pub on_unknown: OnUnknown,
    /// Slots of all its steps, in order.
    pub slots: Vec<Slot>,
    /// The account chosen for each slot.
    pub accounts: Vec<i64>,
    /// When to start; `None`: at once.
    pub send_at: Option<Timestamp>,
    /// When to give up.
    pub expires_at: Timestamp,
    /// Title.
    pub title: String,
    /// The caller's name for it.
    pub reference: Option<String>,
    /// What it says.
    pub content: Content,
    /// Its tiers.
    pub tiers: Vec<Tier>,
    /// Answers a recipient may give.
    pub acknowledgement: Option<Value>,
    /// The caller's own values.
    pub metadata: Option<Value>,
    /// Its rules beyond the common.
    pub terms: Terms,
    /// Its tenant has quiet hours, which concern it: what is to wait is found where it is expanded.
    pub quiet: bool,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Recipients merged away.
    pub duplicates: i32,
    /// Everybody, in order; at most 10,000, and nobody only in a draft.
    pub recipients: Vec<NewRecipient>,
    /// The answer to keep, when the request had an Idempotency-Key.
    pub idempotency: Option<Idempotency>,
}

impl NewPlan {
    /// Whether it is to go out by itself: it is no draft and nobody has to agree first.
    pub(super) fn goes_out(&self) -> bool {
        !self.held && self.terms.approval.is_none()
    }

    /// The steps its ladders go through.
    #[must_use]
    pub fn steps(&self) -> Steps {
        Steps::of(&self.tiers, self.lane, self.terms.repeat.unwrap_or(0))
    }

    /// Its ladders; `None`: it has none.
    #[must_use]
    pub fn ladder(&self) -> Option<Ladder> {
        match self.terms.enough {
            // Others' answers end them: whoever is not reached yet has a ladder to end.
            Some(_) => Some(Ladder::of_any(&self.tiers, &self.steps())),
            None => Ladder::of(&self.tiers, &self.steps()),
        }
    }

    /// Which of its steps use their channels one after the other.
    #[must_use]
    pub fn first_tiers(&self) -> FirstTiers {
        FirstTiers::of(&self.tiers, &self.steps())
    }
}

/// A person in a new plan.
#[derive(Debug, Clone, Default)]
pub struct NewRecipient {
    /// The caller's name for the person.
    pub key: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Address kind to address.
    pub addresses: BTreeMap<String, String>,
    /// Address kind to the reason why nothing is sent there.
    pub skips: BTreeMap<String, String>,
    /// Template variables.
    pub variables: Option<Map<String, Value>>,
    /// BCP 47 tag.
    pub locale: Option<String>,
    /// IANA zone.
    pub time_zone: Option<String>,
}

/// An answer to keep under an Idempotency-Key.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// Who asked.
    pub api_key_id: i64,
    /// Method and route template.
    pub route: &'static str,
    /// The header.
    pub key: String,
    /// SHA-256 of the canonical body.
    pub hash: [u8; 32],
    /// Status to repeat.
    pub status: i16,
    /// Location to repeat.
    pub location: String,
    /// Body to repeat.
    pub body: String,
}

/// The status a plan is written with.
pub(super) fn first_status(plan: &NewPlan) -> PlanStatus {
    match (plan.held, is_due(plan)) {
        (true, _) => PlanStatus::Draft,
        (false, _) if !plan.goes_out() => PlanStatus::AwaitingApproval,
        (false, true) => PlanStatus::Running,
        (false, false) => PlanStatus::Scheduled,
    }
}

pub(super) fn is_due(plan: &NewPlan) -> bool {
    plan.goes_out() && plan.send_at.is_none_or(|at| at <= plan.created_at)
}

pub(super) fn born_published(plan: &NewPlan) -> bool {
    is_due(plan) && !plan.quiet && plan.recipients.len() <= BORN_PUBLISHED
}
