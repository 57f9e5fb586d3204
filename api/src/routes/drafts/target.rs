//! A plan that people are added to: a draft, whose row is held meanwhile, or one that was sent, whose row must stay free.

use deadpool_postgres::Transaction;
use herald_shared::db;
use herald_shared::db::drafts::Held;
use herald_shared::domain::PlanStatus;
use herald_shared::domain::ids::PlanRef;

use super::hold;
use crate::error::{Kind, Problem, Result};

/// Takes the plan for the transaction; one request at a time adds to it.
pub(super) async fn open(db: &Transaction<'_>, tenant_id: i64, plan: PlanRef) -> Result<Held> {
    let look = async || -> Result<Held> {
        db::adding::look(db, tenant_id, plan).await?.ok_or_else(|| Problem::not_found("plan"))
    };
    let found = look().await?;
    if found.status == PlanStatus::Draft {
        return hold(db, tenant_id, plan, "given recipients").await;
    }
    check(&found)?;
    if !db::adding::turn(db, plan.id).await? {
        let detail =
            "Another request is adding to this plan, perhaps an upload: try again when it has ended.";
        return Err(Problem::new(Kind::InProgress, detail).retry_after(1));
    }
    // Whoever had the turn before has given out positions.
    let found = look().await?;
    check(&found)?;
    Ok(found)
}

/// Makes the people that were written part of the plan.
pub(super) async fn close(
    db: &Transaction<'_>,
    plan: &Held,
    key_id: i64,
    (added, duplicates): (i32, i32),
) -> Result<()> {
    if plan.status == PlanStatus::Draft {
        db::drafts::grow(db, plan, added, duplicates).await?;
        return Ok(db::approval::edited(db, plan.id, key_id).await?);
    }
    if added == 0 || db::adding::join(db, plan, added, duplicates).await? {
        return Ok(());
    }
    let detail = "The plan was ended meanwhile, or has had enough answers: nobody was added.";
    Err(Problem::new(Kind::PlanState, detail))
}

fn check(plan: &Held) -> Result<()> {
    use PlanStatus as P;
    let status = plan.status;
    if plan.binned {
        return Err(Problem::new(Kind::PlanState, "The plan is in the bin: restore it first."));
    }
    if matches!(status, P::Draft | P::Scheduled | P::Running | P::Paused | P::Finished) {
        return Ok(());
    }
    let detail = format!(
        "The plan is {status}; people can be added to one that is draft, scheduled, running, paused or finished. Send a copy of it: \
         POST /v1/plans/{{id}}/copy."
    );
    Err(Problem::new(Kind::PlanState, detail))
}
