//! Calls one subscription as long as there is something due: round after round, each recorded before the next begins.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use herald_channels::NotTaken;
use herald_shared::db::subscriptions::{self, Call, Leased, Round, State, Target};
use herald_shared::db::{self, Error};
use herald_shared::domain::events::{self, Place, Progress};
use uuid::Uuid;

use super::{ANSWER, CALLS, LEASE, Office, body};

/// Events looked at in a round. What a receiver refuses again and again holds what follows it to the same recipient; others go past.
const WINDOW: i64 = 500;
/// A round begins no call after this, so that little is told twice when the process dies.
const ROUND: Duration = Duration::from_secs(1);
/// When a subscription with nothing to tell now is looked at again.
const REST: Duration = Duration::from_millis(500);

/// Until nothing is due, the lease is lost, or the process stops.
///
/// # Errors
/// [`Error`] of the database; the lease then ends by itself.
pub(super) async fn run(office: &Office, leased: Leased) -> Result<(), Error> {
    while !office.stop.is_cancelled() {
        let Some((target, calls)) = next(office, leased).await? else { break };
        let Some(round) = make(office, leased, &target, &calls).await else { break };
        let patience = office.patience;
        let state = db::ask(&office.pool, ANSWER, async |client| {
            subscriptions::record(client, leased, &round, patience).await
        })
        .await?;
        if state == Some(State::Paused) {
            // Why is told to its owner: it is the receiver's words.
            tracing::warn!(subscription = %leased.uid, "a subscription is paused: its receiver takes nothing");
        }
        if state != Some(State::Ok) {
            break;
        }
    }
    db::ask(&office.pool, ANSWER, async |client| subscriptions::release(client, leased, REST).await).await
}

async fn next(office: &Office, leased: Leased) -> Result<Option<(Target, Vec<Call>)>, Error> {
    db::ask(&office.pool, ANSWER, async |client| {
        let Some(target) = subscriptions::renew(client, leased, LEASE).await? else { return Ok(None) };
        Ok(Some((target, subscriptions::window(client, leased, WINDOW).await?)))
    })
    .await
}

/// Makes the calls of one round; `None`: there were none to make.
async fn make(office: &Office, leased: Leased, target: &Target, calls: &[Call]) -> Option<Round> {
    let mut round = Round { failures: target.failures, ..Round::default() };
    let Some(secret) = secret(office, leased, target) else {
        round.trouble = Some("the signing secret cannot be opened: see HERALD_MASTER_KEY".to_owned());
        round.wait = Duration::from_secs(60);
        return Some(round);
    };
    let mut places: Vec<Place> = calls.iter().map(place).collect();
    // Of what is gone nothing is told.
    round.taken.extend(calls.iter().filter(|call| call.event.is_none()).map(|call| call.event_id));
    // A receiver that was failing is asked with one call.
    let most = if target.failures > 0 { 1 } else { CALLS as usize };
    let (begun, mut running) = (Instant::now(), FuturesUnordered::new());
    let mut failed: Vec<NotTaken> = Vec::new();
    let mut took = false;
    loop {
        while running.len() < most
            && failed.is_empty()
            && begun.elapsed() < ROUND
            && (target.failures == 0 || !took)
            && !office.stop.is_cancelled()
        {
            let Some(index) = events::next(&places) else { break };
            places[index].progress = Progress::Held;
            running.push(one(office, leased.uid, (&target.url, &secret), index, &calls[index]));
        }
        let Some((index, answer)) = running.next().await else { break };
        match answer {
            Ok(()) => {
                took = true;
                places[index].progress = Progress::Told;
                round.taken.push(calls[index].event_id);
            }
            Err(why) => {
                let attempts = u32::from(calls[index].attempts.unsigned_abs()) + 1;
                let wait = events::wait(office.base, attempts, why.retry_after, fastrand::f64());
                round.refused.push((calls[index].event_id, wait));
                failed.push(why);
            }
        }
    }
    if round.taken.is_empty() && failed.is_empty() {
        return None;
    }
    conclude(office, &mut round, took, &failed);
    Some(round)
}

/// What the round says of the receiver: one that took anything is not failing.
fn conclude(office: &Office, round: &mut Round, took: bool, failed: &[NotTaken]) {
    let Some(last) = failed.last() else { return };
    round.is_gone = failed.iter().any(|why| why.is_gone);
    let wish = failed.iter().filter_map(|why| why.retry_after).max();
    if took && !round.is_gone {
        round.wait = wish.map_or(Duration::ZERO, |wish| events::wait(office.base, 1, Some(wish), 0.5));
        return;
    }
    let failures = round.failures.unsigned_abs() + 1;
    round.wait = events::wait(office.base, failures, wish, fastrand::f64());
    round.trouble = Some(last.reason.clone());
}

fn place(call: &Call) -> Place {
    let Some(event) = &call.event else { return Place { plan: 0, no: 0, progress: Progress::Told } };
    let progress = if call.is_due { Progress::Waiting } else { Progress::Held };
    match event.plan {
        Some(plan) => Place { plan: plan.id, no: event.no, progress },
        // Tests follow nothing and hold nothing up: each is like a plan of its own.
        None => Place { plan: -call.event_id, no: 0, progress },
    }
}

fn secret(office: &Office, leased: Leased, target: &Target) -> Option<String> {
    let opened = office.ring.open(&target.secret, &subscriptions::secret_aad(leased.uid));
    opened.ok().and_then(|plain| String::from_utf8(plain).ok())
}

async fn one(
    office: &Office,
    subscription: Uuid,
    (url, secret): (&str, &str),
    index: usize,
    call: &Call,
) -> (usize, Result<(), NotTaken>) {
    let answer = match &call.event {
        Some(event) => office.hooks.call(url, secret, event.uid, body::of(subscription, event)).await,
        None => Ok(()),
    };
    let outcome = answer.as_ref().map_or_else(|why| why.outcome, |()| "taken");
    office.metrics.subscription_calls.with_label_values(&[outcome]).inc();
    (index, answer)
}
