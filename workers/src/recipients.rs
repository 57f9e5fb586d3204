//! Limits per recipient that a provider keeps in silence: who may be in a call, and who comes later. See `domain::recipients`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use herald_shared::batch::{Batcher, batcher};
use herald_shared::db::claim::{Claimed, Member};
use herald_shared::db::recipient_pace::{count, enter};
use herald_shared::db::{self, ANSWER, Error, Pool};
use herald_shared::domain::recipients::{LARGE, ROUND, counted_over, member};
use herald_shared::domain::{Lane, Slot};
use tokio::time::timeout;

use crate::accounts::Open;
use crate::batches::Task;

/// Requests in one statement.
const SIZE: usize = 128;
/// Rounds remembered.
const KEPT: usize = 1000;

/// Limits as a provider declares them.
type Limits = &'static [(Duration, u32)];
/// Account, plan, slot, attempt.
type Round = (i64, i64, Slot, i16);
/// Whom a round leaves out; `None`: it is none, its recipients are counted.
type Entered = Option<Arc<HashSet<i64>>>;

/// Messages to be counted: who gets them.
struct Ask {
    account: i64,
    limits: Limits,
    members: Vec<i64>,
}

/// Who may go.
pub(crate) struct Fit {
    /// The calls without those who may not; some may be gone.
    pub(crate) calls: Vec<Vec<Member>>,
    /// Those who may not now.
    pub(crate) held: Vec<i32>,
    /// When the first of them may.
    pub(crate) wait: Option<Duration>,
}

/// Asks for leave in one lane.
pub(crate) struct Recipients {
    /// How long each waits; `None` as a whole: nobody knows.
    counts: Batcher<Ask, Option<Vec<Option<Duration>>>>,
    rounds: Mutex<HashMap<Round, (Instant, Entered)>>,
    pool: Pool,
}

impl Recipients {
    /// With the task that must run for it. Commits on `pool` need not be waited for: the mark of a call is committed after its leave.
    pub(crate) fn new(pool: Pool, lane: Lane) -> (Self, Task) {
        let asks = pool.clone();
        let (counts, counting) =
            batcher(1, SIZE, move |asked| answers(asks.clone(), asked, lane == Lane::Urgent));
        (Recipients { counts, rounds: Mutex::default(), pool }, ("recipients", Box::pin(counting)))
    }

    /// Who of these calls may go within [`herald_shared::domain::recipients::LEAVE`] from the moment this was asked.
    ///
    /// # Errors
    /// When the database cannot tell: nobody may.
    pub(crate) async fn fit(
        &self,
        account: &Open,
        claimed: &Claimed,
        calls: Vec<Vec<Member>>,
    ) -> Result<Fit, Error> {
        let mut fit = Fit { calls: Vec::with_capacity(calls.len()), held: Vec::new(), wait: None };
        let mut counted = Vec::new();
        for call in calls {
            // A call to many carries one message for all of them: nobody is in its plan twice.
            let large = call.len() >= LARGE && call.len() > account.spec.personal as usize;
            match if large { self.round(account, claimed).await? } else { None } {
                Some(out) if out.is_empty() => fit.calls.push(call),
                Some(out) => fit.divide(call, |one| {
                    out.contains(&member(&one.address)).then_some(Duration::from_secs(5))
                }),
                None => counted.push(call),
            }
        }
        if !counted.is_empty() {
            let members = counted.iter().flatten().map(|one| member(&one.address)).collect();
            let ask = Ask { account: account.id, limits: account.spec.per_recipient, members };
            let waits = self.counts.submit(ask).await.flatten().ok_or(Error::Deadline)?;
            let mut waits = waits.into_iter();
            for call in counted {
                fit.divide(call, |_| waits.next().flatten());
            }
        }
        Ok(fit)
    }

    /// Enters the claim's round, unless that was done just now.
    async fn round(&self, account: &Open, claimed: &Claimed) -> Result<Entered, Error> {
        let round = (account.id, claimed.plan.id, claimed.slot, claimed.attempt);
        if let Some((at, entered)) = self.rounds.lock().expect("nothing panics while it is held").get(&round)
            && at.elapsed() < ROUND
        {
            return Ok(entered.clone());
        }
        let asked = Instant::now();
        let mut client = self.pool.get().await?;
        let (id, plan, slot, attempt) = round;
        let entered = enter(&mut client, id, account.spec.per_recipient, (plan, slot, attempt));
        let answer = timeout(ANSWER, entered).await;
        let entered = db::answered(client, answer)?.map(Arc::new);
        let mut rounds = self.rounds.lock().expect("nothing panics while it is held");
        if rounds.len() >= KEPT {
            rounds.retain(|_, (at, _)| at.elapsed() < ROUND);
        }
        rounds.insert(round, (asked, entered.clone()));
        Ok(entered)
    }
}

impl Fit {
    fn divide(&mut self, call: Vec<Member>, mut wait: impl FnMut(&Member) -> Option<Duration>) {
        let (mut go, mut first) = (Vec::with_capacity(call.len()), self.wait);
        for one in call {
            match wait(&one) {
                None => go.push(one),
                Some(wait) => {
                    first = Some(first.map_or(wait, |first| first.min(wait)));
                    self.held.push(one.no);
                }
            }
        }
        self.wait = first;
        if !go.is_empty() {
            self.calls.push(go);
        }
    }
}

/// Counts what was asked for, each account in a transaction of its own.
async fn answers(pool: Pool, asked: Vec<Ask>, urgent: bool) -> Vec<Option<Vec<Option<Duration>>>> {
    let mut answers: Vec<_> = asked.iter().map(|_| None).collect();
    let mut accounts: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (position, ask) in asked.iter().enumerate() {
        accounts.entry(ask.account).or_default().push(position);
    }
    for (account, positions) in accounts {
        let asks: Vec<&Ask> = positions.iter().map(|position| &asked[*position]).collect();
        match of_account(&pool, account, &asks, urgent).await {
            Ok(waits) => {
                for (position, waits) in positions.into_iter().zip(waits) {
                    answers[position] = Some(waits);
                }
            }
            Err(error) => tracing::warn!(
                account,
                error = error.chain(),
                "cannot count messages to an account's recipients: they wait"
            ),
        }
    }
    answers
}

async fn of_account(
    pool: &Pool,
    account: i64,
    asks: &[&Ask],
    urgent: bool,
) -> Result<Vec<Vec<Option<Duration>>>, Error> {
    let limits = asks[0].limits;
    let mut members: BTreeMap<i64, u32> = BTreeMap::new();
    asks.iter().flat_map(|ask| &ask.members).for_each(|member| *members.entry(*member).or_default() += 1);
    let mut client = pool.get().await?;
    let answer = timeout(ANSWER, count(&mut client, account, limits, &members, urgent)).await;
    let counted = db::answered(client, answer)?;
    let (spans, mosts) = counted_over(limits);
    let shortest = (spans[0], mosts[0]);
    let mut seen: HashMap<i64, u32> = HashMap::new();
    let mut wait = |member: &i64| {
        let nth = seen.entry(*member).or_default();
        *nth += 1;
        // Whoever the answer does not name was not counted.
        counted.get(member).map_or(Some(ROUND), |counted| counted.wait(*nth - 1, shortest))
    };
    Ok(asks.iter().map(|ask| ask.members.iter().map(&mut wait).collect()).collect())
}
