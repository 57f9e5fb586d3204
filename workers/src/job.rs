//! A claimed job: its calls, their outcomes, and the release of what is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_channels::{Call, Message};
use herald_shared::db::claim::{Claimed, Mark, Member};
use herald_shared::db::settle::Release;
use herald_shared::domain::recipients::LEAVE;
use herald_shared::domain::{Class, Lane, Verdict};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use crate::LaneContext;
use crate::accounts::Open;
use crate::batches::Record;
use crate::call::{Prepared, make, target, unrenderable, unsubscribed};
use crate::capacity::Wish;
use crate::health::{OF_ONE, account_down, account_up, throttled};
use crate::outcome::{Ended, Judged, judge};
use crate::permits::{self, CROWDED, Permit, Places};

/// How long the rest of a job waits whose account has no place just now.
const PACED: Duration = Duration::from_millis(100);

/// A claimed job in work.
pub(crate) struct Job {
    context: Arc<LaneContext>,
    account: Arc<Open>,
    claimed: Claimed,
    /// The compiled message, or why there is none.
    message: Result<Arc<Message>, String>,
    /// Members not yet marked.
    waiting: std::vec::IntoIter<Member>,
    /// Nobody else is in the job.
    alone: bool,
    /// One number in 0..1: the job's retries stay together.
    roll: f64,
    /// Members that stay with the job.
    rest: Vec<i32>,
    /// How long they wait.
    delay: Duration,
    drop_account: bool,
    /// Members who have had as many messages as the provider lets through, and when the first of them may have one more.
    held: (Vec<i32>, Option<Duration>),
    /// Until when those who are not may be called.
    leave: Option<Instant>,
    /// Calls it would make if there were places.
    wish: Wish,
    /// It hears of places that become free.
    listens: bool,
    /// No further calls: the claim was lost, the plan has ended, the account is at fault or throttled, the process stops.
    halted: bool,
}

impl Job {
    pub(crate) fn new(
        context: Arc<LaneContext>,
        account: Arc<Open>,
        mut claimed: Claimed,
        message: Result<Arc<Message>, String>,
        wish: Wish,
    ) -> Self {
        let alone = claimed.members.len() == 1;
        let waiting = std::mem::take(&mut claimed.members).into_iter();
        let (rest, delay) = (Vec::new(), Duration::ZERO);
        let roll = fastrand::f64();
        Job {
            context,
            account,
            claimed,
            message,
            waiting,
            alone,
            roll,
            rest,
            delay,
            drop_account: false,
            held: (Vec::new(), None),
            leave: None,
            wish,
            listens: true,
            halted: false,
        }
    }

    /// Calls for everybody, as many at once as the account allows, then the release. `false`: not recorded.
    pub(crate) async fn work(mut self, permits: Vec<Permit>) -> bool {
        // Calls are tasks: they go on while the next ones are being marked.
        let mut calls = JoinSet::new();
        let (mut records, mut recorded) = (Vec::new(), true);
        if self.account.limits_recipients() {
            let mut record = Record::default();
            let next = self.divide(permits, &mut record).await;
            recorded = self.mark(record, next, &mut calls).await;
        } else {
            self.begin(permits, &mut calls);
        }
        while let Some(ended) = self.news(&mut calls).await {
            let mut record = Record::default();
            if let Some(ended) = ended {
                self.judge(ended, &mut record).await;
            }
            while let Some(ended) = calls.try_join_next() {
                self.judge(ended, &mut record).await;
            }
            let next = self.next_calls(&mut record, calls.len()).await;
            if next.is_empty() {
                if record.done.is_empty() {
                    continue;
                }
                if calls.is_empty() && records.is_empty() && recorded {
                    record.release = Some(self.release());
                    return all(vec![self.context.batches.record(record).await]).await;
                }
                records.push(self.context.batches.record(record).await);
                continue;
            }
            // The outcomes of the ended calls and the marks of the next ones share a commit.
            recorded &= self.mark(record, next, &mut calls).await;
        }
        // The claim ends when all its outcomes are known to be recorded: a job deleted before would leave an attempt open for ever.
        if !(recorded && all(records).await) {
            return false;
        }
        let release = Some(self.release());
        all(vec![self.context.batches.record(Record { release, ..Record::default() }).await]).await
    }

    /// Waits until a call has ended, or one more may begin: `Some(None)`. `None`: no call is under way.
    async fn news(&mut self, calls: &mut JoinSet<Ended>) -> Option<Option<Result<Ended, JoinError>>> {
        let capacity = self.account.capacity.clone();
        // Once for each call that ends: what is free may be of no use, for want of a place on the way to a slot.
        let listens = std::mem::take(&mut self.listens) && capacity.is_shared() && !calls.is_empty();
        tokio::select! {
            ended = calls.join_next() => {
                self.listens = true;
                ended.map(Some)
            }
            () = capacity.freed(), if listens => Some(None),
        }
    }

