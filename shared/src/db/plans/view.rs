//! A plan with its counts, as read from a row of `sql/plans/views.sql`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use crate::db::{Error, drafts};
use crate::domain::ids::PlanRef;
use crate::domain::recurrence::Come;
use crate::domain::{Lane, OnUnknown, PlanStatus, Terms, Tier};

/// Deliveries of a plan by status. Disjoint; they add up to `total`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// All that exist.
    pub total: i64,
    /// Not final, in no worker's and no broker's hands.
    pub pending: i64,
    /// Not final, in the broker or claimed.
    pub queued: i64,
    /// Under an open attempt.
    pub sending: i64,
    /// Accepted by the provider.
    pub sent: i64,
    /// Reported as arrived.
    pub delivered: i64,
    /// Failed for good.
    pub failed: i64,
    /// The provider may or may not have accepted them.
    pub unknown: i64,
    /// Never tried, for a known reason.
    pub suppressed: i64,
    /// Withdrawn before they went out.
    pub cancelled: i64,
    /// Not sent before the plan expired.
    pub expired: i64,
}

/// Recipients of a plan by state. Disjoint; they add up to `total`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecipientCounts {
    /// People in the plan.
    pub total: i64,
    /// Nothing final yet.
    pub pending: i64,
    /// At least one delivery `sent` or `delivered`.
    pub reached: i64,
    /// Ended with none.
    pub unreachable: i64,
    /// Recalled, stopped or expired before anything went out.
    pub cancelled: i64,
    /// Ended with nothing better than an unknown outcome.
    pub unknown: i64,
    /// Whose ladder is open; overlaps with the others, like the next two.
    pub waiting: i64,
    /// Have read it.
    pub read: i64,
    /// Have answered.
    pub acknowledged: i64,
    /// Merged into others at acceptance; not part of `total`.
    pub duplicates: i64,
}

/// A plan with its counts.
#[derive(Debug, Clone)]
pub struct View {
    /// Its identity.
    pub plan: PlanRef,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Counts what was done to it: edits and orders, not what became of its deliveries.
    pub epoch: i32,
    /// Where it is in its life.
    pub status: PlanStatus,
    /// Its priority.
    pub lane: Lane,
    /// Its rule for unknown outcomes.
    pub on_unknown: OnUnknown,
    /// When it was to start; `None`: at once.
    pub send_at: Option<Timestamp>,
    /// After this nothing is sent; `None`: a draft that leaves it to its start.
    pub expires_at: Option<Timestamp>,
    /// When its first deliveries were made.
    pub started_at: Option<Timestamp>,
    /// When nothing was open any more.
    pub finished_at: Option<Timestamp>,
    /// When it was put into the bin, and when it will be purged; `None`: it is not there.
    pub binned: Option<(Timestamp, Timestamp)>,
    /// When what it said was erased.
    pub erased_at: Option<Timestamp>,
    /// At most 200 characters.
    pub title: String,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// By which steps it goes out.
    pub tiers: Vec<Tier>,
    /// What recipients may answer with.
    pub acknowledgement: Option<Value>,
    /// How often each answer was given.
    pub answers: BTreeMap<String, i64>,
    /// The caller's own strings.
    pub metadata: Option<Value>,
    /// Its rules beyond the common.
    pub terms: Terms,
    /// Of an occurrence: its pattern.
    pub series: Option<PlanRef>,
    /// Of a pattern: how far it has come.
    pub come: Come,
    /// The recalled plan whose place it takes.
    pub supersedes: Option<PlanRef>,
    /// The plan that takes its place.
    pub superseded_by: Option<PlanRef>,
    /// Its people.
    pub recipients: RecipientCounts,
    /// Its deliveries.
    pub deliveries: DeliveryCounts,
}

