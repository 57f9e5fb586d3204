//! Editing a draft. The caller holds its row ([`drafts::hold`](super::drafts::hold)) until the commit.

use deadpool_postgres::Transaction;
use tokio_postgres::types::Json;

use super::Error;
use super::accept::{self, NewPlan, NewRecipient};
use super::drafts::Held;

/// People one statement writes.
const CHUNK: usize = 1000;

/// Writes what a draft says anew, its people apart. Ends with [`approval::edited`](super::approval::edited), as every edit does.
///
/// # Errors
/// [`Error`] that names the constraint `plan_reference` when another plan has the reference; [`Error`] of the database.
pub async fn replace(db: &Transaction<'_>, plan: &NewPlan) -> Result<(), Error> {
    let slots: Vec<i16> = plan.slots.iter().map(|slot| slot.code()).collect();
    let (untils, waits) = plan.ladder().map(|ladder| (ladder.untils, ladder.waits)).unzip();
    let statement = db.prepare_cached(include_str!("sql/edit/replace.sql")).await?;
    db.execute(
        &statement,
        &[
            &plan.id,
            &plan.lane.code(),
            &plan.on_unknown.code(),
            &slots,
            &plan.send_at,
            &plan.expires_at,
            &plan.title,
            &plan.reference,
            &Json(&plan.content),
            &Json(&plan.tiers),
            &plan.acknowledgement,
            &plan.metadata,
            &plan.first_tiers().codes(),
            &untils,
            &waits,
            &plan.terms.stored().map(Json),
            &plan.steps().codes(),
        ],
    )
    .await?;
    Ok(())
}

/// Puts other people in the place of a draft's, all of them.
///
/// # Errors
/// [`Error`] of the database.
pub async fn replace_people(db: &Transaction<'_>, plan: &NewPlan) -> Result<(), Error> {
    let gone = db.prepare_cached("DELETE FROM recipient WHERE plan_id = $1").await?;
    db.execute(&gone, &[&plan.id]).await?;
    let people: Vec<(i64, i32, &NewRecipient)> =
        (1..).zip(&plan.recipients).map(|(no, person)| (plan.id, no, person)).collect();
    for chunk in people.chunks(CHUNK) {
        accept::insert_rows(db, chunk).await?;
    }
    let count = db.prepare_cached(include_str!("sql/edit/count.sql")).await?;
    let total = i32::try_from(people.len()).unwrap_or(i32::MAX);
    db.execute(&count, &[&plan.id, &total, &plan.duplicates]).await?;
    Ok(())
}

/// Writes addresses and skips of people who stay, by their positions; at most some thousands.
///
/// # Errors
/// [`Error`] of the database.
pub async fn correct(
    db: &Transaction<'_>,
    draft: &Held,
    people: &[(i32, NewRecipient)],
) -> Result<(), Error> {
    let nos: Vec<i32> = people.iter().map(|(no, _)| *no).collect();
    let addresses: Vec<_> = people.iter().map(|(_, person)| Json(&person.addresses)).collect();
    let skips: Vec<_> =
        people.iter().map(|(_, person)| (!person.skips.is_empty()).then_some(Json(&person.skips))).collect();
    let statement = db.prepare_cached(include_str!("sql/edit/people.sql")).await?;
    db.execute(&statement, &[&draft.id, &nos, &addresses, &skips]).await?;
    Ok(())
}
