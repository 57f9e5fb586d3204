//! Erase: content, variables and addresses of sensitive plans that have ended. Counts and results stay.

use deadpool_postgres::{Client, GenericClient};

use super::Error;

/// Plans one look returns.
const PLANS: i64 = 50;
/// Recipients erased in one transaction.
const CHUNK: i32 = 5000;

/// A plan that is to be erased.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// The plan.
    pub plan_id: i64,
    recipients: i32,
    erased_to: i32,
}

/// Plans that are to be erased, at most 50.
///
/// # Errors
/// [`Error`] of the database.
pub async fn due(client: &impl GenericClient) -> Result<Vec<Due>, Error> {
    let statement = client.prepare_cached(include_str!("sql/erase/due.sql")).await?;
    let rows = client.query(&statement, &[&PLANS]).await?;
    let due = |row: &tokio_postgres::Row| Due {
        plan_id: row.get("id"),
        recipients: row.get("n_recipients"),
        erased_to: row.get("erased_to"),
    };
    Ok(rows.iter().map(due).collect())
}

/// Erases the next 5000 recipients of a plan, in a transaction of its own; with the last ones, the content. A plan that is sent again
/// meanwhile, or is in another's hands, stays as it is.
///
/// # Errors
/// [`Error`]; nothing of the chunk is done.
pub async fn chunk(client: &mut Client, due: Due) -> Result<(), Error> {
    let Due { plan_id, recipients, erased_to } = due;
    let transaction = client.transaction().await?;
    let hold = transaction.prepare_cached(include_str!("sql/erase/hold.sql")).await?;
    if !transaction.query_one(&hold, &[&plan_id]).await?.get::<_, bool>(0) {
        return Ok(());
    }
    let upto = erased_to.saturating_add(CHUNK).min(recipients.max(0));
    let people = transaction.prepare_cached(include_str!("sql/erase/people.sql")).await?;
    transaction.execute(&people, &[&plan_id, &erased_to, &upto]).await?;
    let plan = transaction.prepare_cached(include_str!("sql/erase/plan.sql")).await?;
    if transaction.query_opt(&plan, &[&plan_id, &upto]).await?.is_some() {
        transaction.commit().await?;
    }
    Ok(())
}
