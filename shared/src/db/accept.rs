//! Accept: plans, recipients, and what is due now, in one commit. Step 1 of the job protocol (ARCHITECTURE.md).

use std::collections::BTreeMap;

use deadpool_postgres::{Client, GenericClient, Transaction};
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_postgres::types::{Json, ToSql};

use super::Error;
use super::expand::{self, Piece};
use crate::domain::ids::PlanRef;
use crate::domain::pointer::Wake;
use crate::domain::{Content, FirstTiers, Ladder, Lane, OnUnknown, PlanStatus, Slot, Steps, Terms, Tier};

pub use super::id_block::IdBlock;

mod at_once;
mod born;

/// Recipients a plan may have to be expanded while it is accepted: one job per slot.
pub const BORN_PUBLISHED: usize = 1000;

/// Recipients one statement inserts.
const CHUNK: usize = 1000;

/// Columns of a set of rows, as a statement's parameters.
type Columns<'a> = Vec<Box<dyn ToSql + Sync + Send + 'a>>;

const KEYS: &str = include_str!("sql/accept/keys.sql");
const PLAN: &str = include_str!("sql/accept/plan.sql");
const RECIPIENTS: &str = include_str!("sql/accept/recipients.sql");

/// A validated plan, ready to be written.
#[derive(Debug, Clone)]
pub struct NewPlan {
    /// From [`IdBlock::plans`].
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
    fn goes_out(&self) -> bool {
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

/// A kept answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// Status.
    pub status: i16,
    /// Location.
    pub location: Option<String>,
    /// Body.
    pub body: String,
}

/// What became of one plan.
#[derive(Debug)]
pub enum Accepted {
    /// It is committed; hand the wakes to the dispatcher.
    Created {
        /// Jobs born published.
        wakes: Vec<Wake>,
    },
    /// The same request was answered before.
    Replayed(StoredAnswer),
    /// The key was used for another body.
    KeyReused,
    /// The reference names an older plan.
    ReferenceTaken(PlanRef),
}

/// Writes a batch of plans in one transaction of its own and commits it, synced.
///
/// - Shape: one answer per plan, in order. Plans may share keys or references: the first wins.
/// - Plans that are due and have at most [`BORN_PUBLISHED`] recipients are expanded here and their jobs are born
///   published; the others get an expand job.
/// - Repeatable: with an Idempotency-Key a repetition after a lost answer returns the first one.
///
/// # Errors
/// [`Error`]; nothing is written. One bad plan fails the batch: try its members one by one.
pub async fn accept(client: &mut Client, plans: &[NewPlan]) -> Result<Vec<Accepted>, Error> {
    let small = plans.iter().map(|plan| plan.recipients.len()).sum::<usize>() <= CHUNK;
    if small {
        match at_once::write(client, plans).await {
            // A key or a reference is taken.
            Err(error) if error.constraint().is_some() => {}
            result => return result,
        }
    }
    one_by_one(client, plans).await
}

/// Writes one plan that is known to be new into the caller's transaction. After its commit hand the wakes to the dispatcher.
///
/// # Errors
/// [`Error`] of the database.
pub async fn within(db: &Transaction<'_>, plan: NewPlan) -> Result<Vec<Wake>, Error> {
    let (id, plans) = (plan.id, [plan]);
    insert_plans(db, &plans, &[0]).await?;
    insert_recipients(db, &plans, &[0]).await?;
    Ok(start(db, &plans, &[0]).await?.remove(&id).unwrap_or_default())
}

/// Writes a draft in the caller's transaction, which is not to be committed: to look at what it would be. `false`: its reference is taken.
///
/// # Errors
/// [`Error`] of the database.
pub async fn rehearse(db: &Transaction<'_>, plan: &NewPlan) -> Result<bool, Error> {
    let statement = db.prepare_cached(PLAN).await?;
    if insert_plan(db, &statement, plan).await?.is_none() {
        return Ok(false);
    }
    insert_recipients(db, std::slice::from_ref(plan), &[0]).await?;
    Ok(true)
}

/// The careful case: what lost its key or reference is answered, the rest is written.
async fn one_by_one(client: &mut Client, plans: &[NewPlan]) -> Result<Vec<Accepted>, Error> {
    let transaction = client.transaction().await?;
    let won = take_keys(&transaction, plans).await?;
    let mut answers: Vec<Option<Accepted>> = plans.iter().map(|_| None).collect();
    let lost = |i: &usize| plans[*i].idempotency.is_some() && !won.contains(&plans[*i].id);
    let (losers, fresh): (Vec<usize>, Vec<usize>) = (0..plans.len()).partition(lost);
    let written = insert_plans(&transaction, plans, &fresh).await?;
    let (fresh, taken): (Vec<usize>, Vec<usize>) =
        fresh.into_iter().partition(|&i| written.contains(&plans[i].id));
    for i in taken {
        answers[i] = Some(reference_taken(&transaction, &plans[i]).await?);
    }
    // After the references: the winner of a key in this very batch may have been refused, and its key freed.
    for i in losers {
        let kept = stored(&transaction, &plans[i]).await?;
        answers[i] = Some(match kept {
            Some(answer) => answer,
            None => reference_taken(&transaction, &plans[i]).await?,
        });
    }
    insert_recipients(&transaction, plans, &fresh).await?;
    let mut wakes = start(&transaction, plans, &fresh).await?;
    transaction.commit().await?;
    for i in fresh {
        answers[i] = Some(Accepted::Created { wakes: wakes.remove(&plans[i].id).unwrap_or_default() });
    }
    Ok(answers.into_iter().map(|answer| answer.expect("each plan was written or answered")).collect())
}

/// The idempotency keys in key order, with their plans: two batches with the same keys must not wait for each other.
fn sorted_keys(plans: &[NewPlan]) -> Vec<(i64, &Idempotency)> {
    let mut keyed: Vec<(i64, &Idempotency)> =
        plans.iter().filter_map(|plan| Some((plan.id, plan.idempotency.as_ref()?))).collect();
    keyed.sort_by(|(_, a), (_, b)| (a.api_key_id, a.route, &a.key).cmp(&(b.api_key_id, b.route, &b.key)));
    keyed
}

/// Takes the idempotency keys; returns the ids of the plans that won theirs.
async fn take_keys(db: &Transaction<'_>, plans: &[NewPlan]) -> Result<Vec<i64>, Error> {
    let keyed = sorted_keys(plans);
    if keyed.is_empty() {
        return Ok(Vec::new());
    }
    let column = |get: fn(&Idempotency) -> &str| keyed.iter().map(|(_, k)| get(k)).collect::<Vec<_>>();
    let ids: Vec<i64> = keyed.iter().map(|(_, k)| k.api_key_id).collect();
    let hashes: Vec<&[u8]> = keyed.iter().map(|(_, k)| &k.hash[..]).collect();
    let statuses: Vec<i16> = keyed.iter().map(|(_, k)| k.status).collect();
    let plan_ids: Vec<i64> = keyed.iter().map(|&(id, _)| id).collect();
    let insert = db.prepare_cached(KEYS).await?;
    let (routes, names) = (column(|k| k.route), column(|k| &k.key));
    let (locations, bodies) = (column(|k| &k.location), column(|k| &k.body));
    let rows = db
        .query(&insert, &[&ids, &routes, &names, &hashes, &statuses, &locations, &bodies, &plan_ids])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Reads the answer another request left, in a statement of its own so that it is visible.
async fn stored(db: &Transaction<'_>, plan: &NewPlan) -> Result<Option<Accepted>, Error> {
    let Some(key) = &plan.idempotency else { return Ok(None) };
    let statement = db.prepare_cached(include_str!("sql/accept/stored.sql")).await?;
    let Some(row) = db.query_opt(&statement, &[&key.api_key_id, &key.route, &key.key]).await? else {
        return Ok(None);
    };
    if row.get::<_, &[u8]>(0) != key.hash {
        return Ok(Some(Accepted::KeyReused));
    }
    let (status, location, body) = (row.get(1), row.get(2), row.get(3));
    Ok(Some(Accepted::Replayed(StoredAnswer { status, location, body })))
}

async fn insert_plans(db: &Transaction<'_>, plans: &[NewPlan], fresh: &[usize]) -> Result<Vec<i64>, Error> {
    let statement = db.prepare_cached(PLAN).await?;
    let mut written = Vec::with_capacity(fresh.len());
    // One statement a plan, sent without waiting for the one before: wide rows gain nothing from unnest.
    let inserts = fresh.iter().map(|&i| insert_plan(db, &statement, &plans[i]));
    for row in futures_util::future::join_all(inserts).await {
        written.extend(row?);
    }
    Ok(written)
}

async fn insert_plan(
    db: &Transaction<'_>,
    statement: &tokio_postgres::Statement,
    plan: &NewPlan,
) -> Result<Option<i64>, Error> {
    let slots: Vec<i16> = plan.slots.iter().map(|slot| slot.code()).collect();
    let now = is_due(plan);
    let status = first_status(plan);
    let expanded = born_published(plan);
    let count = i32::try_from(plan.recipients.len()).unwrap_or(i32::MAX);
    let (untils, waits) = plan.ladder().map(|ladder| (ladder.untils, ladder.waits)).unzip();
    let row = db
        .query_opt(
            statement,
            &[
                &plan.id,
                &plan.created_at,
                &plan.tenant_id,
                &status.code(),
                &plan.lane.code(),
                &plan.on_unknown.code(),
                &slots,
                &expanded,
                &plan.send_at,
                &plan.expires_at,
                &now,
                &count,
                &plan.duplicates,
                &plan.title,
                &plan.reference,
                &Json(&plan.content),
                &Json(&plan.tiers),
                &plan.acknowledgement,
                &plan.metadata,
                &plan.traceparent,
                &plan.first_tiers().codes(),
                &untils,
                &waits,
                &plan.terms.stored().map(Json),
                &plan.steps().codes(),
            ],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

async fn reference_taken(db: &Transaction<'_>, plan: &NewPlan) -> Result<Accepted, Error> {
    if let Some(key) = &plan.idempotency {
        // Only 2xx answers are kept.
        let statement = db.prepare_cached(include_str!("sql/accept/forget_key.sql")).await?;
        db.execute(&statement, &[&key.api_key_id, &key.route, &key.key]).await?;
    }
    let statement =
        db.prepare_cached("SELECT created_at, id FROM plan WHERE tenant_id = $1 AND reference = $2").await?;
    let row = db.query_one(&statement, &[&plan.tenant_id, &plan.reference]).await?;
    Ok(Accepted::ReferenceTaken(PlanRef::new(row.get(0), row.get(1))))
}

async fn insert_recipients(db: &Transaction<'_>, plans: &[NewPlan], fresh: &[usize]) -> Result<(), Error> {
    let all: Vec<(i64, i32, &NewRecipient)> = fresh
        .iter()
        .flat_map(|&i| {
            (1..).zip(&plans[i].recipients).map(move |(no, recipient)| (plans[i].id, no, recipient))
        })
        .collect();
    for chunk in all.chunks(CHUNK) {
        insert_rows(db, chunk).await?;
    }
    Ok(())
}

/// Writes people at their positions in their plans, at most a thousand.
pub(super) async fn insert_rows(
    db: &Transaction<'_>,
    chunk: &[(i64, i32, &NewRecipient)],
) -> Result<(), Error> {
    let statement = db.prepare_cached(RECIPIENTS).await?;
    let columns = recipient_columns(chunk);
    let parameters: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| &**column as _).collect();
    db.execute(&statement, &parameters).await?;
    Ok(())
}

/// The columns of table recipient: plan, no, and what is known of the person.
fn recipient_columns<'a>(rows: &[(i64, i32, &'a NewRecipient)]) -> Columns<'a> {
    let column = |get: fn(&NewRecipient) -> Option<&String>| -> Box<dyn ToSql + Sync + Send + 'a> {
        Box::new(rows.iter().map(|row| get(row.2)).collect::<Vec<Option<&'a String>>>())
    };
    vec![
        Box::new(rows.iter().map(|row| row.0).collect::<Vec<i64>>()),
        Box::new(rows.iter().map(|row| row.1).collect::<Vec<i32>>()),
        column(|r| r.key.as_ref()),
        column(|r| r.name.as_ref()),
        Box::new(rows.iter().map(|row| Json(&row.2.addresses)).collect::<Vec<_>>()),
        Box::new(
            rows.iter()
                .map(|row| (!row.2.skips.is_empty()).then_some(Json(&row.2.skips)))
                .collect::<Vec<_>>(),
        ),
        Box::new(rows.iter().map(|row| row.2.variables.as_ref().map(Json)).collect::<Vec<_>>()),
        column(|r| r.locale.as_ref()),
        column(|r| r.time_zone.as_ref()),
    ]
}