pub(super) fn read(row: &Row) -> Result<View, Error> {
    let created_at: Timestamp = row.get("created_at");
    let deliveries = delivery_counts(row);
    let status = PlanStatus::from_code(row.get("status"))?;
    Ok(View {
        plan: PlanRef::new(created_at, row.get("id")),
        created_at,
        epoch: row.get("epoch"),
        status,
        lane: Lane::from_code(row.get("lane"))?,
        on_unknown: OnUnknown::from_code(row.get("on_unknown"))?,
        send_at: row.get("send_at"),
        expires_at: Some(row.get("expires_at")).filter(|at| *at != drafts::never()),
        started_at: row.get("started_at"),
        finished_at: row.get("finished_at"),
        binned: row.get::<_, Option<Timestamp>>("binned_at").zip(row.get("purge_at")),
        erased_at: row.get("erased_at"),
        title: row.get("title"),
        reference: row.get("reference"),
        tiers: row.get::<_, Json<Vec<Tier>>>("tiers").0,
        acknowledgement: row.get("acknowledgement"),
        answers: row
            .get::<_, Option<Json<BTreeMap<String, i64>>>>("answers")
            .map(|Json(map)| map)
            .unwrap_or_default(),
        metadata: row.get("metadata"),
        terms: row.get::<_, Option<Json<Terms>>>("terms").map(|Json(terms)| terms).unwrap_or_default(),
        series: row
            .get::<_, Option<i64>>("series_id")
            .zip(row.get("series_created_at"))
            .map(|(id, at)| PlanRef::new(at, id)),
        come: come(row),
        supersedes: other(row, "supersedes_at", "supersedes"),
        superseded_by: other(row, "superseded_at", "superseded_by"),
        recipients: recipient_counts(row, status, &deliveries),
        deliveries,
    })
}

fn come(row: &Row) -> Come {
    let counts: Option<Vec<i32>> = row.get("come");
    let count = |at: usize| counts.as_ref().and_then(|counts| u32::try_from(counts[at]).ok()).unwrap_or(0);
    Come { started: count(0), skipped: count(1) }
}

/// Another plan, unless it is gone.
fn other(row: &Row, created_at: &str, id: &str) -> Option<PlanRef> {
    let (created_at, id): (Option<Timestamp>, Option<i64>) = (row.get(created_at), row.get(id));
    created_at.zip(id).map(|(at, id)| PlanRef::new(at, id))
}

/// `n_open` splits into pending, queued and sending. Jobs are counted beside the plan's counters in one snapshot; a job
/// half settled may still count what is final, so the parts are cut to fit.
fn delivery_counts(row: &Row) -> DeliveryCounts {
    let count = |name: &str| i64::from(row.get::<_, i32>(name));
    let open = count("n_open");
    let held = row.get::<_, i64>("queued").min(open);
    let sending = row.get::<_, i64>("sending").min(held);
    DeliveryCounts {
        total: count("n_deliveries"),
        pending: open - held,
        queued: held - sending,
        sending,
        sent: count("n_sent"),
        delivered: count("n_delivered"),
        failed: count("n_failed"),
        unknown: count("n_unknown"),
        suppressed: count("n_suppressed"),
        cancelled: count("n_cancelled"),
        expired: count("n_expired"),
    }
}

fn recipient_counts(row: &Row, status: PlanStatus, deliveries: &DeliveryCounts) -> RecipientCounts {
    let total = i64::from(row.get::<_, i32>("n_recipients"));
    // Ended before they were expanded: they will have no delivery.
    let never = if status.is_ended() { total - deliveries.total } else { 0 };
    let count = |name: &str| i64::from(row.get::<_, i32>(name));
    let (duplicates, read, acknowledged) = (count("n_duplicates"), count("n_read"), count("n_acknowledged"));
    let ladder: bool = row.get("ladder");
    let (reached, unreachable, cancelled, unknown) = if !row.get::<_, bool>("kept") {
        (
            deliveries.sent + deliveries.delivered,
            deliveries.failed + deliveries.suppressed,
            deliveries.cancelled + deliveries.expired + never,
            deliveries.unknown,
        )
    } else {
        (row.get("reached"), row.get("unreachable"), row.get("cancelled"), row.get("unknown"))
    };
    let pending = total - reached - unreachable - cancelled - unknown;
    // Without a ladder there is nothing to wait for but the first outcome.
    let waiting = match (ladder && status != PlanStatus::Draft, status.is_ended()) {
        (true, false) => count("n_waiting"),
        (true, true) => 0,
        (false, _) => pending,
    };
    RecipientCounts {
        total,
        pending,
        reached,
        unreachable,
        cancelled,
        unknown,
        waiting,
        read,
        acknowledged,
        duplicates,
    }
}
