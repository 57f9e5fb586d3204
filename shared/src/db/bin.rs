//! The bin: plans out of sight, brought back as they were or purged. One row each; what belongs to a purged plan goes by [`purge`](super::purge).

use std::time::Duration;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;

use super::Error;
use crate::domain::PlanStatus;
use crate::domain::ids::PlanRef;

/// What an owner may do with the bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Into it, for so long.
    Bin(Duration),
    /// Out of it.
    Restore,
}

/// What became of a move, or of a purge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved<T = ()> {
    /// It is where it was to be, now or already.
    Yes(T),
    /// Its status does not allow it, or it is not in the bin.
    No(PlanStatus),
    /// The tenant has no such plan.
    Unknown,
}

/// What a purge takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purged {
    /// People.
    pub recipients: i32,
    /// Deliveries.
    pub deliveries: i32,
    /// When its words went.
    pub at: Timestamp,
}

/// A plan's status, and whether it is in the bin; `None` when the tenant has no plan of exactly this identity (any more).
///
/// # Errors
/// [`Error`] of the database.
pub async fn state(
    client: &impl GenericClient,
    tenant_id: i64,
    plan: PlanRef,
) -> Result<Option<(PlanStatus, bool)>, Error> {
    let Ok(created_at) = Timestamp::from_millisecond(plan.created_ms) else { return Ok(None) };
    let statement = client.prepare_cached(include_str!("sql/bin/state.sql")).await?;
    let Some(row) = client.query_opt(&statement, &[&tenant_id, &plan.id, &created_at]).await? else {
        return Ok(None);
    };
    Ok(Some((PlanStatus::from_code(row.get("status"))?, row.get("binned"))))
}

/// Moves a plan into the bin or out of it, in a statement and commit of its own. Repeatable.
///
/// # Errors
/// [`Error`] of the database.
pub async fn put(
    client: &impl GenericClient,
    tenant_id: i64,
    plan: PlanRef,
    to: Move,
) -> Result<Moved, Error> {
    let Some((status, binned)) = state(client, tenant_id, plan).await? else { return Ok(Moved::Unknown) };
    if binned == matches!(to, Move::Bin(_)) {
        return Ok(Moved::Yes(()));
    }
    let row = match to {
        Move::Bin(stay) => {
            let statement = client.prepare_cached(include_str!("sql/bin/bin.sql")).await?;
            client.query_opt(&statement, &[&tenant_id, &plan.id, &stay.as_secs_f64()]).await?
        }
        Move::Restore => {
            let statement = client.prepare_cached(include_str!("sql/bin/restore.sql")).await?;
            client.query_opt(&statement, &[&tenant_id, &plan.id]).await?
        }
    };
    Ok(if row.is_some() { Moved::Yes(()) } else { Moved::No(status) })
}

/// Purges a plan that is in the bin, in a statement and commit of its own: from then on the tenant has no such plan.
///
/// # Errors
/// [`Error`] of the database.
pub async fn purge(
    client: &impl GenericClient,
    tenant_id: i64,
    plan: PlanRef,
) -> Result<Moved<Purged>, Error> {
    let Some((status, _)) = state(client, tenant_id, plan).await? else { return Ok(Moved::Unknown) };
    let statement = client.prepare_cached(include_str!("sql/bin/purge.sql")).await?;
    let row = client.query_opt(&statement, &[&tenant_id, &plan.id]).await?;
    Ok(row.map_or(Moved::No(status), |row| {
        Moved::Yes(Purged {
            recipients: row.get("n_recipients"),
            deliveries: row.get("n_deliveries"),
            at: row.get("purged_at"),
        })
    }))
}
