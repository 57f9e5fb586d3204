//! Settle: outcomes become states, in one synced commit. Step 9 of the job protocol, and late outcomes (step 11).

use std::time::Duration;

use deadpool_postgres::{Client, GenericClient};

use super::Error;
use super::claim::{self, Mark};
use crate::domain::outcome::Outcome;
use crate::domain::settle::Fate;
use crate::domain::{Class, DeliveryStatus, Lane, Slot};

/// A finished call.
#[derive(Debug, Clone)]
pub struct Done {
    /// The plan.
    pub plan_id: i64,
    /// Its tenant.
    pub tenant_id: i64,
    /// Channel and tier.
    pub slot: Slot,
    /// Its lane.
    pub lane: Lane,
    /// First recipient of the call: with plan, slot and number the key of its attempt.
    pub lo: i32,
    /// Attempt number.
    pub number: i16,
    /// The run of the worker that claimed it.
    pub incarnation: i64,
    /// What to store; `None`: the call is forgotten (throttled, not started).
    pub outcome: Option<Outcome>,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's words.
    pub detail: Option<String>,
    /// The provider's id.
    pub provider_ref: Option<String>,
    /// What becomes of the deliveries.
    pub fate: Fate,
    /// Deliveries in the call, for the counters.
    pub width: usize,
    /// Provider label, for the counters.
    pub provider: &'static str,
    /// Why it failed, for the counters.
    pub class: Option<Class>,
    /// Members that a sent call left out; `fate` is everybody else's.
    pub except: Vec<LeftOut>,
}

/// A member that a sent call left out.
#[derive(Debug, Clone)]
pub struct LeftOut {
    /// The recipient.
    pub no: i32,
    /// What to store.
    pub outcome: Outcome,
    /// What the provider called it.
    pub code: String,
    /// The same in words.
    pub detail: String,
    /// What becomes of this delivery.
    pub fate: Fate,
    /// Why, for the counters.
    pub class: Class,
}

/// The end of a claim.
#[derive(Debug, Clone)]
pub struct Release {
    /// The job.
    pub job: i64,
    /// The claim's token.
    pub token: i32,
    /// What is left of it: these wait again, at the same attempt. Empty: the job is done and deleted.
    pub rest: Vec<i32>,
    /// How long the rest waits.
    pub delay: Duration,
    /// Choose the account again.
    pub drop_account: bool,
}

/// What [`settle_and_mark`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Positions (from 0) of calls whose attempt was no longer open: reclaimed meanwhile. See [`late`].
    pub late: Vec<usize>,
}

