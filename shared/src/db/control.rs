//! Control: a plan's owner halts it, lets it go on, or ends it. One row each, whatever the plan's size; the dispatcher's
//! sweep sees to its jobs. Step 13 of the job protocol.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;

use super::{Error, bin};
use crate::domain::PlanStatus;
use crate::domain::ids::PlanRef;

/// What an owner may do with a plan on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Halt it: nothing further goes out until it is resumed.
    Pause,
    /// Let it go on.
    Resume,
    /// Withdraw it.
    Recall,
    /// End its ladders; what is out stays out.
    Stop,
}

impl Order {
    /// The states it can be given in. In [`Order::done`] it changes nothing.
    #[must_use]
    pub const fn from(self) -> &'static [PlanStatus] {
        use PlanStatus as P;
        match self {
            Order::Pause => &[P::Scheduled, P::Running],
            Order::Resume => &[P::Paused],
            Order::Recall => &[P::AwaitingApproval, P::Scheduled, P::Running, P::Paused, P::Finished],
            Order::Stop => &[P::Scheduled, P::Running, P::Paused],
        }
    }

    /// The states in which it has been obeyed already.
    #[must_use]
    pub const fn done(self) -> &'static [PlanStatus] {
        use PlanStatus as P;
        match self {
            Order::Pause => &[P::Paused],
            Order::Resume => &[P::Scheduled, P::Running],
            Order::Recall => &[P::Recalled],
            Order::Stop => &[P::Stopped],
        }
    }
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obeyed {
    /// The plan is as ordered, now or already.
    Yes,
    /// Its status does not allow it.
    No(PlanStatus),
    /// It is in the bin.
    Binned,
    /// The tenant has no such plan.
    Unknown,
}

/// Gives an order, in a statement and commit of its own.
///
/// - Effects: from the commit on no claim and no mark of the plan succeeds (pause, recall, stop). Calls that are marked go on.
/// - Repeatable: a plan that is as ordered stays as it is.
///
/// # Errors
/// [`Error`] of the database.
pub async fn order(
    client: &impl GenericClient,
    tenant_id: i64,
    plan: PlanRef,
    order: Order,
) -> Result<Obeyed, Error> {
    let Some(mut status) = status(client, tenant_id, plan).await? else { return Ok(Obeyed::Unknown) };
    // Once more: the first try may have lost against another order.
    for _ in 0..2 {
        if matches!(bin::state(client, tenant_id, plan).await?, Some((_, true))) {
            return Ok(Obeyed::Binned);
        }
        if order.done().contains(&status) || moved(client, tenant_id, plan, order).await? {
            return Ok(Obeyed::Yes);
        }
        status = self::status(client, tenant_id, plan).await?.unwrap_or(status);
    }
    Ok(Obeyed::No(status))
}

async fn moved(
    client: &impl GenericClient,
    tenant_id: i64,
    plan: PlanRef,
    order: Order,
) -> Result<bool, Error> {
    let to = match order {
        Order::Resume => {
            let statement = client.prepare_cached(include_str!("sql/control/resume.sql")).await?;
            return Ok(client.query_opt(&statement, &[&tenant_id, &plan.id]).await?.is_some());
        }
        Order::Recall => {
            let statement = client.prepare_cached(include_str!("sql/control/recall.sql")).await?;
            return Ok(client.query_opt(&statement, &[&tenant_id, &plan.id, &codes(order)]).await?.is_some());
        }
        Order::Pause => PlanStatus::Paused,
        Order::Stop => PlanStatus::Stopped,
    };
    let statement = client.prepare_cached(include_str!("sql/control/halt.sql")).await?;
    let from = codes(order);
    Ok(client.query_opt(&statement, &[&tenant_id, &plan.id, &from, &to.code()]).await?.is_some())
}

/// The states an order can be given in, as stored.
fn codes(order: Order) -> Vec<i16> {
    order.from().iter().map(|status| status.code()).collect()
}

/// A plan's status; `None` when the tenant has no plan of exactly this identity.
///
/// # Errors
/// [`Error`] of the database.
pub async fn status(
    client: &impl GenericClient,
    tenant_id: i64,
    plan: PlanRef,
) -> Result<Option<PlanStatus>, Error> {
    let Ok(created_at) = Timestamp::from_millisecond(plan.created_ms) else { return Ok(None) };
    let statement = client.prepare_cached(include_str!("sql/control/status.sql")).await?;
    let row = client.query_opt(&statement, &[&tenant_id, &plan.id, &created_at]).await?;
    Ok(row.map(|row| PlanStatus::from_code(row.get(0))).transpose()?)
}
