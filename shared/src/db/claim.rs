//! Claim and mark: a worker takes jobs and writes down what it is about to send. Step 7 of the job protocol.

use std::time::Duration;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::Error;
use super::quiet::Resting;
use crate::domain::ids::PlanRef;
use crate::domain::{Content, Lane, OnUnknown, Slot, Steps};

/// A job to claim.
#[derive(Debug, Clone, Copy)]
pub struct Want {
    /// `job.id`.
    pub job: i64,
    /// Calls to mark at once, 1 or more: no more than can start now.
    pub calls: i32,
    /// Recipients a call carries, 1..=1000.
    pub batch: i32,
    /// The same where the content differs from person to person.
    pub personal: i32,
}

/// A claimed job with its work.
#[derive(Debug)]
pub struct Claimed {
    /// `job.id`.
    pub job: i64,
    /// Fencing token: names this claim in every later write.
    pub token: i32,
    /// The run that claimed it.
    pub incarnation: i64,
    /// The account to use and the version of its settings.
    pub account: (i64, i32),
    /// The plan.
    pub plan: PlanRef,
    /// Its tenant.
    pub tenant_id: i64,
    /// Channel and tier.
    pub slot: Slot,
    /// Its lane.
    pub lane: Lane,
    /// The attempt its deliveries are at.
    pub attempt: i16,
    /// The plan's rule.
    pub on_unknown: OnUnknown,
    /// The plan's content.
    pub message: PlanContent,
    /// What is still pending, in order of `no`. Empty when somebody finished it before: drop the job.
    pub members: Vec<Member>,
    /// Recipients a call carries: the wanted `batch`, or `personal` where the content has template syntax.
    pub batch: usize,
    /// How many members, from the first, are marked: an attempt is open, they must be called now.
    pub marked: usize,
}

/// What a plan says, as stored.
#[derive(Debug)]
pub struct PlanContent {
    /// Title.
    pub title: String,
    /// Content.
    pub content: Content,
    /// The caller's values.
    pub metadata: Option<Value>,
    /// Answers offered.
    pub acknowledgement: Option<Value>,
    /// W3C trace context of the accepting request.
    pub traceparent: Option<String>,
    /// When it was accepted, or its `send_at`.
    pub due_since: Timestamp,
    /// It wants to know who has read it.
    pub asks: bool,
    /// What it says is shown on pages only.
    pub protected: bool,
    /// Which tier and round its steps are.
    pub steps: Steps,
    /// Which of its wordings `content` is; 0 is the plan's own.
    pub wording: i32,
}

/// One delivery's recipient.
#[derive(Debug)]
pub struct Member {
    /// Recipient number.
    pub no: i32,
    /// The caller's name for the person.
    pub key: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Address on this channel.
    pub address: String,
    /// Template variables.
    pub variables: Option<Map<String, Value>>,
    /// The address has unsubscribed: nothing is sent to it.
    pub barred: bool,
}

/// Claims jobs and marks their first calls, in one synced commit. One statement, its own transaction; and one more where ladders have
/// ended meanwhile.
///
/// A job that does not come back was claimed, finished, recalled, expired, or has lost its account: ack and forget.
/// `again` repeats a claim whose answer was lost: jobs this run holds already are returned too, so none of `wants` may be
/// in work here.
///
/// # Errors
/// [`Error`]; nothing is claimed, or the answer was lost after the commit (then the lease's end gives it back).
pub async fn claim(
    client: &impl GenericClient,
    incarnation: i64,
    backstop: Duration,
    wants: &[Want],
    again: bool,
) -> Result<Vec<Claimed>, Error> {
    let statement = client.prepare_cached(include_str!("sql/claim/claim.sql")).await?;
    let jobs: Vec<i64> = wants.iter().map(|w| w.job).collect();
    let calls: Vec<i32> = wants.iter().map(|w| w.calls).collect();
    let batches: Vec<i32> = wants.iter().map(|w| w.batch).collect();
    let personal: Vec<i32> = wants.iter().map(|w| w.personal).collect();
    let backstop_ms = backstop.as_secs_f64() * 1000.0;
    let rows = client
        .query(&statement, &[&jobs, &calls, &batches, &incarnation, &backstop_ms, &again, &personal])
        .await?;
    suppress(client, &rows).await?;
    rows.iter().map(|row| claimed(row, incarnation)).collect()
}

