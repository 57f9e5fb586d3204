//! The JSON that clients read. Field names and their order follow the HTTP contract.

use std::collections::BTreeMap;

use herald_shared::db::plans::{DeliveryCounts, View};
use herald_shared::domain::approval::Person;
use herald_shared::domain::ids::PlanRef;
use herald_shared::domain::{Content, Lane, OnUnknown, PlanStatus, Terms, Tier};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::routes::mask;

/// A plan.
#[derive(Debug, Serialize)]
pub struct Plan<'a> {
    id: Uuid,
    number: String,
    reference: &'a Option<String>,
    title: &'a str,
    status: PlanStatus,
    priority: Lane,
    on_unknown: OnUnknown,
    created_at: Timestamp,
    send_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binned_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purge_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    erased_at: Option<Timestamp>,
    tiers: &'a [Tier],
    recipients: Recipients,
    answers: BTreeMap<&'a str, i64>,
    deliveries: Deliveries,
    metadata: &'a Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurrences: Option<Occurrences>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<Uuid>,
    #[serde(flatten)]
    terms: Terms,
}

/// How far a pattern has come.
#[derive(Debug, Serialize)]
struct Occurrences {
    started: u32,
    skipped: u32,
    next_at: Option<Timestamp>,
}

/// Disjoint counts that add up to `total`, then counts that overlap with them.
#[derive(Debug, Serialize)]
struct Recipients {
    total: i64,
    pending: i64,
    reached: i64,
    unreachable: i64,
    cancelled: i64,
    unknown: i64,
    waiting: i64,
    read: i64,
    acknowledged: i64,
    duplicates: i64,
}

/// Disjoint counts that add up to `total`.
#[derive(Debug, Serialize)]
struct Deliveries {
    total: i64,
    pending: i64,
    queued: i64,
    sending: i64,
    sent: i64,
    delivered: i64,
    failed: i64,
    unknown: i64,
    suppressed: i64,
    cancelled: i64,
    expired: i64,
}

/// A plan as clients read it.
#[must_use]
pub fn plan(view: &View) -> Plan<'_> {
    let counts = &view.recipients;
    Plan {
        id: view.plan.uuid(),
        number: view.plan.number(),
        reference: &view.reference,
        title: title(view),
        status: view.status,
        priority: view.lane,
        on_unknown: view.on_unknown,
        created_at: view.created_at,
        send_at: view.send_at,
        expires_at: view.expires_at,
        started_at: view.started_at,
        finished_at: view.finished_at,
        binned_at: view.binned.map(|(at, _)| at),
        purge_at: view.binned.map(|(_, until)| until),
        erased_at: view.erased_at,
        tiers: &view.tiers,
        recipients: Recipients {
            total: counts.total,
            pending: counts.pending,
            reached: counts.reached,
            unreachable: counts.unreachable,
            cancelled: counts.cancelled,
            unknown: counts.unknown,
            waiting: counts.waiting,
            read: counts.read,
            acknowledged: counts.acknowledged,
            duplicates: counts.duplicates,
        },
        answers: answers(view.acknowledgement.as_ref(), &view.answers),
        deliveries: deliveries(&view.deliveries),
        metadata: &view.metadata,
        series: view.series.map(|series| series.uuid()),
        occurrences: occurrences(view),
        supersedes: view.supersedes.map(PlanRef::uuid),
        superseded_by: view.superseded_by.map(PlanRef::uuid),
        terms: terms(&view.terms),
    }
}

/// Of a plan that recurs. A series that has ended has no next time.
fn occurrences(view: &View) -> Option<Occurrences> {
    view.terms.recurrence.as_ref()?;
    use PlanStatus as P;
    let lives = matches!(view.status, P::Draft | P::AwaitingApproval | P::Scheduled | P::Running | P::Paused);
    Some(Occurrences {
        started: view.come.started,
        skipped: view.come.skipped,
        next_at: view.send_at.filter(|_| lives),
    })
}

/// Stands for what is nobody else's business.
pub const HIDDEN: &str = "***";

/// A plan's title, unless the plan is sensitive.
#[must_use]
pub fn title(view: &View) -> &str {
    if view.terms.sensitive { HIDDEN } else { &view.title }
}

