//! Forget: what belongs to purged plans goes, and what was said in plans that were to be kept for so long only. In chunks, plan by plan in
//! turn; any number of dispatchers at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use herald_shared::db::{self, ANSWER, Client, Error, keep, purge};
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// Between two looks when nothing was to be done: nobody waits for it.
const IDLE: Duration = Duration::from_secs(1);

/// Where the next look and the chunks go on. Lost with the process: what was done is found done.
#[derive(Default)]
struct Places {
    /// The purged plan that was looked at last.
    purged: i64,
    /// The person of each plan that was erased last.
    erased: HashMap<i64, i32>,
}

/// Forgets until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut places = Places::default();
    while !stop.is_cancelled() {
        let pause = match round(&shared, &mut places).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => IDLE,
            Err(error) => {
                tracing::warn!(error = error.chain(), "cannot purge or erase: trying again");
                IDLE
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(pause) => {} }
    }
    Ok(())
}

/// One chunk of every plan; whether there is more to do at once.
async fn round(shared: &Shared, places: &mut Places) -> Result<bool, Error> {
    let purged = purge(shared, places).await?;
    Ok(erase(shared, places).await? || purged)
}

async fn purge(shared: &Shared, places: &mut Places) -> Result<bool, Error> {
    let pool = &shared.others;
    let due = db::ask(pool, ANSWER, async |client| purge::due(client).await).await?;
    if due > 0 {
        tracing::info!(plans = due, "plans were purged whose time in the bin was over");
    }
    let from = places.purged;
    let (plans, next) = db::ask(pool, ANSWER, async |client| purge::left(client, from).await).await?;
    places.purged = next.unwrap_or(0);
    let mut more = due > 0 || next.is_some();
    for plan in plans {
        let chunk = async |client: &mut Client| purge::chunk(client, &plan).await;
        more |= unless_taken(db::ask(pool, ANSWER, chunk).await, true)?;
    }
    Ok(more)
}

async fn erase(shared: &Shared, places: &mut Places) -> Result<bool, Error> {
    let pool = &shared.others;
    let plans = db::ask(pool, ANSWER, async |client| keep::due(client).await).await?;
    places.erased.retain(|id, _| plans.iter().any(|plan| plan.id == *id));
    for plan in &plans {
        let after = places.erased.get(&plan.id).copied().unwrap_or(0);
        let chunk = async |client: &mut Client| keep::chunk(client, plan, after).await;
        match unless_taken(db::ask(pool, ANSWER, chunk).await, Some(after))? {
            Some(last) => places.erased.insert(plan.id, last),
            None => places.erased.remove(&plan.id),
        };
    }
    Ok(!plans.is_empty())
}

/// A chunk that another dispatcher has in hand is left to it for now.
fn unless_taken<T>(answer: Result<T, Error>, taken: T) -> Result<T, Error> {
    match answer {
        Err(error) if error.is_conflict() => Ok(taken),
        answer => answer,
    }
}
