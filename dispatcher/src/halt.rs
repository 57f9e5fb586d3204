//! Halt: jobs of plans that were paused, resumed or ended. A chunk of each large plan in turn and of many small ones together, so
//! that neither a large one nor a great number of small ones starves the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_shared::db::sweep::{self, Halted};
use herald_shared::db::{self, ANSWER, Client, Error};
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// Between two looks when nothing was to be done.
const IDLE: Duration = Duration::from_millis(200);
/// No longer than this, however long a look takes.
const LONGEST: Duration = Duration::from_secs(2);
/// Looking takes at most one part in so many of the time when there is nothing to be done: what a transaction left open keeps in an
/// index makes looks long.
const PART: u32 = 10;

/// Where the looks at each kind go on.
type Places = HashMap<Halted, i64>;

/// Sees to halted plans until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut places = Places::new();
    while !stop.is_cancelled() {
        let begun = Instant::now();
        let pause = match round(&shared, &mut places).await {
            Ok(true) => continue,
            Ok(false) => (begun.elapsed() * PART).clamp(IDLE, LONGEST),
            Err(error) => {
                tracing::warn!(error = error.chain(), "cannot see to halted plans: trying again");
                Duration::from_secs(1)
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(pause) => {} }
    }
    Ok(())
}

/// One chunk of every large plan and one of small ones; whether there is more to do at once.
async fn round(shared: &Shared, places: &mut Places) -> Result<bool, Error> {
    let mut more = false;
    for kind in [Halted::Large, Halted::Ended, Halted::Parked, Halted::Enough] {
        let after = places.remove(&kind).unwrap_or(0);
        let halted = async |client: &mut Client| sweep::halted(client, kind, after).await;
        let look = db::ask(&shared.others, ANSWER, halted).await?;
        if let Some(next) = look.next {
            places.insert(kind, next);
            more = true;
        }
        if kind == Halted::Enough {
            for &plan in &look.plans {
                more |= end_not_needed(shared, plan).await?;
            }
            continue;
        }
        let each = if kind == Halted::Large { 1 } else { look.plans.len().max(1) };
        for plans in look.plans.chunks(each) {
            more |= turn(shared, plans).await?;
        }
    }
    Ok(more)
}

async fn end_not_needed(shared: &Shared, plan: i64) -> Result<bool, Error> {
    match db::ask(&shared.others, ANSWER, async |client| sweep::end_not_needed(client, plan).await).await {
        Err(error) if error.is_conflict() => Ok(true),
        answer => answer,
    }
}

async fn turn(shared: &Shared, plans: &[i64]) -> Result<bool, Error> {
    match db::ask(&shared.others, ANSWER, async |client| sweep::turn(client, plans).await).await {
        // Lost against a worker's outcome: the chunk is done next time. Nobody else waits for it.
        Err(error) if error.is_conflict() => Ok(true),
        answer => answer,
    }
}
