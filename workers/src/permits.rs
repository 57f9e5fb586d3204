//! What calls need before they are marked: to be one of the account's calls at once, and a place on the way to a slot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_shared::domain::Lane;
use herald_shared::domain::pointer::Pointer;
use tokio::sync::OwnedSemaphorePermit;

use crate::LaneContext;
use crate::accounts::Open;
use crate::capacity::{Place, Wish};

/// Longest wait for an account's capacity while holding only the pointer; then the job goes back.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a job waits that found no capacity.
pub(crate) const CROWDED: Duration = Duration::from_millis(500);
/// Between two calls of a worker to an account that is out of use.
const PROBE: Duration = Duration::from_secs(5);

/// What a call needs to be made: one of the calls at once, and a place on the way to a slot.
pub(crate) struct Permit {
    pub(crate) call: Place,
    pub(crate) place: Places,
}

/// Places on the way to a slot of the account, and to one of its tenant where that has limits too.
pub(crate) struct Places {
    _account: OwnedSemaphorePermit,
    _tenant: Option<OwnedSemaphorePermit>,
}

impl Places {
    async fn wait(account: &Open, lane: Lane) -> Self {
        let of_tenant = account.tenant();
        let _tenant = match &of_tenant {
            Some(limiter) => Some(limiter.place(lane).await),
            None => None,
        };
        Places { _account: account.limiter.place(lane).await, _tenant }
    }

    /// Those that are free.
    pub(crate) fn free(account: &Open, lane: Lane) -> Option<Self> {
        let _tenant = match account.tenant() {
            Some(limiter) => Some(limiter.try_place(lane)?),
            None => None,
        };
        Some(Places { _account: account.limiter.try_place(lane)?, _tenant })
    }
}

/// Permits for the first calls: at least one, as many as are free up to what the job can use; and its wish for more.
///
/// # Errors
/// How long the job is to wait: its account pauses, is out of use, or has no place soon.
pub(crate) async fn first(
    context: &LaneContext,
    account: &Arc<Open>,
    pointer: Pointer,
) -> Result<(Vec<Permit>, Wish), Duration> {
    let waited = Instant::now();
    if account.limiter.rests() {
        return Err(Duration::ZERO);
    }
    if let Some(pause) = account.limiter.paused().filter(|pause| *pause > PATIENCE) {
        return Err(pause);
    }
    let batch = account.most(account.spec.batch);
    let mut calls = usize::try_from((pointer.units + batch - 1) / batch).unwrap_or(1);
    if account.limiter.is_open() {
        // One call tells whether it works again; what it cannot take goes back, for admission to choose another account.
        if !account.limiter.may_probe(PROBE.min(context.shared.config.timings.probe)) {
            return Err(Duration::ZERO);
        }
        calls = 1;
    }
    let urgent = context.lane == Lane::Urgent;
    let wish = account.capacity.wish(u32::try_from(calls - 1).unwrap_or(u32::MAX), false);
    let first = async {
        // The place first: whoever waits for one must not keep a more urgent call from being one of those at once.
        let place = Places::wait(account, context.lane).await;
        let call = account.capacity.take(urgent).await;
        Permit { call, place }
    };
    let first = tokio::time::timeout(PATIENCE, first).await;
    let channel = account.spec.channel.as_str();
    context.shared.metrics.rate_wait.with_label_values(&[channel]).observe(waited.elapsed().as_secs_f64());
    let mut permits = vec![first.map_err(|_| CROWDED)?];
    permits.extend(more(context, account, calls.saturating_sub(1)));
    Ok((permits, wish))
}

/// Permits free right now.
pub(crate) fn more(context: &LaneContext, account: &Arc<Open>, most: usize) -> impl Iterator<Item = Permit> {
    let urgent = context.lane == Lane::Urgent;
    (0..most).map_while(move |_| {
        let place = Places::free(account, context.lane)?;
        Some(Permit { call: account.capacity.try_take(urgent)?, place })
    })
}