/// Records finished calls and ends claims, in one statement. Members left out must be moved before (see [`leave_out`]).
async fn settle(client: &impl GenericClient, done: &[Done], releases: &[Release]) -> Result<Settled, Error> {
    let statement = client.prepare_cached(include_str!("sql/settle/settle.sql")).await?;
    let plans: Vec<i64> = done.iter().map(|d| d.plan_id).collect();
    let slots: Vec<i16> = done.iter().map(|d| d.slot.code()).collect();
    let los: Vec<i32> = done.iter().map(|d| d.lo).collect();
    let numbers: Vec<i16> = done.iter().map(|d| d.number).collect();
    let outcomes: Vec<Option<i16>> = done.iter().map(|d| d.outcome.map(Outcome::code)).collect();
    let codes: Vec<Option<&str>> = done.iter().map(|d| d.code.as_deref()).collect();
    let details: Vec<Option<&str>> = done.iter().map(|d| d.detail.as_deref()).collect();
    let refs: Vec<Option<&str>> = done.iter().map(|d| d.provider_ref.as_deref()).collect();
    let fates: Vec<(i16, Option<&'static str>, f64)> = done.iter().map(|d| fate_columns(d.fate)).collect();
    let statuses: Vec<i16> = fates.iter().map(|f| f.0).collect();
    let reasons: Vec<Option<&str>> = fates.iter().map(|f| f.1).collect();
    let delays: Vec<f64> = fates.iter().map(|f| f.2).collect();
    let tenants: Vec<i64> = done.iter().map(|d| d.tenant_id).collect();
    let lanes: Vec<i16> = done.iter().map(|d| d.lane.code()).collect();
    let runs: Vec<i64> = done.iter().map(|d| d.incarnation).collect();
    let jobs: Vec<i64> = releases.iter().map(|r| r.job).collect();
    let tokens: Vec<i32> = releases.iter().map(|r| r.token).collect();
    let rests: Vec<Option<String>> =
        releases.iter().map(|r| (!r.rest.is_empty()).then(|| array_text(&r.rest))).collect();
    let waits: Vec<f64> = releases.iter().map(|r| r.delay.as_secs_f64() * 1000.0).collect();
    let drops: Vec<bool> = releases.iter().map(|r| r.drop_account).collect();
    let rows = client
        .query(
            &statement,
            &[
                &plans, &slots, &los, &numbers, &outcomes, &codes, &details, &refs, &statuses, &reasons,
                &delays, &tenants, &lanes, &jobs, &tokens, &rests, &waits, &drops, &runs,
            ],
        )
        .await?;
    let late = rows.iter().filter_map(|row| usize::try_from(row.get::<_, i64>(0) - 1).ok()).collect();
    Ok(Settled { late })
}

/// Moves and notes the members that sent calls left out, before [`settle`] in its transaction: it then finds them moved and
/// leaves them alone, so calls without exceptions pay nothing for those with.
async fn leave_out(client: &impl GenericClient, done: &[Done]) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/settle/leave_out.sql")).await?;
    let all: Vec<(&Done, &LeftOut)> =
        done.iter().flat_map(|call| call.except.iter().map(move |out| (call, out))).collect();
    let plans: Vec<i64> = all.iter().map(|(call, _)| call.plan_id).collect();
    let slots: Vec<i16> = all.iter().map(|(call, _)| call.slot.code()).collect();
    let los: Vec<i32> = all.iter().map(|(call, _)| call.lo).collect();
    let numbers: Vec<i16> = all.iter().map(|(call, _)| call.number).collect();
    let tenants: Vec<i64> = all.iter().map(|(call, _)| call.tenant_id).collect();
    let lanes: Vec<i16> = all.iter().map(|(call, _)| call.lane.code()).collect();
    let runs: Vec<i64> = all.iter().map(|(call, _)| call.incarnation).collect();
    let nos: Vec<i32> = all.iter().map(|(_, out)| out.no).collect();
    let outcomes: Vec<i16> = all.iter().map(|(_, out)| out.outcome.code()).collect();
    let codes: Vec<&str> = all.iter().map(|(_, out)| out.code.as_str()).collect();
    let details: Vec<&str> = all.iter().map(|(_, out)| out.detail.as_str()).collect();
    let fates: Vec<(i16, Option<&'static str>, f64)> =
        all.iter().map(|(_, out)| fate_columns(out.fate)).collect();
    let statuses: Vec<i16> = fates.iter().map(|f| f.0).collect();
    let reasons: Vec<Option<&str>> = fates.iter().map(|f| f.1).collect();
    let delays: Vec<f64> = fates.iter().map(|f| f.2).collect();
    client
        .execute(
            &statement,
            &[
                &plans, &slots, &los, &numbers, &tenants, &lanes, &runs, &nos, &outcomes, &codes, &details,
                &statuses, &reasons, &delays,
            ],
        )
        .await?;
    Ok(())
}

/// Records finished calls, ends claims and marks the next calls, in one synced commit: the places of the calls that ended go to
/// the next ones. Ack the pointers after it.
///
/// Fenced: calls by their open attempt, releases by the claim's token; what was given away meanwhile is not touched.
/// Retries become one new job for each old job and delay. Counters and finish follow by trigger.
///
/// Repeatable when the answer was lost.
///
/// # Errors
/// [`Error`]; nothing is recorded or marked. Try again until it succeeds: the provider has been called.
pub async fn settle_and_mark(
    client: &mut Client,
    done: &[Done],
    releases: &[Release],
    incarnation: i64,
    marks: &[Mark],
) -> Result<(Settled, Vec<bool>), Error> {
    let whole = done.iter().all(|call| call.except.is_empty());
    if marks.is_empty() && whole {
        return Ok((settle(client, done, releases).await?, Vec::new()));
    }
    let transaction = client.transaction().await?;
    if !whole {
        leave_out(&transaction, done).await?;
    }
    if marks.is_empty() {
        let settled = settle(&transaction, done, releases).await?;
        transaction.commit().await?;
        return Ok((settled, Vec::new()));
    }
    let both = tokio::try_join!(
        settle(&transaction, done, releases),
        claim::mark(&transaction, incarnation, marks)
    )?;
    transaction.commit().await?;
    Ok(both)
}

/// Records the truth about a call that was given up as unknown meanwhile. `false`: it came too late, a newer attempt
/// is on its way, and the message went out (or will go out) twice; the caller counts it.
///
/// The truth wins where nothing newer was sent: `unknown -> sent|failed`, and a resend not yet marked is dropped.
/// A call recorded before (the answer to that commit was lost) is `true`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn late(client: &mut Client, done: &Done) -> Result<bool, Error> {
    let Fate::Final(status @ (DeliveryStatus::Sent | DeliveryStatus::Failed), _) = done.fate else {
        return Ok(true);
    };
    let (_, reason, _) = fate_columns(done.fate);
    let transaction = client.transaction().await?;
    // First the resend's jobs, so that a claim of them either sees this or is seen by the next statement.
    let fence = transaction.prepare_cached(include_str!("sql/settle/late_fence.sql")).await?;
    transaction.execute(&fence, &[&done.plan_id, &done.slot.code(), &done.number]).await?;
    let statement = transaction.prepare_cached(include_str!("sql/settle/late.sql")).await?;
    let outcome = done.outcome.map(Outcome::code);
    // A resend that waits for somebody left out goes on: nobody knows better than to try.
    let nos: Vec<i32> = done.except.iter().map(|out| out.no).collect();
    let outcomes: Vec<i16> = done.except.iter().map(|out| out.outcome.code()).collect();
    let codes: Vec<&str> = done.except.iter().map(|out| out.code.as_str()).collect();
    let details: Vec<&str> = done.except.iter().map(|out| out.detail.as_str()).collect();
    let reasons: Vec<Option<&str>> = done.except.iter().map(|out| fate_columns(out.fate).1).collect();
    let row = transaction
        .query_one(
            &statement,
            &[
                &done.plan_id,
                &done.slot.code(),
                &done.lo,
                &done.number,
                &status.code(),
                &reason,
                &outcome,
                &done.code,
                &done.detail,
                &done.provider_ref,
                &nos,
                &outcomes,
                &codes,
                &details,
                &reasons,
            ],
        )
        .await?;
    let used = row.get(0);
    let needless = transaction.prepare_cached(include_str!("sql/settle/late_jobs.sql")).await?;
    transaction.execute(&needless, &[&done.plan_id, &done.slot.code(), &done.number]).await?;
    transaction.commit().await?;
    Ok(used)
}

