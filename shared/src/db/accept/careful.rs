//! The careful case of acceptance: some Idempotency-Keys or references are taken already.

use deadpool_postgres::{Client, GenericClient, Transaction};

use super::{Accepted, Idempotency, KEYS, NewPlan, StoredAnswer, insert_plans, insert_recipients, start};
use crate::db::Error;
use crate::domain::ids::PlanRef;

/// What lost its key or reference is answered, the rest is written.
pub(super) async fn one_by_one(client: &mut Client, plans: &[NewPlan]) -> Result<Vec<Accepted>, Error> {
    let transaction = client.transaction().await?;
    let won = take_keys(&transaction, plans).await?;
    let mut answers: Vec<Option<Accepted>> = plans.iter().map(|_| None).collect();
    let lost = |i: &usize| plans[*i].idempotency.is_some() && !won.contains(&plans[*i].id);
    let (losers, fresh): (Vec<usize>, Vec<usize>) = (0..plans.len()).partition(lost);
    let written = insert_plans(&transaction, plans, &fresh).await?;
    let (fresh, taken): (Vec<usize>, Vec<usize>) =
        fresh.into_iter().partition(|&i| written.contains(&plans[i].id));
    for i in taken {
        answers[i] = Some(reference_taken(&transaction, &plans[i]).await?);
    }
    // After the references: the winner of a key in this very batch may have been refused, and its key freed.
    for i in losers {
        let kept = stored(&transaction, &plans[i]).await?;
        answers[i] = Some(match kept {
            Some(answer) => answer,
            None => reference_taken(&transaction, &plans[i]).await?,
        });
    }
    insert_recipients(&transaction, plans, &fresh).await?;
    let mut wakes = start(&transaction, plans, &fresh).await?;
    transaction.commit().await?;
    for i in fresh {
        answers[i] = Some(Accepted::Created { wakes: wakes.remove(&plans[i].id).unwrap_or_default() });
    }
    Ok(answers.into_iter().map(|answer| answer.expect("each plan was written or answered")).collect())
}

/// The idempotency keys in key order, with their plans: two batches with the same keys must not wait for each other.
pub(super) fn sorted_keys(plans: &[NewPlan]) -> Vec<(i64, &Idempotency)> {
    let mut keyed: Vec<(i64, &Idempotency)> =
        plans.iter().filter_map(|plan| Some((plan.id, plan.idempotency.as_ref()?))).collect();
    keyed.sort_by(|(_, a), (_, b)| (a.api_key_id, a.route, &a.key).cmp(&(b.api_key_id, b.route, &b.key)));
    keyed
}

/// Takes the idempotency keys; returns the ids of the plans that won theirs.
async fn take_keys(db: &Transaction<'_>, plans: &[NewPlan]) -> Result<Vec<i64>, Error> {
    let keyed = sorted_keys(plans);
    if keyed.is_empty() {
        return Ok(Vec::new());
    }
    let column = |get: fn(&Idempotency) -> &str| keyed.iter().map(|(_, k)| get(k)).collect::<Vec<_>>();
    let ids: Vec<i64> = keyed.iter().map(|(_, k)| k.api_key_id).collect();
    let hashes: Vec<&[u8]> = keyed.iter().map(|(_, k)| &k.hash[..]).collect();
    let statuses: Vec<i16> = keyed.iter().map(|(_, k)| k.status).collect();
    let plan_ids: Vec<i64> = keyed.iter().map(|&(id, _)| id).collect();
    let insert = db.prepare_cached(KEYS).await?;
    let (routes, names) = (column(|k| k.route), column(|k| &k.key));
    let (locations, bodies) = (column(|k| &k.location), column(|k| &k.body));
    let rows = db
        .query(&insert, &[&ids, &routes, &names, &hashes, &statuses, &locations, &bodies, &plan_ids])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Reads the answer another request left, in a statement of its own so that it is visible.
async fn stored(db: &Transaction<'_>, plan: &NewPlan) -> Result<Option<Accepted>, Error> {
    let Some(key) = &plan.idempotency else { return Ok(None) };
    let statement = db.prepare_cached(include_str!("../sql/accept/stored.sql")).await?;
    let Some(row) = db.query_opt(&statement, &[&key.api_key_id, &key.route, &key.key]).await? else {
        return Ok(None);
    };
    if row.get::<_, &[u8]>(0) != key.hash {
        return Ok(Some(Accepted::KeyReused));
    }
    let (status, location, body) = (row.get(1), row.get(2), row.get(3));
    Ok(Some(Accepted::Replayed(StoredAnswer { status, location, body })))
}

async fn reference_taken(db: &Transaction<'_>, plan: &NewPlan) -> Result<Accepted, Error> {
    if let Some(key) = &plan.idempotency {
        // Only 2xx answers are kept.
        let statement = db.prepare_cached(include_str!("../sql/accept/forget_key.sql")).await?;
        db.execute(&statement, &[&key.api_key_id, &key.route, &key.key]).await?;
    }
    let statement =
        db.prepare_cached("SELECT created_at, id FROM plan WHERE tenant_id = $1 AND reference = $2").await?;
    let row = db.query_one(&statement, &[&plan.tenant_id, &plan.reference]).await?;
    Ok(Accepted::ReferenceTaken(PlanRef::new(row.get(0), row.get(1))))
}
