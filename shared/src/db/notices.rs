//! Messages about plans that are still to be written: to approvers and to senders. The reason for one is committed with a row here; who
//! writes the message (as a plan of the same tenant) deletes the row in the same commit, so it is written once.

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use tokio_postgres::types::Json;

use super::Error;
use crate::domain::approval::Opinion;
use crate::domain::ids::PlanRef;
use crate::domain::{Lane, PlanStatus, Terms};

/// Longest pause between two tries, in seconds.
const LONGEST: f64 = 300.0;

/// What a notice is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks the approvers of this step.
    Ask(i16),
    /// Tells the sender what became of the plan.
    Tell,
}

/// A notice that is to be written.
#[derive(Debug, Clone)]
pub struct Notice {
    id: i64,
    tries: i32,
    /// What it is for.
    pub kind: Kind,
    /// The round it belongs to.
    pub round: i32,
    /// Whose plan it is about.
    pub tenant_id: i64,
    /// The plan it is about.
    pub plan: PlanRef,
    /// Where that is in its life.
    pub status: PlanStatus,
    /// It still waits for this round.
    pub current: bool,
    /// Its title.
    pub title: String,
    /// Its rules; they name approvers and sender.
    pub terms: Terms,
    /// Its priority.
    pub lane: Lane,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// People in it.
    pub recipients: i32,
    /// The last opinion of the round.
    pub opinion: Option<Opinion>,
    /// Whose that was.
    pub decided_by: Option<String>,
    /// In their words.
    pub comment: Option<String>,
}

/// Takes one notice that is due; nobody else gets it before the transaction ends.
///
/// # Errors
/// [`Error`] of the database.
pub async fn take(db: &Transaction<'_>) -> Result<Option<Notice>, Error> {
    let statement = db.prepare_cached(include_str!("sql/notices/take.sql")).await?;
    let Some(row) = db.query_opt(&statement, &[]).await? else { return Ok(None) };
    let (round, epoch): (i32, i32) = (row.get("round"), row.get("epoch"));
    let status = PlanStatus::from_code(row.get("status"))?;
    Ok(Some(Notice {
        id: row.get("id"),
        tries: row.get("tries"),
        kind: match row.get::<_, i16>("kind") {
            1 => Kind::Ask(row.get("step")),
            _ => Kind::Tell,
        },
        round,
        tenant_id: row.get("tenant_id"),
        plan: PlanRef::new(row.get("created_at"), row.get("plan_id")),
        status,
        current: status == PlanStatus::AwaitingApproval && round == epoch,
        title: row.get("title"),
        terms: row.get::<_, Option<Json<Terms>>>("terms").map(|Json(terms)| terms).unwrap_or_default(),
        lane: Lane::from_code(row.get("lane"))?,
        expires_at: row.get("expires_at"),
        recipients: row.get("n_recipients"),
        opinion: row.get::<_, Option<i16>>("opinion").map(Opinion::from_code).transpose()?,
        decided_by: row.get("decided_by"),
        comment: row.get("comment"),
    }))
}

/// It is written, or needs not be any more.
///
/// # Errors
/// [`Error`] of the database.
pub async fn done(db: &Transaction<'_>, notice: &Notice) -> Result<(), Error> {
    let statement = db.prepare_cached(include_str!("sql/notices/done.sql")).await?;
    db.execute(&statement, &[&notice.id]).await?;
    Ok(())
}

/// It cannot be written now; it is tried again, ever more seldom.
///
/// # Errors
/// [`Error`] of the database.
pub async fn later(db: &Transaction<'_>, notice: &Notice) -> Result<(), Error> {
    let statement = db.prepare_cached(include_str!("sql/notices/later.sql")).await?;
    let seconds = 2f64.powi(notice.tries.clamp(0, 10)).min(LONGEST);
    db.execute(&statement, &[&notice.id, &seconds]).await?;
    Ok(())
}