/// Takes an account (id and the version used) out of use: its provider says that it, not the message, is at fault.
///
/// # Errors
/// [`Error`] of the database.
pub async fn account_down(
    client: &impl GenericClient,
    (account, version): (i64, i32),
    reason: &str,
) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/settle/account_down.sql")).await?;
    Ok(client.execute(&statement, &[&account, &reason, &version]).await? == 1)
}

/// Puts an account that was down back into use: a call went through.
///
/// # Errors
/// [`Error`] of the database.
pub async fn account_up(client: &impl GenericClient, account: i64) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/settle/account_up.sql")).await?;
    Ok(client.execute(&statement, &[&account]).await? == 1)
}

/// Status, reason and delay in ms as the statement wants them; a put-back moves no delivery and is marked by status -1.
fn fate_columns(fate: Fate) -> (i16, Option<&'static str>, f64) {
    match fate {
        Fate::Final(status, reason) => (status.code(), reason.map(|r| r.as_str()), 0.0),
        Fate::Retry(delay) => (DeliveryStatus::Pending.code(), None, delay.as_secs_f64() * 1000.0),
        Fate::PutBack(delay) => (-1, None, delay.as_secs_f64() * 1000.0),
    }
}

/// `{1,2,3}`: a list inside a list of parameters (SQL arrays of arrays would have to be rectangular).
pub(super) fn array_text<T: ToString>(numbers: &[T]) -> String {
    let words: Vec<String> = numbers.iter().map(T::to_string).collect();
    format!("{{{}}}", words.join(","))
}
