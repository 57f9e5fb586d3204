//! When a call of an account may start: the fleet's slots (`domain::slots`), urgent ones first, and its pauses.
//!
//! Two steps. A *place* is taken before the claim, holding nothing but a pointer: as many as will find a slot within about a fifth
//! of a second. The *slot* itself is taken last, with the connection open and the attempt marked, just before the first byte.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use herald_shared::db::pace::{self, Answer};
use herald_shared::db::{self, Error, Pool};
use herald_shared::domain::Lane;
use herald_shared::domain::limits::Limits;
use herald_shared::domain::slots::{Book, Slot, slice};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

/// How far ahead slices are taken; an urgent call may find that much given out to bulk.
const AHEAD: Duration = Duration::from_millis(100);
/// The same, while an urgent call waits.
const AHEAD_URGENT: Duration = Duration::from_millis(200);
/// Seconds' worth of calls that may stand between place and slot, in each worker.
const STANDING: f64 = 0.2;
/// Longest wait for a slot with an open connection.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Longest wait for the database to give some out, whoever waits for them: to give up a question that is under way would lose what it
/// gives, and a connection with it; where many wait longer than [`PATIENCE`] for a full account, all of it.
const ANSWER: Duration = Duration::from_secs(1);
/// How long a job waits that found no slot within `PATIENCE`.
pub(crate) const CROWDED: Duration = Duration::from_millis(200);
/// How long an account waits when the units of a minute are used up; some come back each second. Longer than a job waits with
/// nothing but its pointer, so that the next ones are not even claimed.
pub(crate) const MINUTE_USED: Duration = Duration::from_millis(1200);
/// How long calls are kept as small as what was left of a minute or day. When that is used up the account waits anyway.
const FITS: Duration = Duration::from_secs(2);
/// How long an account rests when the units of a day are used up; some come back every 24 minutes.
pub(crate) const DAY_USED: Duration = Duration::from_secs(300);

/// Why a call may not start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Worth another try after this long.
    Later(Duration),
    /// The call is too large for what is left of the minute or day: a smaller one may go.
    TooLarge,
    /// The minute's units are used up.
    MinuteUsed,
    /// The day's units are used up.
    DayUsed(Whose),
}

/// Whose limits a limiter keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// An account's.
    Account,
    /// A tenant's, over all its accounts.
    Tenant,
}

/// The limits of one account, as this worker keeps them.
pub(crate) struct Limiter {
    account: i64,
    limits: Limits,
    places: [Arc<Semaphore>; 3],
    /// One call a lane at a time looks for its slot; the lock is fair, so they come in order.
    turns: [tokio::sync::Mutex<()>; 3],
    waiting: [AtomicUsize; 3],
    book: Mutex<Book>,
    leasing: tokio::sync::Mutex<()>,
    changed: Notify,
    condition: Mutex<Local>,
}

/// What this worker knows of the account's condition.
#[derive(Default)]
struct Local {
    paused_until: Option<Instant>,
    rests: bool,
    open: bool,
    probed: Option<Instant>,
    /// Units that were left for one call, and when.
    fits: Option<(u32, Instant)>,
}

impl Limiter {
    /// The limiter of an account whose worker makes `concurrency` calls at once.
    pub(crate) fn new(account: i64, limits: Limits, concurrency: u32) -> Self {
        let bulk = (concurrency as usize).saturating_sub(1).max(1);
        let standing = match limits.per_second {
            Some(rate) => ((f64::from(rate) * STANDING).ceil() as usize).clamp(1, 10_000),
            None => concurrency as usize,
        };
        Limiter {
            account,
            limits,
            // One of the calls at once is always left to urgent ones.
            places: [standing, standing.min(bulk), standing.min(bulk)]
                .map(|most| Arc::new(Semaphore::new(most))),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
            waiting: std::array::from_fn(|_| AtomicUsize::new(0)),
            book: Mutex::default(),
            leasing: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            condition: Mutex::default(),
        }
    }

