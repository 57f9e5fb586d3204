//! An account's state as its calls show it: what they came to is told to the fleet, and what follows is judged (`domain::health`).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use herald_channels::Spec;
use herald_shared::db::{self, Client, Error, Pool, health, settle};
use herald_shared::domain::account_choice::WAITED_FOR;
use herald_shared::domain::health::{LONGEST, judge};
use herald_shared::domain::{Class, Failure, Verdict};
use tokio_util::sync::CancellationToken;

use crate::accounts::Open;
use crate::limiter::Whose;
use crate::{LaneContext, Shared};

/// Longest wait for an answer to a report.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two reports of a worker about an account.
const EVERY: Duration = Duration::from_millis(500);
/// The pause after a throttle answer that names none.
const THROTTLED: Duration = Duration::from_secs(1);
/// The longest pause of the whole account that one recipient's server can bring about; its own message waits as long as it asked.
pub(crate) const OF_ONE: Duration = Duration::from_secs(10);

/// Calls since the last report.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    good: u32,
    bad: u32,
    took: Duration,
    /// What the last bad one said.
    words: String,
}

impl Tally {
    /// Counts a call. A pause asked for says nothing of health, nor does a call that did not begin.
    pub(crate) fn add(&self, spec: &Spec, verdict: &Verdict, took: Duration) {
        let blamed = match verdict {
            Verdict::NotStarted => return,
            // An account error has opened the breaker already.
            Verdict::Failed(failure) if matches!(failure.class, Class::RateLimited | Class::Account) => {
                return;
            }
            // Another provider for each recipient: its failure says nothing of the others.
            Verdict::Failed(_) if !spec.one_provider => return,
            Verdict::Failed(failure) => blames_account(failure).then_some(failure),
            _ => None,
        };
        let mut counts = self.0.lock().expect("nothing panics while it is held");
        counts.took += took;
        match blamed {
            Some(failure) => {
                counts.bad += 1;
                counts.words = format!("{} {}", failure.code, failure.detail);
            }
            None => counts.good += 1,
        }
    }

    fn take(&self) -> Option<Counts> {
        let mut counts = self.0.lock().expect("nothing panics while it is held");
        (counts.good + counts.bad > 0).then(|| std::mem::take(&mut *counts))
    }
}

/// Whether a failure may be the account's or its provider's, and not one recipient's or one message's.
fn blames_account(failure: &Failure) -> bool {
    // Mail: x.1.x and x.2.x are about addresses and mailboxes (RFC 3463), and so are 450 and 452 where nothing else is said.
    let mut words = failure.code.split_whitespace();
    let (code, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let of_recipient = match status.split('.').nth(1) {
        Some(subject) => matches!(subject, "1" | "2"),
        None => matches!(code, "450" | "452"),
    };
    matches!(failure.class, Class::Transient | Class::Unknown) && !of_recipient
}

/// Tells the fleet how accounts did, until everything in hand is recorded.
pub(crate) async fn run(shared: Arc<Shared>, pool: Pool, drained: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = drained.cancelled() => return Ok(()), _ = tick.tick() => {} }
        for account in shared.accounts.all() {
            let Some(counts) = account.tally.take() else { continue };
            if let Err(error) = tell(&shared, &pool, &account, counts).await {
                tracing::warn!(account = account.id, error = error.chain(), "cannot tell how an account did");
            }
        }
    }
}

async fn tell(shared: &Shared, pool: &Pool, account: &Open, counts: Counts) -> Result<(), Error> {
    db::ask(pool, ANSWER, async |client| report(shared, client, account, counts).await).await
}

async fn report(shared: &Shared, client: &Client, account: &Open, counts: Counts) -> Result<(), Error> {
    let fresh = (counts.good, counts.bad);
    let seen = health::note(client, account.id, fresh, counts.took / (counts.good + counts.bad)).await?;
    let judged = judge(&seen, fresh, shared.config.timings.probe);
    if !health::judged(client, account.id, &seen, &judged).await? {
        return Ok(());
    }
    match (seen.open, judged.open_for) {
        (false, Some(_)) => {
            let calls = seen.good + seen.bad;
            let reason = format!(
                "{:.0} of the last {calls:.0} calls failed, the last with: {}",
                seen.bad,
                counts.words.trim()
            );
            tell_down(shared, client, account, &reason).await?;
        }
        (true, None) => tell_up(client, account).await?,
        _ => {}
    }
    Ok(())
}

