//! A plan that is known to be good but has no id yet.

use std::collections::BTreeMap;

use herald_shared::db::accept::{Idempotency, NewPlan, NewRecipient};
use herald_shared::db::drafts::never;
use herald_shared::db::plans::{DeliveryCounts, RecipientCounts, View};
use herald_shared::domain::ids::PlanRef;
use herald_shared::domain::recurrence::Come;
use herald_shared::domain::{Content, Lane, OnUnknown, PlanStatus, Slot, Terms, Tier};
use jiff::Timestamp;
use serde_json::Value;

use crate::views;

/// Method and route template, the scope of an Idempotency-Key.
pub(crate) const ROUTE: &str = "POST /v1/plans";

/// What the body says, validated.
#[derive(Debug)]
pub struct Draft {
    /// Held back until its owner sends it: what the API calls a draft.
    pub held: bool,
    /// Its priority.
    pub lane: Lane,
    /// Its rule for unknown outcomes.
    pub on_unknown: OnUnknown,
    /// Slots of all steps with the account of each.
    pub slots: Vec<(Slot, i64)>,
    /// When to start; `None`: at once.
    pub send_at: Option<Timestamp>,
    /// When to give up.
    pub expires_at: Timestamp,
    /// One line, at most 200 characters.
    pub title: String,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// What it says; it compiles, and everybody has the variables.
    pub content: Content,
    /// Its tiers.
    pub tiers: Vec<Tier>,
    /// Answers a recipient may give.
    pub acknowledgement: Option<Value>,
    /// The caller's own values.
    pub metadata: Option<Value>,
    /// Its rules beyond the common.
    pub terms: Terms,
    /// Quiet hours of its tenant concern it.
    pub quiet: bool,
    /// Recipients merged away.
    pub duplicates: i32,
    /// 1..=10,000 people, each once; nobody yet, perhaps, when held.
    pub recipients: Vec<NewRecipient>,
}

/// A draft and who sent it.
#[derive(Debug)]
pub struct Request {
    /// Internal id of the key.
    pub key_id: i64,
    /// Owner.
    pub tenant_id: i64,
    /// Method and route template: the scope of its Idempotency-Key.
    pub route: &'static str,
    /// Idempotency-Key and the hash of the body.
    pub idempotency: Option<(String, [u8; 32])>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The plan.
    pub draft: Draft,
}

impl Request {
    /// Gives the plan its identity; with it, its Location and the body of the 202.
    pub(crate) fn into_plan(self, id: i64, now: Timestamp) -> (NewPlan, String, String) {
        let created_at = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let mut draft = self.draft;
        if draft.held || draft.terms.approval.is_some() {
            draft.terms.authors.push(self.key_id);
        }
        let view = as_accepted(&draft, PlanRef::new(created_at, id), created_at);
        let location = format!("/v1/plans/{}", view.plan.uuid());
        let body =
            serde_json::to_string(&views::plan(&view)).expect("strings and numbers can be written as JSON");
        let idempotency = self.idempotency.map(|(key, hash)| Idempotency {
            api_key_id: self.key_id,
            route: self.route,
            key,
            hash,
            status: if draft.held { 201 } else { 202 },
            location: location.clone(),
            body: body.clone(),
        });
        let (slots, accounts) = draft.slots.into_iter().unzip();
        let plan = NewPlan {
            id,
            created_at,
            tenant_id: self.tenant_id,
            held: draft.held,
            lane: draft.lane,
            on_unknown: draft.on_unknown,
            slots,
            accounts,
            send_at: draft.send_at,
            expires_at: draft.expires_at,
            title: draft.title,
            reference: draft.reference,
            content: draft.content,
            tiers: draft.tiers,
            acknowledgement: draft.acknowledgement,
            metadata: draft.metadata,
            terms: draft.terms,
            quiet: draft.quiet,
            traceparent: self.traceparent,
            duplicates: draft.duplicates,
            recipients: draft.recipients,
            idempotency,
        };
        (plan, location, body)
    }
}

/// The plan as its sender first sees it: nothing is made of it yet.
fn as_accepted(draft: &Draft, plan: PlanRef, created_at: Timestamp) -> View {
    let due = draft.send_at.is_none_or(|at| at <= created_at);
    let total = i64::try_from(draft.recipients.len()).unwrap_or(i64::MAX);
    View {
        plan,
        created_at,
        epoch: 0,
        status: match (draft.held, due) {
            (true, _) => PlanStatus::Draft,
            _ if draft.terms.approval.is_some() => PlanStatus::AwaitingApproval,
            (false, true) => PlanStatus::Running,
            (false, false) => PlanStatus::Scheduled,
        },
        lane: draft.lane,
        on_unknown: draft.on_unknown,
        send_at: draft.send_at,
        expires_at: Some(draft.expires_at).filter(|at| *at != never()),
        started_at: None,
        finished_at: None,
        binned: None,
        erased_at: None,
        title: draft.title.clone(),
        reference: draft.reference.clone(),
        tiers: draft.tiers.clone(),
        acknowledgement: draft.acknowledgement.clone(),
        answers: BTreeMap::new(),
        metadata: draft.metadata.clone(),
        terms: draft.terms.clone(),
        series: None,
        come: Come::default(),
        supersedes: None,
        superseded_by: None,
        recipients: RecipientCounts {
            total,
            pending: total,
            waiting: total,
            duplicates: draft.duplicates.into(),
            ..RecipientCounts::default()
        },
        deliveries: DeliveryCounts::default(),
    }
}