    /// The account's limits.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Most people that a call may have just now.
    pub(crate) fn most_in_a_call(&self) -> u32 {
        let most = self.limits.most_in_a_call();
        if most == u32::MAX {
            return most;
        }
        let fits = self.condition.lock().expect("nothing panics while it is held").fits;
        fits.filter(|(_, at)| at.elapsed() < FITS).map_or(most, |(units, _)| most.min(units))
    }

    /// A place on the way to a slot; waits for one.
    pub(crate) async fn place(&self, lane: Lane) -> OwnedSemaphorePermit {
        self.places[lane as usize].clone().acquire_owned().await.expect("it is never closed")
    }

    /// A place, if one is free.
    pub(crate) fn try_place(&self, lane: Lane) -> Option<OwnedSemaphorePermit> {
        self.places[lane as usize].clone().try_acquire_owned().ok()
    }

    /// How much longer the fleet pauses.
    pub(crate) fn paused(&self) -> Option<Duration> {
        let condition = self.condition.lock().expect("nothing panics while it is held");
        let left = condition.paused_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Whether the fleet pauses so long that admission gives the work to another account.
    pub(crate) fn rests(&self) -> bool {
        self.paused().is_some() && self.condition.lock().expect("nothing panics while it is held").rests
    }

    /// Whether the breaker is open: only probes may go out.
    pub(crate) fn is_open(&self) -> bool {
        self.condition.lock().expect("nothing panics while it is held").open
    }

    /// Takes a probe's turn: one call of this worker every `every` while the breaker is open.
    pub(crate) fn may_probe(&self, every: Duration) -> bool {
        let mut condition = self.condition.lock().expect("nothing panics while it is held");
        let may = condition.probed.is_none_or(|last| last.elapsed() >= every);
        if may {
            condition.probed = Some(Instant::now());
        }
        may
    }

    /// The account pauses for `pause` from now. A pause known already is not cut short: the fleet may not have heard of it yet.
    pub(crate) fn pause(&self, pause: Duration, rests: bool) {
        let mut condition = self.condition.lock().expect("nothing panics while it is held");
        let now = Instant::now();
        let known = condition.paused_until.filter(|until| *until > now);
        if pause.is_zero() || known.is_some_and(|until| until >= now + pause) {
            return;
        }
        (condition.paused_until, condition.rests) = (Some(now + pause), rests);
        drop(condition);
        if known.is_none() {
            self.book.lock().expect("nothing panics while it is held").clear();
            self.changed.notify_waiters();
        }
    }

    /// The breaker is open, or closed.
    pub(crate) fn set_open(&self, open: bool) {
        let mut condition = self.condition.lock().expect("nothing panics while it is held");
        condition.open = open;
        if !open {
            condition.probed = None;
        }
    }

    /// Waits for leave to start one call of `people` now. Drop-safe: a slot not returned is lost to nobody but this account.
    ///
    /// # Errors
    /// [`Refused`]: put the call back.
    pub(crate) async fn slot(
        &self,
        lane: Lane,
        people: usize,
        pools: &Pools,
    ) -> Result<Option<Slot>, Refused> {
        if let (false, pause) = (self.limits.is_paced(), self.paused()) {
            return pause.map_or(Ok(None), |pause| Err(Refused::Later(pause)));
        }
        let _waiting = Waiting::new(&self.waiting[lane as usize]);
        let _turn = self.turns[lane as usize].lock().await;
        let deadline = Instant::now() + PATIENCE;
        let units = self.limits.units(people);
        loop {
            let now = Instant::now();
            if let Some(pause) = self.paused() {
                return Err(Refused::Later(pause));
            }
            if now >= deadline {
                return Err(Refused::Later(CROWDED));
            }
            let ahead = self.more_urgent(lane);
            let (slot, next) = {
                let mut book = self.book.lock().expect("nothing panics while it is held");
                let slot = if ahead == 0 { book.take(now, units) } else { None };
                (slot, book.next(now, ahead, units))
            };
            if slot.is_some() {
                return Ok(slot);
            }
            match next {
                // Somebody more urgent is about to take it.
                Some(at) if at <= now => tokio::time::sleep(Duration::from_millis(1)).await,
                Some(at) => self.until(at.min(deadline)).await,
                None => self.more(units, pools, deadline).await?,
            }
        }
    }

    fn more_urgent(&self, lane: Lane) -> usize {
        self.waiting[..lane as usize].iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Waits for a moment, or for news.
    async fn until(&self, at: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(at.into()) => {}
            () = self.changed.notified() => {}
        }
    }

    /// Asks the database for slots, or waits while another call asks.
    async fn more(&self, units: u32, pools: &Pools, deadline: Instant) -> Result<(), Refused> {
        let Ok(leasing) = self.leasing.try_lock() else {
            self.until((Instant::now() + Duration::from_millis(20)).min(deadline)).await;
            return Ok(());
        };
        let urgent = self.waiting[Lane::Urgent as usize].load(Ordering::Relaxed) > 0;
        let ahead = if urgent { AHEAD_URGENT } else { AHEAD };
        let (sent, answer) = match pools.lease(self, self.wanted(), units, ahead).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(
                    account = self.account,
                    error = error.chain(),
                    "cannot ask for an account's pace: its calls wait"
                );
                return Err(Refused::Later(CROWDED));
            }
        };
        match answer {
            Answer::Given(grant) if grant.calls == 0 => {
                // Somebody more urgent may ask meanwhile.
                drop(leasing);
                let wait = grant.starts.saturating_sub(ahead).max(Duration::from_millis(2));
                self.until((Instant::now() + wait).min(deadline)).await;
            }
            Answer::Given(grant) => {
                self.book.lock().expect("nothing panics while it is held").add(&grant, sent, Instant::now());
                self.changed.notify_waiters();
            }
            Answer::Paused(pause) => return Err(Refused::Later(pause)),
            Answer::Fits(units) => {
                let mut condition = self.condition.lock().expect("nothing panics while it is held");
                condition.fits = Some((units, Instant::now()));
                return Err(Refused::TooLarge);
            }
            Answer::MinuteUsed => return Err(Refused::MinuteUsed),
            Answer::DayUsed => {
                let whose = if self.account < 0 { Whose::Tenant } else { Whose::Account };
                return Err(Refused::DayUsed(whose));
            }
        }
        Ok(())
    }

    /// Calls to ask leave for: all that wait, at most a slice. Where people are counted each call is asked for by itself, with its size.
    fn wanted(&self) -> u32 {
        if self.limits.is_counted() && self.limits.units(2) == 2 {
            return 1;
        }
        let waiting: usize = self.waiting.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let most = self.limits.per_second.map_or(64, |rate| slice(rate.into()));
        u32::try_from(waiting).unwrap_or(u32::MAX).clamp(1, most)
    }
}

/// Connections for paces. Where units are counted the commit is waited for: a crash must not give a day's units out twice.
pub(crate) struct Pools {
    pub(crate) unsynced: Pool,
    pub(crate) synced: Pool,
}

impl Pools {
    /// The answer, and when it was asked for.
    async fn lease(
        &self,
        limiter: &Limiter,
        calls: u32,
        units: u32,
        ahead: Duration,
    ) -> Result<(Instant, Answer), Error> {
        let deadline = Instant::now() + ANSWER;
        let pool = if limiter.limits.is_counted() { &self.synced } else { &self.unsynced };
        let client = timeout_at(deadline.into(), pool.get()).await.map_err(|_| Error::Deadline)??;
        let sent = Instant::now();
        let lease = pace::lease(&client, limiter.account, &limiter.limits, calls, units, ahead);
        let answer = timeout_at(deadline.into(), lease).await;
        Ok((sent, db::answered(client, answer)?))
    }
}

/// Counts a waiting call for as long as it waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
