//! Who is next, and through which account: fair sharing, pacing and the choice of accounts put together. One for each lane, so that
//! what bulk has taken of an account's pace does not hold up urgent.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use herald_shared::db::{Client, Error, admit};
use herald_shared::domain::Channel;
use herald_shared::domain::account_choice::{Candidate, Choice, choose};
use herald_shared::domain::fair::{Fair, Taken, Waiting};
use herald_shared::domain::pacing::Pacing;

/// How long accounts are taken as they were read.
const FRESH: Duration = Duration::from_millis(100);
/// Tenants whose accounts are kept.
const KEPT: usize = 4096;

/// A lane's choices.
pub(crate) struct Chooser {
    started: Instant,
    accounts: HashMap<(Channel, i64), (Duration, Vec<Candidate>)>,
    pacing: Pacing,
    shares: HashMap<Channel, Fair>,
}

/// Who was chosen.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// Jobs with their accounts, in the order of sharing.
    pub(crate) jobs: Vec<(i64, i64)>,
    /// When the first of those left out for want of an account may go.
    pub(crate) wait: Option<Duration>,
}

impl Chooser {
    pub(crate) fn new() -> Self {
        let (accounts, shares) = (HashMap::new(), HashMap::new());
        Chooser { started: Instant::now(), accounts, pacing: Pacing::default(), shares }
    }

    /// Chooses jobs for about `room` units (the first always fits). `limits` hears of every account read.
    pub(crate) async fn choose(
        &mut self,
        client: &Client,
        channel: Channel,
        mut waiting: Vec<Waiting>,
        room: i64,
        limits: impl FnMut(&Candidate),
    ) -> Result<Chosen, Error> {
        let tenants: HashSet<i64> = waiting.iter().map(|job| job.tenant).collect();
        self.load(client, channel, &tenants, limits).await?;
        let jobs = self.probes(client, channel, &mut waiting, &tenants).await?;
        let mut chosen = Chosen { jobs, wait: None };
        let now = self.started.elapsed();
        let (accounts, pacing) = (&self.accounts, &mut self.pacing);
        let mut left = room;
        self.shares.entry(channel).or_default().share(waiting, |job| {
            if left <= 0 {
                return Taken::Full;
            }
            let candidates = accounts.get(&(channel, job.tenant)).map_or(&[][..], |(_, list)| list);
            match choose(candidates, now, |account| pacing.wait(account, now), fastrand::f64) {
                Choice::Use(account) => {
                    pacing.take(account, channel.calls(job.units), now);
                    left -= i64::from(job.units);
                    chosen.jobs.push((job.job, account));
                    Taken::Yes
                }
                Choice::Wait(until) => {
                    let wait = until.saturating_sub(now);
                    chosen.wait = Some(chosen.wait.map_or(wait, |other| other.min(wait)));
                    Taken::Blocked
                }
                Choice::Nobody => Taken::Blocked,
            }
        });
        Ok(chosen)
    }

    /// Reads the accounts of tenants that were not read lately.
    async fn load(
        &mut self,
        client: &Client,
        channel: Channel,
        tenants: &HashSet<i64>,
        mut limits: impl FnMut(&Candidate),
    ) -> Result<(), Error> {
        let now = self.started.elapsed();
        let known = |tenant: &i64| {
            self.accounts.get(&(channel, *tenant)).is_some_and(|(read, _)| now - *read < FRESH)
        };
        let unknown: Vec<i64> = tenants.iter().copied().filter(|tenant| !known(tenant)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        if self.accounts.len() > KEPT {
            self.accounts.retain(|_, (read, _)| now - *read < FRESH);
        }
        for (tenant, accounts) in admit::accounts(client, channel, &unknown, now).await? {
            for account in &accounts {
                self.pacing.limit(account.id, account.per_second, now);
                limits(account);
            }
            self.accounts.insert((channel, tenant), (now, accounts));
        }
        Ok(())
    }

    /// One small job for each account whose open breaker may let one through, taken out of `waiting`.
    async fn probes(
        &mut self,
        client: &Client,
        channel: Channel,
        waiting: &mut Vec<Waiting>,
        tenants: &HashSet<i64>,
    ) -> Result<Vec<(i64, i64)>, Error> {
        let (now, mut chosen) = (self.started.elapsed(), Vec::new());
        for &tenant in tenants {
            let Some((_, accounts)) = self.accounts.get_mut(&(channel, tenant)) else { continue };
            let may = |account: &&mut Candidate| {
                account.open_until.is_some_and(|at| at <= now) && account.paused_until <= now
            };
            for account in accounts.iter_mut().filter(may) {
                let own = waiting.iter().enumerate().filter(|(_, job)| job.tenant == tenant);
                let Some((smallest, _)) = own.min_by_key(|(_, job)| job.units) else { break };
                if admit::probe(client, account.id).await? {
                    chosen.push((waiting.remove(smallest).job, account.id));
                    tracing::info!(
                        account = account.id,
                        "an account that was out of use is tried with one job"
                    );
                }
                // Ours or another's: the next is due later, and the next read tells when.
                account.open_until = Some(now + FRESH);
            }
        }
        Ok(chosen)
    }
}
