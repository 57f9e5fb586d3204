//! Recalls: what went out of a withdrawn plan is taken back where its provider can. The database has a job of kind 4 for each plan; one
//! worker at a time has it, and asks through the same accounts, limits and tokens that messages go by.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use herald_channels::{Recalled, registry};
use herald_shared::db::recall::{self, LEASE, Message, Recall};
use herald_shared::db::{self, ANSWER, Client, Error};
use herald_shared::domain::pointer::Pointer;
use herald_shared::domain::recall::Withdrawal;
use herald_shared::domain::{Channel, Class, Slot};
use tokio_util::sync::DropGuard;

use crate::LaneContext;
use crate::accounts::Open;
use crate::gate::CallGate;
use crate::health::throttled;
use crate::permits;

/// Between two looks for a recall.
const IDLE: Duration = Duration::from_millis(500);
/// Messages of one statement; of a batch call each is a thousand people.
const BATCH: i64 = 64;
/// Of them, asked at once; an account's own limits are tighter or not.
const AT_ONCE: usize = 8;
/// When a provider cannot answer just now, the pass goes on where it was after so long.
const AGAIN: Duration = Duration::from_secs(5);
/// Longest a call to a provider may take, whatever its driver thinks.
const LONGEST: Duration = Duration::from_secs(70);

/// Works off recalls of a lane, one at a time, until the process stops.
pub(crate) async fn run(context: Arc<LaneContext>, in_hand: Arc<DropGuard>) -> anyhow::Result<()> {
    let channels: Vec<Channel> = registry()
        .iter()
        .map(|provider| provider.spec())
        .filter(|spec| spec.recall.is_some())
        .map(|spec| spec.channel)
        .collect();
    let stop = context.shared.stop.clone();
    while !stop.is_cancelled() {
        let pause = match work(&context, &channels).await {
            Ok(true) => continue,
            Ok(false) => IDLE,
            Err(error) => {
                tracing::warn!(error = error.chain(), "cannot work on a recall: trying again");
                Duration::from_secs(1)
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(pause) => {} }
    }
    drop(in_hand);
    Ok(())
}

/// One recall, as far as it goes now; `false`: there is none.
async fn work(context: &LaneContext, channels: &[Channel]) -> Result<bool, Error> {
    let lane = context.lane;
    let taken = ask(context, async |client| recall::take(client, lane).await).await?;
    let Some(mut recall) = taken else { return Ok(false) };
    let mut nothing = recall.place == (0, 0, 0);
    while !context.shared.stop.is_cancelled() {
        let found = ask(context, async |client| recall::next(client, &recall, channels, BATCH).await).await?;
        let Some(last) = found.last().map(|message| message.place) else {
            ask(context, async |client| recall::end(client, &recall, nothing).await).await?;
            break;
        };
        nothing = false;
        if !batch(context, &mut recall, found, last).await? {
            break;
        }
    }
    Ok(true)
}

/// Asks of some messages, and notes what became of them; `false`: the rest waits, or is somebody else's.
async fn batch(
    context: &LaneContext,
    recall: &mut Recall,
    messages: Vec<Message>,
    last: recall::Place,
) -> Result<bool, Error> {
    let before = recall.place;
    let asked: Vec<(recall::Place, Result<Withdrawal, Duration>)> = futures_util::stream::iter(messages)
        .map(|message| async move { (message.place, withdraw(context, &message).await) })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let became: Vec<(recall::Place, Withdrawal)> =
        asked.iter().filter_map(|(place, became)| Some((*place, *became.as_ref().ok()?))).collect();
    let wait = asked.iter().filter_map(|(_, became)| became.as_ref().err()).max().copied();
    // Those that could not be asked are found again: what was noted is passed over.
    recall.place = if wait.is_some() { before } else { last };
    let noted = &*recall;
    let again = wait.unwrap_or(LEASE);
    let note = async |client: &mut Client| recall::note(client, noted, &became, noted.place, again).await;
    Ok(ask(context, note).await? && wait.is_none())
}

/// Takes one message back.
///
/// # Errors
/// After how long to ask again.
async fn withdraw(context: &LaneContext, message: &Message) -> Result<Withdrawal, Duration> {
    let Some(provider_ref) = message.provider_ref.as_deref() else { return Ok(Withdrawal::NotPossible) };
    let shared = &context.shared;
    shared.lease.alive().await;
    let loaded = shared.accounts.get(message.account, &shared.config.common.master_key, &context.pool).await;
    let account = match loaded {
        Ok(Some(account)) => account,
        // Deleted or disabled: nobody can ask in its name.
        Ok(None) => return Ok(Withdrawal::NotPossible),
        Err(error) => {
            tracing::warn!(error = error.chain(), "cannot load an account: its recalls wait");
            return Err(AGAIN);
        }
    };
    match account.spec.recall {
        None => return Ok(Withdrawal::NotPossible),
        Some(span) if message.age > span => return Ok(Withdrawal::TooLate),
        Some(_) => {}
    }
    let pointer = Pointer { job: 0, account: message.account, units: 1 };
    let (mut permits, _wish) =
        permits::first(context, &account, pointer).await.map_err(|wait| wait.max(AGAIN))?;
    let Some(permit) = permits.pop() else { return Err(AGAIN) };
    let at = (context.lane, None::<(i64, Slot)>, &[][..]);
    let gate = CallGate::new(shared.clone(), account.clone(), at, None, permit.place);
    let asked = tokio::time::timeout(LONGEST, account.driver.recall(provider_ref, &gate)).await;
    let became = judge(context, &account, asked.unwrap_or(Recalled::NotStarted)).await;
    drop(permit.call);
    became
}

async fn judge(context: &LaneContext, account: &Open, asked: Recalled) -> Result<Withdrawal, Duration> {
    match asked {
        Recalled::Taken => Ok(Withdrawal::Taken),
        Recalled::NotPossible => Ok(Withdrawal::NotPossible),
        Recalled::NotStarted => Err(AGAIN),
        Recalled::NotNow(failure) => {
            let (code, class) = (failure.code.as_str(), failure.class.as_str());
            tracing::info!(account = account.id, code, class, "a message cannot be taken back just now");
            if failure.class == Class::RateLimited {
                return Err(throttled(context, account, &failure).await.max(AGAIN));
            }
            Err(failure.retry_after.unwrap_or(AGAIN).max(AGAIN))
        }
    }
}

async fn ask<T>(
    context: &LaneContext,
    question: impl AsyncFnOnce(&mut Client) -> Result<T, Error>,
) -> Result<T, Error> {
    db::ask(&context.pool, ANSWER, question).await
}
