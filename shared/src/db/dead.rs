//! Dead letters: deliveries that failed for good, and sending them again.
//!
//! There is no index on failed deliveries: it would end HOT updates of the hottest table. Plans know whether they have any;
//! within a plan they are found along the primary key, a bounded number of rows at a time.

use std::collections::BTreeMap;

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Error;
use super::deliveries::Place;
use super::resolve::{again, reopen};
use crate::domain::ids::PlanRef;
use crate::domain::{DeliveryStatus, Reason, Slot, Steps};

/// Which dead letters are wanted; conditions combine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Failed for this reason.
    pub reason: Option<Reason>,
    /// Last tried over this account (public id).
    pub account: Option<Uuid>,
    /// Failed after this.
    pub after: Option<Timestamp>,
    /// Failed before this.
    pub before: Option<Timestamp>,
}

/// A plan with failed deliveries.
#[derive(Debug, Clone)]
pub struct DeadPlan {
    /// Its identity.
    pub plan: PlanRef,
    /// Its slots, in order of code.
    pub slots: Vec<Slot>,
    /// Which tier and round its steps are.
    pub steps: Steps,
}

/// A delivery that failed for good.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The recipient's position in the plan.
    pub no: i32,
    /// Why.
    pub reason: Option<String>,
    /// The attempt it is at.
    pub attempts: i16,
    /// Public id of the account of the last attempt.
    pub account: Option<Uuid>,
    /// The provider's code of the last attempt.
    pub code: Option<String>,
    /// The provider's words of the last attempt.
    pub detail: Option<String>,
    /// When it failed.
    pub failed_at: Timestamp,
}

/// Plans with failed deliveries up to id `from`, newest first; only `plan` if given.
///
/// # Errors
/// [`Error`] of the database.
pub async fn plans(
    client: &impl GenericClient,
    tenant_id: i64,
    from: i64,
    plan: Option<i64>,
    limit: i64,
) -> Result<Vec<DeadPlan>, Error> {
    let statement = client.prepare_cached(include_str!("sql/dead/plans.sql")).await?;
    let rows = client.query(&statement, &[&tenant_id, &from, &plan, &limit]).await?;
    rows.iter().map(read_plan).collect()
}

/// Failed deliveries of one slot after recipient `after`, at most `limit`, out of at most `scan` rows read.
///
/// # Errors
/// [`Error`] of the database.
pub async fn page(
    client: &impl GenericClient,
    place: Place,
    after: i32,
    filter: &Filter,
    (scan, limit): (i64, i64),
) -> Result<Vec<DeadLetter>, Error> {
    let statement = client.prepare_cached(include_str!("sql/dead/page.sql")).await?;
    let (slot, reason) = (place.slot.code(), filter.reason.map(Reason::as_str));
    let rows = client
        .query(
            &statement,
            &[
                &place.tenant_id,
                &place.plan_id,
                &slot,
                &after,
                &scan,
                &limit,
                &reason,
                &filter.account,
                &filter.after,
                &filter.before,
                &place.width,
            ],
        )
        .await?;
    Ok(rows.iter().map(read).collect())
}

/// Sends failed deliveries again, each as a new attempt in new jobs; returns how many. Joins the caller's transaction.
///
/// - Left out: what is not failed (any more), what belongs to plans that may not send, and, in a tier of mode `first`, what
///   another channel has taken over: it waits there, went out or may have.
/// - Finished plans run again. Two at once: each delivery goes out again once.
/// - The caller has checked whose plans they are.
///
/// # Errors
/// [`Error`] of the database.
pub async fn redrive(db: &Transaction<'_>, letters: &BTreeMap<(i64, Slot), Vec<i32>>) -> Result<i64, Error> {
    let mut plans: Vec<i64> = letters.keys().map(|(plan, _)| *plan).collect();
    plans.dedup();
    // Its rows stay locked: of two who redrive channels of the same person, the second sees what the first opened.
    let able = reopen(db, &plans).await?;
    let mut redriven = 0;
    for (&(plan, slot), nos) in letters.iter().filter(|((plan, _), _)| able.contains(plan)) {
        redriven += again(db, (plan, slot), nos, DeliveryStatus::Failed).await?;
    }
    // A plan of which nothing went out again is over as before.
    let close = db.prepare_cached(include_str!("sql/dead/close.sql")).await?;
    db.execute(&close, &[&able]).await?;
    Ok(redriven)
}

fn read_plan(row: &Row) -> Result<DeadPlan, Error> {
    let mut codes: Vec<i16> = row.get("slots");
    codes.sort_unstable();
    let slots = codes.into_iter().map(Slot::from_code).collect::<Result<_, _>>()?;
    let steps = Steps::from_codes(row.get::<_, Option<Vec<i16>>>("steps").as_deref());
    Ok(DeadPlan { plan: PlanRef::new(row.get("created_at"), row.get("id")), slots, steps })
}

fn read(row: &Row) -> DeadLetter {
    DeadLetter {
        no: row.get("no"),
        reason: row.get("reason"),
        attempts: row.get("attempt"),
        account: row.get("account"),
        code: row.get("code"),
        detail: row.get("detail"),
        failed_at: row.get("updated_at"),
    }
}