/// Terms as they are shown: addresses masked, keys left out.
fn terms(terms: &Terms) -> Terms {
    let mut shown = terms.clone();
    shown.authors.clear();
    shown.sender = shown.sender.as_ref().map(person);
    for step in shown.approval.iter_mut().flat_map(|approval| &mut approval.steps) {
        step.approvers = step.approvers.iter().map(person).collect();
    }
    shown
}

/// Somebody who is no recipient, addresses masked.
#[must_use]
pub fn person(person: &Person) -> Person {
    Person {
        name: person.name.clone(),
        email: person.email.as_deref().map(mask),
        phone: person.phone.as_deref().map(mask),
        ids: person.ids.iter().map(|(kind, id)| (kind.clone(), mask(id))).collect(),
    }
}

/// What somebody is called, masked where it is an address.
#[must_use]
pub fn label(name: &str) -> String {
    if name.contains('@') { mask(name) } else { name.to_owned() }
}

/// What a plan is made of, as `PUT /v1/plans/{id}` takes it; its people apart.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    title: &'a str,
    content: &'a Content,
    tiers: &'a [Tier],
    priority: Lane,
    on_unknown: OnUnknown,
    send_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<&'a str>,
    expires_at: Option<Timestamp>,
    acknowledgement: &'a Option<Value>,
    reference: &'a Option<String>,
    metadata: &'a Option<Value>,
    #[serde(flatten)]
    terms: Terms,
}

/// What a plan is made of, as it was given.
#[must_use]
pub fn content<'a>(view: &'a View, content: &'a Content) -> Body<'a> {
    let schedule = view.terms.schedule.as_ref();
    // Of a plan that recurs the rule says when.
    let once = view.send_at.filter(|_| view.terms.recurrence.is_none());
    let send_at =
        once.map(|at| schedule.map_or_else(|| at.to_string(), |schedule| schedule.local.to_string()));
    Body {
        title: &view.title,
        content,
        tiers: &view.tiers,
        priority: view.lane,
        on_unknown: view.on_unknown,
        send_at,
        time_zone: schedule.map(|schedule| schedule.time_zone.as_str()),
        expires_at: view.expires_at.filter(|_| view.terms.expires_after.is_none()),
        acknowledgement: &view.acknowledgement,
        reference: &view.reference,
        metadata: &view.metadata,
        // What Herald itself noted was not given.
        terms: Terms {
            authors: Vec::new(),
            internal: None,
            preview_of: None,
            schedule: None,
            ..view.terms.clone()
        },
    }
}

/// Status and counts of a plan, what changes while it runs.
#[derive(Debug, Serialize)]
pub struct Progress<'a> {
    id: Uuid,
    number: String,
    status: PlanStatus,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    recipients: Recipients,
    answers: BTreeMap<&'a str, i64>,
    deliveries: Deliveries,
}

/// The moving part of [`plan()`].
#[must_use]
pub fn progress(view: &View) -> Progress<'_> {
    let Plan { id, number, status, started_at, finished_at, recipients, answers, deliveries, .. } =
        plan(view);
    Progress { id, number, status, started_at, finished_at, recipients, answers, deliveries }
}

/// Every option a recipient may choose, with how often it was chosen.
fn answers<'a>(acknowledgement: Option<&'a Value>, given: &BTreeMap<String, i64>) -> BTreeMap<&'a str, i64> {
    let Some(offered) = acknowledgement else { return BTreeMap::new() };
    let options = offered["options"].as_array().map(Vec::as_slice).unwrap_or_default();
    let other = offered["other"].as_bool() == Some(true);
    options
        .iter()
        .filter_map(Value::as_str)
        .chain(other.then_some("other"))
        .map(|option| (option, given.get(option).copied().unwrap_or(0)))
        .collect()
}

fn deliveries(counts: &DeliveryCounts) -> Deliveries {
    Deliveries {
        total: counts.total,
        pending: counts.pending,
        queued: counts.queued,
        sending: counts.sending,
        sent: counts.sent,
        delivered: counts.delivered,
        failed: counts.failed,
        unknown: counts.unknown,
        suppressed: counts.suppressed,
        cancelled: counts.cancelled,
        expired: counts.expired,
    }
}
