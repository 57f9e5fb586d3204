//! Reminders: asking for a round, and making its deliveries in chunks (rule 20). The job is one of kind 0, like an expansion: what a crash
//! interrupts goes on where it was.

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use tokio_postgres::types::Json;

use super::Error;
use super::expand::CHUNK;
use crate::domain::ids::PlanRef;
use crate::domain::reminder::{FIRST_STEP, Who};
use crate::domain::{Channel, Content, Lane, PlanStatus, Slot, Tier};

/// A plan that is to be reminded, held until the transaction ends.
#[derive(Debug)]
pub struct Held {
    /// Internal id.
    pub id: i64,
    /// Owner.
    pub tenant_id: i64,
    /// Where it is in its life.
    pub status: PlanStatus,
    /// Nothing of it is open.
    pub over: bool,
    /// What it said is erased.
    pub erased: bool,
    /// Its `expires_at` has come.
    pub late: bool,
    /// Its priority.
    pub lane: Lane,
    /// People in it.
    pub recipients: i32,
    /// By which steps it went out.
    pub tiers: Vec<Tier>,
    /// Title.
    pub title: String,
    /// What it says.
    pub content: Content,
    /// It wants to know who has read it.
    pub asks: bool,
    /// Its people may answer.
    pub offers_answers: bool,
    /// Reminders it had.
    pub reminders: u8,
}

/// Holds a plan's row; `None`: the tenant has no such plan.
///
/// # Errors
/// [`Error`] of the database.
pub async fn hold(db: &Transaction<'_>, tenant_id: i64, plan: PlanRef) -> Result<Option<Held>, Error> {
    let Ok(created_at) = Timestamp::from_millisecond(plan.created_ms) else { return Ok(None) };
    let statement = db.prepare_cached(include_str!("sql/remind/lock.sql")).await?;
    let Some(row) = db.query_opt(&statement, &[&tenant_id, &plan.id, &created_at]).await? else {
        return Ok(None);
    };
    let last: Option<i16> = row.get("last_step");
    let reminders = last.map_or(0, |step| step - i16::from(FIRST_STEP) + 1);
    Ok(Some(Held {
        id: plan.id,
        tenant_id,
        status: PlanStatus::from_code(row.get("status"))?,
        over: row.get("over"),
        erased: row.get("erased"),
        late: row.get("late"),
        lane: Lane::from_code(row.get("lane"))?,
        recipients: row.get("n_recipients"),
        tiers: row.get::<_, Json<Vec<Tier>>>("tiers").0,
        title: row.get("title"),
        content: row.get::<_, Json<Content>>("content").0,
        asks: row.get("asks"),
        offers_answers: row.get("offers_answers"),
        reminders: u8::try_from(reminders).unwrap_or(u8::MAX),
    }))
}

/// Asks for a round on `channels` (at least one); `named`: people one by one, ascending. A finished plan runs again.
///
/// # Errors
/// [`Error`] of the database.
pub async fn ask(
    db: &Transaction<'_>,
    plan: &Held,
    who: Who,
    channels: &[Channel],
    named: Option<&[i32]>,
) -> Result<(), Error> {
    let step = FIRST_STEP + plan.reminders;
    let slots: Vec<i16> = channels.iter().map(|channel| Slot::new(step, *channel).code()).collect();
    let (lo, hi) = match named {
        Some([lo, .., hi]) => (*lo, *hi),
        Some([only]) => (*only, *only),
        Some([]) | None => (1, plan.recipients),
    };
    let statement = db.prepare_cached(include_str!("sql/remind/ask.sql")).await?;
    let step = i16::from(step);
    db.execute(&statement, &[&plan.id, &plan.tenant_id, &step, &who.code(), &slots, &lo, &hi, &named])
        .await?;
    Ok(())
}

/// A round's job, taken and locked.
pub(super) struct Job {
    pub(super) plan: i64,
    pub(super) step: i16,
    /// From where on its people are to be chosen, and the last position.
    pub(super) lo: i32,
    pub(super) hi: i32,
    /// People named one by one.
    pub(super) named: Option<Vec<i32>>,
}

/// Does one part of a round's work; `Some`: positions up to there have their deliveries. Joins the caller's transaction, and locks the
/// plan last, as everybody does.
pub(super) async fn step(db: &Transaction<'_>, job: &Job) -> Result<Option<i32>, Error> {
    let (plan, step) = (job.plan, job.step);
    let read = db.prepare_cached(include_str!("sql/remind/read.sql")).await?;
    let row = db.query_one(&read, &[&plan, &step]).await?;
    match row.get::<_, i16>("state") {
        0 => {
            let begin = db.prepare_cached(include_str!("sql/remind/begin.sql")).await?;
            db.execute(&begin, &[&plan, &step]).await?;
            Ok(None)
        }
        1 => {
            let (counted, first, total): (i32, i16, i32) =
                (row.get("counted"), row.get("first"), row.get("n_recipients"));
            count(db, job, first, (counted, total)).await?;
            Ok(None)
        }
        _ => make(db, job, &row.get::<_, Vec<i16>>("slots")).await.map(Some),
    }
}

/// People who had one delivery each get counts of their own.
async fn count(
    db: &Transaction<'_>,
    job: &Job,
    slot: i16,
    (counted, total): (i32, i32),
) -> Result<(), Error> {
    let hi = total.min(counted + CHUNK);
    let count = db.prepare_cached(include_str!("sql/remind/count.sql")).await?;
    let left: i64 = db.query_one(&count, &[&job.plan, &slot, &(counted + 1), &hi]).await?.get(0);
    if left > 0 {
        return Ok(());
    }
    let note = db.prepare_cached(include_str!("sql/remind/counted.sql")).await?;
    db.execute(&note, &[&job.plan, &job.step, &hi, &(hi >= total)]).await?;
    Ok(())
}

async fn make(db: &Transaction<'_>, job: &Job, slots: &[i16]) -> Result<i32, Error> {
    let hi = job.hi.min(job.lo + CHUNK - 1);
    if slots.iter().any(|slot| slot & 15 == Channel::Inbox.code()) {
        let give = db.prepare_cached(include_str!("sql/remind/give_inboxes.sql")).await?;
        db.execute(&give, &[&job.plan, &job.lo, &hi]).await?;
    }
    let make = db.prepare_cached(include_str!("sql/remind/make.sql")).await?;
    db.execute(&make, &[&job.plan, &job.step, &job.lo, &hi, &job.named]).await?;
    Ok(hi)
}
