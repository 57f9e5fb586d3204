//! Resolve: a person settles an unknown delivery, or has it sent again.

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;

use super::Error;
use crate::domain::ids::PlanRef;
use crate::domain::{DeliveryStatus, PlanStatus, Reason, Slot};

/// What is to become of an unknown delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It went out: its recipient has it, or the provider says so.
    Sent,
    /// It did not, and shall not.
    Failed,
    /// It shall go out, perhaps for the second time.
    Resend,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// As asked.
    Yes,
    /// The tenant has no such delivery.
    Unknown,
    /// It is not unknown (any more): somebody else settled it, or the truth arrived.
    Settled(DeliveryStatus),
    /// Its plan may not send any more; with its status, and whether its time is over.
    PlanOver(PlanStatus),
}

/// A delivery of a tenant.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Owner.
    pub tenant_id: i64,
    /// Its plan.
    pub plan: PlanRef,
    /// Tier and channel.
    pub slot: Slot,
    /// Its recipient.
    pub no: i32,
}

/// Settles one unknown delivery. Joins the caller's transaction, which is to be committed only after `Yes`.
///
/// - A resend is a new attempt in a new job, due at once; a finished plan runs again. Counters follow by trigger.
/// - Of several at once one is `Yes`, the others find it settled.
///
/// # Errors
/// [`Error`] of the database; nothing is changed.
pub async fn resolve(
    db: &Transaction<'_>,
    target: Target,
    resolution: Resolution,
) -> Result<Resolved, Error> {
    let Ok(created_at) = Timestamp::from_millisecond(target.plan.created_ms) else {
        return Ok(Resolved::Unknown);
    };
    let (plan, slot, no) = (target.plan.id, target.slot.code(), target.no);
    // The delivery first, then its plan: the order every writer of outcomes has.
    let lock = db.prepare_cached(include_str!("sql/resolve/lock.sql")).await?;
    let row = db.query_opt(&lock, &[&target.tenant_id, &plan, &created_at, &slot, &no]).await?;
    let Some(row) = row else { return Ok(Resolved::Unknown) };
    let status = DeliveryStatus::from_code(row.get("status"))?;
    if status != DeliveryStatus::Unknown {
        return Ok(Resolved::Settled(status));
    }
    let (to, reason) = match resolution {
        Resolution::Sent => (DeliveryStatus::Sent, None),
        Resolution::Failed => (DeliveryStatus::Failed, Some(Reason::Timeout.as_str())),
        Resolution::Resend => {
            if reopen(db, &[plan]).await?.is_empty() {
                let expired = row.get("expired");
                let status = PlanStatus::from_code(row.get("plan_status"))?;
                return Ok(Resolved::PlanOver(if expired { PlanStatus::Expired } else { status }));
            }
            again(db, (plan, target.slot), &[no], DeliveryStatus::Unknown).await?;
            return Ok(Resolved::Yes);
        }
    };
    let settle = db.prepare_cached(include_str!("sql/resolve/settle.sql")).await?;
    db.execute(&settle, &[&plan, &slot, &no, &to.code(), &reason]).await?;
    Ok(Resolved::Yes)
}

/// Makes plans run that are to get work again; those that may.
pub(super) async fn reopen(db: &impl GenericClient, plans: &[i64]) -> Result<Vec<i64>, Error> {
    let statement = db.prepare_cached(include_str!("sql/resolve/reopen.sql")).await?;
    Ok(db.query(&statement, &[&plans]).await?.iter().map(|row| row.get(0)).collect())
}

/// Sends deliveries of a reopened plan again that are in status `from`; how many.
pub(super) async fn again(
    db: &impl GenericClient,
    (plan, slot): (i64, Slot),
    nos: &[i32],
    from: DeliveryStatus,
) -> Result<i64, Error> {
    let statement = db.prepare_cached(include_str!("sql/resolve/again.sql")).await?;
    let units = slot.channel().job_units();
    let row = db.query_one(&statement, &[&plan, &slot.code(), &nos, &from.code(), &units]).await?;
    Ok(row.get(0))
}
