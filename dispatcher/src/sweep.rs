//! Sweep: ends what has expired, deletes what nobody needs, and measures what is due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use herald_shared::db::{self, ANSWER, Client, Error, admit, erase, escalate, files, subscriptions, sweep};
use herald_shared::domain::Lane;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::low::Low;

/// How far behind the oldest due job seen the next count looks for more.
const NEAR: Duration = Duration::from_secs(2);

/// Statements that mark expired plans in one sweep: a hundred thousand singles may have the same last second.
const EXPIRE_ROUNDS: u32 = 20;

/// Looks for plans to erase in one sweep; each finds 50 at most and does 5000 people of each.
const ERASE_ROUNDS: u32 = 4;
/// Days an event is kept, to be told again.
const EVENT_DAYS: i32 = 7;
/// Events forgotten in one statement, and statements in one sweep.
const FORGET: i64 = 5000;
const FORGET_ROUNDS: u32 = 40;

/// Sweeps until `stop`: expiry twice a second, tidying once a minute.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    let mut lows: HashMap<Lane, Low> = HashMap::new();
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 0u64.. {
        tokio::select! { () = stop.cancelled() => break, _ = tick.tick() => {} }
        if let Err(error) = without_account(&shared).await {
            tracing::warn!(error = error.chain(), "cannot fail what has no account: trying again");
        }
        if let Err(error) = once(&shared, &mut lows, round % 120 == 0).await {
            tracing::warn!(error = error.chain(), "cannot sweep: trying again");
        }
    }
    Ok(())
}

/// Erases what sensitive plans that have ended said, chunk by chunk.
async fn erase(shared: &Shared) -> Result<(), Error> {
    let pool = &shared.others;
    for _ in 0..ERASE_ROUNDS {
        let due = db::ask(pool, ANSWER, async |client| erase::due(client).await).await?;
        if due.is_empty() {
            break;
        }
        for plan in due {
            db::ask(pool, ANSWER, async |client| erase::chunk(client, plan).await).await?;
        }
    }
    Ok(())
}

/// What waited too long for an account fails, so that something else is tried. Several dispatchers share the work.
async fn without_account(shared: &Shared) -> Result<(), Error> {
    let fail = async |client: &mut Client| escalate::fail_without_account(client).await;
    let jobs = match db::ask(&shared.others, ANSWER, fail).await {
        // Lost against an outcome: the next round does it.
        Err(error) if error.is_conflict() => 0,
        answer => answer?,
    };
    if jobs > 0 {
        tracing::warn!(jobs, "no account was usable for as long as they may wait: failed");
    }
    Ok(())
}

async fn once(shared: &Shared, lows: &mut HashMap<Lane, Low>, tidy: bool) -> Result<(), Error> {
    let pool = &shared.others;
    let mut expired = 0;
    for _ in 0..EXPIRE_ROUNDS {
        let (now, more) = db::ask(pool, ANSWER, async |client| sweep::expire_plans(client).await).await?;
        expired += now;
        if !more {
            break;
        }
    }
    if expired > 0 {
        tracing::info!(plans = expired, "plans expired before everything in them was sent");
    }
    erase(shared).await?;
    if tidy {
        db::ask(pool, ANSWER, async |client| sweep::tidy(client).await).await?;
        remove_files(shared).await?;
        forget_events(shared).await?;
    }
    for &lane in Lane::ALL {
        let low = lows.entry(lane).or_insert_with(|| Low::new(NEAR, NEAR));
        let back = low.back();
        let due = db::ask(pool, ANSWER, async |client| admit::due(client, lane, back).await).await?;
        low.saw(due.oldest_seconds);
        shared.metrics.jobs_due.with_label_values(&[lane.as_str()]).set(due.jobs);
        shared.metrics.oldest_due.with_label_values(&[lane.as_str()]).set(due.oldest_seconds);
    }
    shared
        .metrics
        .pool_wait
        .set(shared.others.status().waiting as f64 + shared.urgent.status().waiting as f64);
    Ok(())
}

/// Removes files that no plan uses any more.
async fn remove_files(shared: &Shared) -> Result<(), Error> {
    while db::ask(&shared.others, ANSWER, async |client| files::tidy(client).await).await? > 0 {}
    Ok(())
}

/// Forgets events that are too old to be told again.
async fn forget_events(shared: &Shared) -> Result<(), Error> {
    for _ in 0..FORGET_ROUNDS {
        let (forgotten, untold) = db::ask(&shared.others, ANSWER, async |client| {
            subscriptions::sweep(client, EVENT_DAYS, FORGET).await
        })
        .await?;
        if untold > 0 {
            tracing::warn!(events = untold, "events were forgotten before their subscriptions took them");
        }
        if forgotten < FORGET {
            break;
        }
    }
    Ok(())
}