/// Ends what of the claimed jobs must not go out any more (its recipient has read or answered, or its step is too late; only plans with
/// ladders have such), and puts off what falls into quiet hours. When it fails nothing was claimed for the caller, and the next claim does it.
async fn suppress(client: &impl GenericClient, rows: &[Row]) -> Result<(), Error> {
    let (mut plans, mut slots, mut nos, mut reasons) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut resting = Resting::default();
    for row in rows {
        let stopped: Option<Vec<i32>> = row.get("stopped");
        let Some(stopped) = stopped else { continue };
        let why: Vec<Option<String>> = row.get("stopped_why");
        let until: Vec<Option<Timestamp>> = row.get("stopped_until");
        for ((no, reason), until) in stopped.into_iter().zip(why).zip(until) {
            match (reason, until) {
                (Some(reason), _) => {
                    plans.push(row.get::<_, i64>("plan_id"));
                    slots.push(row.get::<_, i16>("slot"));
                    nos.push(no);
                    reasons.push(reason);
                }
                (None, Some(until)) => resting.add(row.get("id"), no, until),
                (None, None) => {}
            }
        }
    }
    resting.put_off(client).await?;
    if nos.is_empty() {
        return Ok(());
    }
    let statement = client.prepare_cached(include_str!("sql/claim/suppress.sql")).await?;
    client.execute(&statement, &[&plans, &slots, &nos, &reasons]).await?;
    Ok(())
}

fn claimed(row: &Row, incarnation: i64) -> Result<Claimed, Error> {
    let nos: Vec<i32> = row.get("nos");
    let keys: Vec<Option<String>> = row.get("keys");
    let names: Vec<Option<String>> = row.get("names");
    let addresses: Vec<Option<String>> = row.get("addresses");
    let variables: Vec<Option<Json<Map<String, Value>>>> = row.get("variables");
    let barred: Vec<i32> = row.get("barred");
    let rest = keys.into_iter().zip(names).zip(addresses).zip(variables);
    let members = nos
        .into_iter()
        .zip(rest)
        .map(|(no, (((key, name), address), variables))| Member {
            no,
            key,
            name,
            address: address.unwrap_or_default(),
            variables: variables.map(|v| v.0),
            barred: barred.binary_search(&no).is_ok(),
        })
        .collect();
    let created_at: Timestamp = row.get("created_at");
    Ok(Claimed {
        job: row.get("id"),
        token: row.get("token"),
        incarnation,
        account: (row.get("account_id"), row.get("account_version")),
        plan: PlanRef::new(created_at, row.get("plan_id")),
        tenant_id: row.get("tenant_id"),
        slot: Slot::from_code(row.get("slot"))?,
        lane: Lane::from_code(row.get("lane"))?,
        attempt: row.get("attempt"),
        on_unknown: OnUnknown::from_code(row.get("on_unknown"))?,
        message: PlanContent {
            title: row.get("title"),
            content: row.get::<_, Json<Content>>("content").0,
            metadata: row.get("metadata"),
            acknowledgement: row.get("acknowledgement"),
            traceparent: row.get("traceparent"),
            due_since: row.get("due_since"),
            asks: row.get("asks"),
            protected: row.get("protected"),
            steps: Steps::from_codes(row.get::<_, Option<Vec<i16>>>("steps").as_deref()),
            wording: row.get::<_, Option<i32>>("wording").unwrap_or(0),
        },
        members,
        batch: usize::try_from(row.get::<_, i32>("batch")).unwrap_or(1).max(1),
        marked: usize::try_from(row.get::<_, i64>("marked")).unwrap_or(0),
    })
}

/// A call to mark in a job already claimed.
#[derive(Debug, Clone)]
pub struct Mark {
    /// The job.
    pub job: i64,
    /// The claim's token.
    pub token: i32,
    /// Its members, ascending; 1..=1000 of them.
    pub nos: Vec<i32>,
}

/// Marks further calls, in one synced commit; says for each whether it may go out.
///
/// `false`: the claim was lost, or the plan was recalled, paused or has expired. Nothing may be sent then.
///
/// Repeatable when the answer was lost.
///
/// # Errors
/// [`Error`]; nothing may be sent. Try again, else the marks may stay open until the lease ends.
pub async fn mark(client: &impl GenericClient, incarnation: i64, marks: &[Mark]) -> Result<Vec<bool>, Error> {
    let statement = client.prepare_cached(include_str!("sql/claim/mark.sql")).await?;
    let jobs: Vec<i64> = marks.iter().map(|m| m.job).collect();
    let tokens: Vec<i32> = marks.iter().map(|m| m.token).collect();
    let members: Vec<String> = marks.iter().map(|m| super::settle::array_text(&m.nos)).collect();
    let rows = client.query(&statement, &[&jobs, &tokens, &members, &incarnation]).await?;
    let mut marked = vec![false; marks.len()];
    for row in rows {
        let ordinal: i64 = row.get(0);
        if let Some(slot) = usize::try_from(ordinal - 1).ok().and_then(|i| marked.get_mut(i)) {
            *slot = true;
        }
    }
    Ok(marked)
}