/// Expands what is due and small; leaves an expand job for the rest.
async fn start(
    db: &Transaction<'_>,
    plans: &[NewPlan],
    fresh: &[usize],
) -> Result<BTreeMap<i64, Vec<Wake>>, Error> {
    let (born, later): (Vec<&NewPlan>, Vec<&NewPlan>) = fresh
        .iter()
        .map(|&i| &plans[i])
        .filter(|plan| plan.goes_out())
        .partition(|plan| born_published(plan));
    for plan in later {
        expand::schedule(db, plan).await?;
    }
    let mut pieces = Vec::new();
    for plan in born {
        let hi = i32::try_from(plan.recipients.len()).unwrap_or(i32::MAX);
        let openings: Vec<Slot> = plan.first_tiers().openings(&plan.slots).collect();
        let all = plan.slots.iter().zip(&plan.accounts);
        for (&slot, &account) in all.filter(|(slot, _)| openings.contains(slot)) {
            let (plan_id, tenant_id, lane) = (plan.id, plan.tenant_id, plan.lane);
            pieces.push(Piece { plan_id, tenant_id, slot, lane, account: Some(account), lo: 1, hi });
        }
    }
    let mut wakes: BTreeMap<i64, Vec<Wake>> = BTreeMap::new();
    for (plan_id, wake) in expand::write(db, &pieces, true).await? {
        wakes.entry(plan_id).or_default().push(wake);
    }
    Ok(wakes)
}

/// The status a plan is written with.
fn first_status(plan: &NewPlan) -> PlanStatus {
    match (plan.held, is_due(plan)) {
        (true, _) => PlanStatus::Draft,
        (false, _) if !plan.goes_out() => PlanStatus::AwaitingApproval,
        (false, true) => PlanStatus::Running,
        (false, false) => PlanStatus::Scheduled,
    }
}

fn is_due(plan: &NewPlan) -> bool {
    plan.goes_out() && plan.send_at.is_none_or(|at| at <= plan.created_at)
}

fn born_published(plan: &NewPlan) -> bool {
    is_due(plan) && !plan.quiet && plan.recipients.len() <= BORN_PUBLISHED
}