    /// Starts the calls that the claim has marked.
    fn begin(&mut self, permits: Vec<Permit>, calls: &mut JoinSet<Ended>) {
        let mut marked = self.claimed.marked;
        for permit in permits {
            let members: Vec<Member> = self.take().take(marked).collect();
            if members.is_empty() {
                break;
            }
            marked -= members.len();
            calls.spawn(self.call(members, permit).in_current_span());
        }
    }

    /// Records, and starts those calls whose marks were taken. `false`: not recorded.
    async fn mark(
        &mut self,
        record: Record,
        next: Vec<(Vec<Member>, Permit)>,
        calls: &mut JoinSet<Ended>,
    ) -> bool {
        if next.is_empty() {
            return true;
        }
        let answer = self.context.batches.record(record).await.await;
        let recorded = answer.is_ok();
        let allowed = answer.unwrap_or_default().into_iter().chain(std::iter::repeat(false));
        for ((members, permit), allowed) in next.into_iter().zip(allowed) {
            if allowed {
                calls.spawn(self.call(members, permit).in_current_span());
                self.listens = true;
            } else {
                self.halted = true;
                self.rest.extend(members.iter().map(|m| m.no));
            }
        }
        recorded
    }

    /// The next call's members.
    fn take(&mut self) -> std::iter::Take<&mut std::vec::IntoIter<Member>> {
        let batch = self.claimed.batch;
        self.waiting.by_ref().take(batch)
    }

    /// The next calls, in the places of those that ended and whatever else is free now; their marks go into `record`.
    /// None when nobody waits, or nobody may be called any more.
    async fn next_calls(&mut self, record: &mut Record, running: usize) -> Vec<(Vec<Member>, Permit)> {
        self.halted |= self.context.shared.stop.is_cancelled();
        self.heed_account();
        if self.halted || self.waiting.as_slice().is_empty() {
            self.listens = false;
            self.wish.set(0);
            return Vec::new();
        }
        let most = self.waiting.as_slice().len().div_ceil(self.claimed.batch);
        // What is not needed stays with the record: its calls are not recorded yet.
        let mut permits = Vec::with_capacity(record.permits.len().min(most));
        let owed = self.account.capacity.owed(self.context.lane == Lane::Urgent);
        while permits.len() < most && record.permits.len() > owed {
            let Some(place) = Places::free(&self.account, self.context.lane) else { break };
            permits.extend(record.permits.pop().map(|call| Permit { call, place }));
        }
        permits.extend(permits::more(&self.context, &self.account, most - permits.len()));
        self.wish.set(u32::try_from(most - permits.len()).unwrap_or(u32::MAX));
        if permits.is_empty() && running == 0 {
            // Every place is taken by other jobs: this one makes room for them in the broker's queue.
            (self.halted, self.delay) = (true, self.delay.max(PACED));
        }
        self.divide(permits, record).await
    }

    /// Those who wait, divided into calls for these permits; their marks go into `record`.
    async fn divide(&mut self, mut permits: Vec<Permit>, record: &mut Record) -> Vec<(Vec<Member>, Permit)> {
        let (job, token) = (self.claimed.job, self.claimed.token);
        let mut next = Vec::with_capacity(permits.len());
        self.leave = self.account.limits_recipients().then(|| Instant::now() + LEAVE);
        while !(permits.is_empty() || self.halted || self.waiting.as_slice().is_empty()) {
            let calls = permits.iter().map(|_| self.take().collect::<Vec<Member>>());
            let calls = calls.take_while(|members| !members.is_empty()).collect();
            for members in self.fit(calls).await {
                let Some(permit) = permits.pop() else { break };
                record.marks.push(Mark { job, token, nos: members.iter().map(|m| m.no).collect() });
                next.push((members, permit));
            }
        }
        next
    }

    /// The calls without those who have had as many messages as the provider lets through.
    async fn fit(&mut self, calls: Vec<Vec<Member>>) -> Vec<Vec<Member>> {
        if !self.account.limits_recipients() {
            return calls;
        }
        let nos: Vec<i32> = calls.iter().flatten().map(|member| member.no).collect();
        let fit = match self.context.recipients.fit(&self.account, &self.claimed, calls).await {
            Ok(fit) => fit,
            Err(error) => {
                tracing::warn!(
                    error = error.chain(),
                    "cannot tell whom an account may send to: its job comes back"
                );
                self.rest.extend(nos);
                (self.halted, self.delay) = (true, self.delay.max(CROWDED));
                return Vec::new();
            }
        };
        if let Some(wait) = fit.wait {
            let spec = self.account.spec;
            let labels = [spec.channel.as_str(), spec.provider];
            let held_back = &self.context.shared.metrics.held_back;
            held_back.with_label_values(&labels).inc_by(fit.held.len() as u64);
            self.held.0.extend(fit.held);
            self.held.1 = Some(self.held.1.map_or(wait, |first| first.min(wait)));
        }
        fit.calls
    }

