//! Accept: plans, recipients, and what is due now, in one commit. Step 1 of the job protocol (ARCHITECTURE.md).

use std::collections::BTreeMap;

use deadpool_postgres::{Client, GenericClient, Transaction};
use tokio_postgres::types::{Json, ToSql};

use super::Error;
use super::expand::{self, Piece};
use crate::domain::Slot;
use crate::domain::ids::PlanRef;
use crate::domain::pointer::Wake;

pub use super::id_block::IdBlock;

pub use plan::{Idempotency, NewPlan, NewRecipient};

mod at_once;
mod born;
mod careful;
mod plan;

use careful::{one_by_one, sorted_keys};
use plan::{born_published, first_status, is_due};

/// Recipients a plan may have to be expanded while it is accepted: one job per slot.
pub const BORN_PUBLISHED: usize = 1000;

/// Recipients one statement inserts.
const CHUNK: usize = 1000;

/// Columns of a set of rows, as a statement's parameters.
type Columns<'a> = Vec<Box<dyn ToSql + Sync + Send + 'a>>;

const KEYS: &str = include_str!("sql/accept/keys.sql");
const PLAN: &str = include_str!("sql/accept/plan.sql");
const RECIPIENTS: &str = include_str!("sql/accept/recipients.sql");

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
