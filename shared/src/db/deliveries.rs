//! Deliveries as their owners see them. The job protocol writes them.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Error;
use crate::domain::outcome::Outcome;
use crate::domain::{DeliveryStatus, Slot};

/// One slot of one plan of one tenant.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Owner.
    pub tenant_id: i64,
    /// Internal id of the plan.
    pub plan_id: i64,
    /// Tier and channel.
    pub slot: Slot,
    /// Most recipients one call on this channel can have, 1..=1000: how far back a covering attempt may start.
    pub width: i32,
}

/// One recipient on one channel in one tier.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The recipient's position in the plan.
    pub no: i32,
    /// Its status, `queued` and `sending` included.
    pub status: DeliveryStatus,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Public id of the account of the last attempt.
    pub account: Option<Uuid>,
    /// Attempts begun.
    pub attempts: i32,
    /// The provider's id of the message.
    pub provider_ref: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the provider accepted it.
    pub sent_at: Option<Timestamp>,
    /// When status or attempt last changed.
    pub updated_at: Timestamp,
}

/// One call to a provider that covered a delivery.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// From 1.
    pub number: i16,
    /// Public id of the account used.
    pub account: Option<Uuid>,
    /// `None` while it runs.
    pub outcome: Option<Outcome>,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's words.
    pub detail: Option<String>,
    /// When the call was marked.
    pub started_at: Timestamp,
    /// When its outcome was recorded.
    pub ended_at: Option<Timestamp>,
}

/// Deliveries of one slot after recipient `after`, at most `limit`, out of at most `scan` rows read.
///
/// # Errors
/// [`Error`] of the database.
pub async fn page(
    client: &impl GenericClient,
    place: Place,
    after: i32,
    status: Option<DeliveryStatus>,
    (scan, limit): (i64, i64),
) -> Result<Vec<Delivery>, Error> {
    let statement = client.prepare_cached(include_str!("sql/deliveries/page.sql")).await?;
    let (slot, status) = (place.slot.code(), status.map(DeliveryStatus::code));
    let rows = client
        .query(
            &statement,
            &[&place.tenant_id, &place.plan_id, &slot, &after, &scan, &limit, &status, &place.width],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// The last recipient a scan of `scan` rows after `after` came to; `None` when it came to the slot's end.
///
/// # Errors
/// [`Error`] of the database.
pub async fn page_end(
    client: &impl GenericClient,
    place: Place,
    after: i32,
    scan: i64,
) -> Result<Option<i32>, Error> {
    let statement = client.prepare_cached(include_str!("sql/deliveries/page_end.sql")).await?;
    let slot = place.slot.code();
    let row = client.query_opt(&statement, &[&place.tenant_id, &place.plan_id, &slot, &after, &scan]).await?;
    Ok(row.map(|row| row.get("no")))
}

/// The attempts of the delivery to recipient `no`, first to last.
///
/// # Errors
/// [`Error`] of the database.
pub async fn attempts(client: &impl GenericClient, place: Place, no: i32) -> Result<Vec<Attempt>, Error> {
    let statement = client.prepare_cached(include_str!("sql/deliveries/attempts.sql")).await?;
    let slot = place.slot.code();
    let rows =
        client.query(&statement, &[&place.tenant_id, &place.plan_id, &slot, &no, &place.width]).await?;
    rows.iter().map(read_attempt).collect()
}

fn read(row: &Row) -> Result<Delivery, Error> {
    Ok(Delivery {
        no: row.get("no"),
        status: DeliveryStatus::from_code(row.get("status"))?,
        reason: row.get("reason"),
        account: row.get("account"),
        attempts: row.get("attempts"),
        provider_ref: row.get("provider_ref"),
        created_at: row.get("created_at"),
        sent_at: row.get("sent_at"),
        updated_at: row.get("updated_at"),
    })
}

fn read_attempt(row: &Row) -> Result<Attempt, Error> {
    Ok(Attempt {
        number: row.get("number"),
        account: row.get("account"),
        outcome: row.get::<_, Option<i16>>("outcome").map(Outcome::from_code).transpose()?,
        code: row.get("code"),
        detail: row.get("detail"),
        started_at: row.get("started_at"),
        ended_at: row.get("ended_at"),
    })
}