/// Takes an account out of use, loudly; the work goes to another, or waits.
pub(crate) async fn account_down(context: &LaneContext, account: &Open, reason: &str) {
    let shared = &context.shared;
    account.limiter.set_open(true);
    let write = async |client: &mut Client| {
        health::trip(client, (account.id, account.version), shared.config.timings.probe, LONGEST).await?;
        tell_down(shared, client, account, reason).await
    };
    if let Err(error) = db::ask(&context.pool, ANSWER, write).await {
        tracing::warn!(error = error.chain(), "cannot write an account's state: the next call tries again");
    }
}

async fn tell_down(shared: &Shared, client: &Client, account: &Open, reason: &str) -> Result<(), Error> {
    account.down.store(true, Ordering::Relaxed);
    if settle::account_down(client, (account.id, account.version), reason).await? {
        let spec = account.spec;
        let labels = [spec.channel.as_str(), spec.provider];
        shared.metrics.accounts_down.with_label_values(&labels).inc();
        tracing::error!(
            account = account.id,
            reason,
            "an account is out of use: correct it with PATCH /v1/accounts/{{id}} or verify it"
        );
    }
    Ok(())
}

async fn tell_up(client: &Client, account: &Open) -> Result<(), Error> {
    if settle::account_up(client, account.id).await? {
        tracing::info!(account = account.id, "an account works again");
    }
    Ok(())
}

/// Puts an account back into use.
pub(crate) async fn account_up(context: &LaneContext, account: &Open) {
    let write = async |client: &mut Client| tell_up(client, account).await;
    if let Err(error) = db::ask(&context.pool, ANSWER, write).await {
        tracing::warn!(error = error.chain(), "cannot write an account's state: the next call tries again");
    }
}

/// The provider asked for a pause: this worker stops at once, the fleet within a tenth of a second. Returns how long the call itself waits.
pub(crate) async fn throttled(context: &LaneContext, account: &Open, failure: &Failure) -> Duration {
    let wish = failure.retry_after.unwrap_or(THROTTLED).min(context.shared.config.timings.longest_pause);
    let pause = if account.spec.one_provider { wish } else { wish.min(OF_ONE) };
    account.limiter.pause(pause, pause >= WAITED_FOR);
    let spec = account.spec;
    let labels = [spec.channel.as_str(), spec.provider];
    context.shared.metrics.throttled.with_label_values(&labels).inc();
    let words = format!("{} {}", failure.code, failure.detail);
    tracing::info!(
        account = account.id,
        pause_ms = pause.as_millis() as u64,
        "the provider asks for a pause"
    );
    let write = async |client: &mut Client| {
        if spec.one_provider {
            health::throttle(client, account.id, pause, words.trim()).await
        } else {
            health::pause(client, account.id, pause, words.trim()).await
        }
    };
    if let Err(error) = db::ask(&context.pool, ANSWER, write).await {
        tracing::warn!(
            error = error.chain(),
            "cannot tell the fleet of a pause: each worker will hear it itself"
        );
    }
    // After a long pause of the account the work is admission's again: perhaps another account can take it.
    if account.limiter.rests() { Duration::ZERO } else { wish }
}

/// A day's quota is used up: the fleet rests, so that admission gives the work to another account.
pub(crate) async fn rest(shared: &Shared, account: &Open, pause: Duration, whose: Whose) {
    account.limiter.pause(pause, true);
    let words = match whose {
        Whose::Account => "the quota of the day (limits.per_day) is used up",
        Whose::Tenant => "the tenant's quota of the day is used up",
    };
    tracing::warn!(account = account.id, "an account rests: {words}");
    let write = async |client: &mut Client| health::pause(client, account.id, pause, words).await;
    if let Err(error) = db::ask(&shared.pace.unsynced, ANSWER, write).await {
        tracing::warn!(error = error.chain(), "cannot tell the fleet that an account rests");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use herald_shared::domain::Reason;

    #[test]
    fn recipients_are_not_the_accounts_fault() {
        let blames = |class, code: &str| {
            let (code, detail) = (code.to_owned(), String::new());
            blames_account(&Failure { class, code, detail, reason: Reason::Timeout, retry_after: None })
        };
        assert!(blames(Class::Transient, "503"));
        assert!(blames(Class::Transient, "421 4.3.2"));
        assert!(blames(Class::Unknown, "timeout"));
        assert!(!blames(Class::Transient, "450 4.2.1"));
        assert!(!blames(Class::Transient, "452"));
        assert!(!blames(Class::PermanentRecipient, "550 5.1.1"));
    }
}
