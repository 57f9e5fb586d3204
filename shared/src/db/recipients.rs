//! Recipients as a plan's owner sees them. Acceptance and the job protocol write them.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::Error;
use crate::domain::recall::Withdrawal;
use crate::domain::{Channel, DeliveryStatus, LadderResult, PlanStatus, Slot};

/// What became of a recipient on one channel. `status` is as stored: pending covers queued and sending.
#[derive(Debug, Clone)]
pub struct OnChannel {
    /// Tier and channel.
    pub slot: Slot,
    /// Status.
    pub status: DeliveryStatus,
    /// Why it ended so.
    pub reason: Option<String>,
    /// When it last changed.
    pub at: Timestamp,
    /// Of a recalled plan: what became of the message.
    pub became: Option<Withdrawal>,
}

/// One person in a plan.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// Position, from 1.
    pub no: i32,
    /// The caller's name for the person.
    pub key: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Address kind to address, in full.
    pub addresses: BTreeMap<String, String>,
    /// Nobody may see any of it.
    pub sensitive: bool,
    /// `pending`, `reached`, `unreachable`, `cancelled` or `unknown`.
    pub reach: String,
    /// How the plan was ended, if it was.
    pub ended: Option<PlanStatus>,
    /// Where they are on the ladder: the tier as declared.
    pub tier: i16,
    /// And how many times it has come up.
    pub round: i16,
    /// The plan has ladders.
    pub ladder: bool,
    /// How the ladder ended.
    pub result: Option<LadderResult>,
    /// When its next tier is due.
    pub next_at: Option<Timestamp>,
    /// Their deliveries in order of tier and channel; empty before expand.
    pub channels: Vec<OnChannel>,
    /// First proof of reading.
    pub read_at: Option<Timestamp>,
    /// Channel of that proof.
    pub read_channel: Option<Channel>,
    /// The option they chose.
    pub answer: Option<String>,
    /// Free text of "Other".
    pub answer_text: Option<String>,
    /// When they answered.
    pub answered_at: Option<Timestamp>,
}

/// Which recipients are wanted; conditions combine.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this state.
    pub reach: Option<&'static str>,
    /// Only with a failed delivery.
    pub failed: bool,
    /// Only those who have, or have not, read it.
    pub read: Option<bool>,
    /// Only those who have, or have not, answered.
    pub answered: Option<bool>,
    /// With this in key or name, in any case.
    pub text: Option<String>,
    /// Channels whose providers may take messages back.
    pub recallable: Vec<Channel>,
}

/// Matching recipients after position `after`, at most `limit`, out of at most `scan` rows read.
///
/// # Errors
/// [`Error`] of the database.
pub async fn page(
    client: &impl GenericClient,
    (tenant_id, plan_id, slots): (i64, i64, &[Slot]),
    after: i32,
    filter: &Filter,
    (scan, limit): (i64, i64),
) -> Result<Vec<Recipient>, Error> {
    let statement = client.prepare_cached(include_str!("sql/recipients/page.sql")).await?;
    let codes: Vec<i16> = slots.iter().map(|slot| slot.code()).collect();
    let recallable: Vec<i16> = filter.recallable.iter().map(|channel| channel.code()).collect();
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    let rows = client
        .query(
            &statement,
            &[
                &tenant_id,
                &plan_id,
                &codes,
                &after,
                &scan,
                &limit,
                &filter.reach,
                &filter.failed,
                &filter.read,
                &filter.answered,
                &text,
                &recallable,
            ],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// The last position a scan of `scan` rows after `after` came to; `None` when it came to the end.
///
/// # Errors
/// [`Error`] of the database.
pub async fn page_end(
    client: &impl GenericClient,
    (tenant_id, plan_id): (i64, i64),
    after: i32,
    scan: i64,
) -> Result<Option<i32>, Error> {
    let statement = client.prepare_cached(include_str!("sql/recipients/page_end.sql")).await?;
    let row = client.query_opt(&statement, &[&tenant_id, &plan_id, &after, &scan]).await?;
    Ok(row.map(|row| row.get("no")))
}

fn read(row: &Row) -> Result<Recipient, Error> {
    let Json(addresses) = row.get::<_, Json<BTreeMap<String, String>>>("addresses");
    Ok(Recipient {
        no: row.get("no"),
        key: row.get("key"),
        name: row.get("name"),
        addresses,
        sensitive: row.get("sensitive"),
        reach: row.get("reach"),
        ended: row.get::<_, Option<i16>>("ended").map(PlanStatus::from_code).transpose()?,
        tier: row.get("tier"),
        round: row.get("round"),
        ladder: row.get("ladder"),
        result: row.get::<_, Option<i16>>("result").map(LadderResult::from_code).transpose()?,
        next_at: row.get("next_at"),
        channels: read_channels(row)?,
        read_at: row.get("read_at"),
        read_channel: row.get::<_, Option<i16>>("read_channel").map(Channel::from_code).transpose()?,
        answer: row.get("answer"),
        answer_text: row.get("answer_text"),
        answered_at: row.get("answered_at"),
    })
}

fn read_channels(row: &Row) -> Result<Vec<OnChannel>, Error> {
    let (slots, statuses): (Vec<i16>, Vec<i16>) = (row.get("slots"), row.get("statuses"));
    let (reasons, times): (Vec<Option<String>>, Vec<Timestamp>) = (row.get("reasons"), row.get("times"));
    let withdrawn: Vec<Option<i16>> = row.get("withdrawn");
    let columns = slots.into_iter().zip(statuses).zip(reasons).zip(times).zip(withdrawn);
    columns
        .map(|((((slot, status), reason), at), became)| {
            Ok(OnChannel {
                slot: Slot::from_code(slot)?,
                status: DeliveryStatus::from_code(status)?,
                reason,
                at,
                became: became.map(Withdrawal::from_code).transpose()?,
            })
        })
        .collect()
}