    /// A call ready to go out.
    fn call(&self, members: Vec<Member>, permit: Permit) -> impl Future<Output = Ended> + Send + 'static {
        let nos = members.iter().map(|m| m.no).collect();
        let (slot, attempt) = (self.claimed.slot, self.claimed.attempt);
        // Mail goes to one at a time: nobody else is in a call with somebody who left.
        let call = match self.message.clone() {
            _ if members.iter().any(|member| member.barred) => Err(unsubscribed()),
            Ok(message) => {
                let to = members.into_iter().map(target).collect();
                Ok(Call { message, slot, attempt, to })
            }
            Err(problem) => Err(unrenderable(&problem)),
        };
        // Reminders are asked for later.
        let first = (attempt == 1 && slot.reminder().is_none()).then_some(self.claimed.message.due_since);
        let (lane, plan) = (self.claimed.lane, (self.claimed.plan.id, slot));
        let prepared = Prepared { nos, call, lane, plan, first, leave: self.leave };
        make(self.context.shared.clone(), self.account.clone(), prepared, permit)
    }

    /// Applies the rules to an ended call, and what they mean for the rest of the job.
    ///
    /// # Panics
    /// When a driver panicked: the process then ends loudly, as for any panic.
    async fn judge(&mut self, ended: Result<Ended, JoinError>, record: &mut Record) {
        let ended = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let timings = &self.context.shared.config.timings;
        let Judged { done, mut put_back, account_fault } =
            judge(&self.claimed, self.account.spec.provider, &ended, timings, self.roll);
        if let Verdict::Failed(failure) = &ended.verdict
            && failure.class == Class::RateLimited
        {
            // Spread, so that a paused crowd does not come back in one instant.
            let mut pause = throttled(&self.context, &self.account, failure).await;
            if !self.alone && !self.account.spec.one_provider {
                // Strangers wait with it: it asks again sooner than it was told to.
                pause = pause.min(OF_ONE);
            }
            put_back = Some(pause.mul_f64(1.0 + 0.2 * self.roll));
        }
        if let Some(delay) = put_back {
            self.rest.extend(&ended.nos);
            self.delay = self.delay.max(delay);
            self.halted = true;
        }
        if !done.except.is_empty() {
            tracing::info!(no = ended.nos[0], left_out = done.except.len(), "a call left members out");
        }
        if let Verdict::Failed(failure) = &ended.verdict {
            let (code, class) = (failure.code.as_str(), failure.class.as_str());
            let attempt = self.claimed.attempt;
            tracing::info!(no = ended.nos[0], attempt, code, class, "a call failed");
        }
        self.heed_account();
        if let Some(reason) = account_fault {
            self.drop_account = true;
            account_down(&self.context, &self.account, &reason).await;
        } else if matches!(ended.verdict, Verdict::Sent { .. })
            && !self.account.limiter.is_open()
            && self.account.works()
        {
            account_up(&self.context, &self.account).await;
        }
        record.done.push(done);
        record.permits.push(ended.permit);
    }

    /// An account that pauses or is out of use gets no further call: the rest waits, or goes to another.
    fn heed_account(&mut self) {
        if self.account.limiter.is_open() || self.account.limiter.rests() {
            (self.halted, self.drop_account) = (true, true);
        } else if let Some(pause) = self.account.limiter.paused() {
            (self.halted, self.delay) = (true, self.delay.max(pause));
        }
    }

    /// The end of the claim: whoever was not called goes back.
    fn release(&mut self) -> Release {
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend(self.waiting.by_ref().map(|m| m.no));
        let (held, wait) = std::mem::take(&mut self.held);
        if rest.is_empty() {
            self.delay = self.delay.max(wait.unwrap_or_default());
        }
        // Else they come back with the others, and are held back again.
        rest.extend(held);
        rest.sort_unstable();
        Release {
            job: self.claimed.job,
            token: self.claimed.token,
            rest,
            delay: self.delay,
            drop_account: self.drop_account,
        }
    }
}

async fn all(records: Vec<oneshot::Receiver<Vec<bool>>>) -> bool {
    let mut all = true;
    for record in records {
        all &= record.await.is_ok();
    }
    all
}
