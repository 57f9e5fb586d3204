//! What waits in one queue: everything that is due while that is little, else the first jobs of every flow (tenant and plan), so that
//! a backlog hides nobody.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use herald_shared::db::admit::{self, Found, Queue};
use herald_shared::db::{Client, Error};
use herald_shared::domain::fair::Waiting;

use crate::low::Low;

/// Due jobs read at once; as many as that are a backlog.
const PAGE: usize = 512;
/// Tenants and plans looked at in a round of a backlog; the others have the next.
const TENANTS: i32 = 128;
const FLOWS: i32 = 256;
/// Between two lists that begin at the very first plan of each tenant; longer where that takes more than a part in so many of the time.
const FIRST: Duration = Duration::from_secs(1);
const PART: u32 = 50;
/// How long a list of flows is used at most: a new plan waits no longer to be seen.
const FRESH: Duration = Duration::from_millis(200);

/// One queue's backlog.
pub(crate) struct Backlog {
    queue: Queue,
    /// How far back the due jobs go, and those among them that were published.
    due: Low,
    lapsed: Low,
    flows: Option<Flows>,
    /// When everything due was last looked for.
    paged: Instant,
    /// Where the next list of flows begins: after this tenant, and after this plan of a tenant with many.
    after_tenant: i64,
    after_plan: HashMap<i64, i64>,
    /// The tenants of the last list.
    tenants: Vec<i64>,
    /// The oldest plan each tenant was last seen to have, and when lists may begin at their very first again: what a transaction
    /// left open keeps of older ones in the index makes that long (107 ms on average after a minute of singles).
    oldest: HashMap<i64, i64>,
    first_at: Instant,
}

/// A list of flows with waiting jobs.
struct Flows {
    running: Vec<(i64, i64)>,
    /// Half of them have nothing left: plans of one recipient are used up at once, and others wait behind them.
    dry: bool,
}

impl Flows {
    /// The first jobs of each.
    async fn jobs(&mut self, client: &Client, queue: Queue) -> Result<Vec<Waiting>, Error> {
        let each = (2 * PAGE / self.running.len().max(1)).clamp(4, PAGE);
        let found = admit::first_jobs(client, queue, &self.running, each as i64).await?;
        let plans: HashSet<i64> = found.iter().map(|found| found.waiting.plan).collect();
        self.dry = plans.len() * 2 < self.running.len();
        Ok(running(&found))
    }
}

impl Backlog {
    pub(crate) fn new(queue: Queue) -> Self {
        Backlog {
            queue,
            due: Low::new(Duration::from_secs(2), Duration::from_secs(60)),
            // Short: all of a backlog younger than this is passed over in search of what was published.
            lapsed: Low::new(Duration::from_secs(5), Duration::from_secs(5)),
            flows: None,
            paged: Instant::now(),
            after_tenant: 0,
            after_plan: HashMap::new(),
            tenants: Vec::new(),
            oldest: HashMap::new(),
            first_at: Instant::now(),
        }
    }

    /// How many seconds back to look for due jobs.
    pub(crate) fn back(&mut self) -> f64 {
        self.due.back()
    }

    /// Notes that nothing was found as far back as [`Backlog::back`] said.
    pub(crate) fn empty(&mut self) {
        self.due.saw(0.0);
    }

    /// Jobs that are due, of running plans; of each flow in the order they became due.
    pub(crate) async fn read(&mut self, client: &Client) -> Result<Vec<Waiting>, Error> {
        let mut lapsed = Vec::new();
        let mut tenants = None;
        if self.paged.elapsed() >= FRESH || self.flows.is_none() {
            let page = admit::page(client, self.queue, self.due.back(), PAGE as i64, false).await?;
            self.due.saw(page.first().map_or(0.0, |found| found.age));
            self.paged = Instant::now();
            self.flows = None;
            if page.len() < PAGE {
                return Ok(running(&page));
            }
            lapsed = self.find_lapsed(client).await?;
            tenants = Some(self.find_tenants(client).await?);
        }
        if let Some(flows) = self.flows.as_mut().filter(|flows| !flows.dry) {
            let jobs = flows.jobs(client, self.queue).await?;
            if !jobs.is_empty() {
                return Ok(jobs);
            }
        }
        self.tenants = tenants.unwrap_or_else(|| std::mem::take(&mut self.tenants));
        let mut flows = self.find(client).await?;
        lapsed.extend(flows.jobs(client, self.queue).await?);
        self.flows = Some(flows);
        Ok(lapsed)
    }

    /// Tenants of a backlog, a part of them when there are very many.
    async fn find_tenants(&mut self, client: &Client) -> Result<Vec<i64>, Error> {
        let tenants = admit::tenants(client, self.queue, self.after_tenant, TENANTS).await?;
        let all = tenants.len() < TENANTS as usize;
        self.after_tenant = if all { 0 } else { tenants.last().copied().unwrap_or(0) };
        Ok(tenants)
    }

    /// Their flows, a part of them when there are very many.
    async fn find(&mut self, client: &Client) -> Result<Flows, Error> {
        let asked = Instant::now();
        let from_first = asked >= self.first_at;
        let each = (FLOWS / i32::try_from(self.tenants.len()).unwrap_or(FLOWS).max(1)).max(4);
        let start = |tenant: &i64| match (self.after_plan.get(tenant), self.oldest.get(tenant)) {
            (Some(after), _) => *after,
            (None, Some(oldest)) if !from_first => oldest - 1,
            _ => 0,
        };
        let from: Vec<(i64, i64)> = self.tenants.iter().map(|tenant| (*tenant, start(tenant))).collect();
        let plans = admit::plans(client, self.queue, &from, each).await?;
        if from_first {
            self.first_at = Instant::now() + FIRST.max(asked.elapsed() * PART);
            self.oldest.clear();
        }
        let mut counts: HashMap<i64, (i32, i64)> = HashMap::new();
        for &(tenant, plan, _) in &plans {
            let (count, last) = counts.entry(tenant).or_default();
            if *count == 0 && !self.after_plan.contains_key(&tenant) {
                self.oldest.insert(tenant, plan);
            }
            (*count, *last) = (*count + 1, plan);
        }
        for tenant in &self.tenants {
            match counts.get(tenant) {
                Some(&(count, last)) if count >= each => drop(self.after_plan.insert(*tenant, last)),
                _ => drop(self.after_plan.remove(tenant)),
            }
        }
        let running = plans.into_iter().filter(|(.., runs)| *runs).map(|(tenant, plan, _)| (tenant, plan));
        Ok(Flows { running: running.collect(), dry: false })
    }

    /// Jobs whose pointers were lost: they are in no flow. Those of plans that do not run wait with the others, or they would hide what is behind.
    async fn find_lapsed(&mut self, client: &Client) -> Result<Vec<Waiting>, Error> {
        let found = admit::page(client, self.queue, self.lapsed.back(), PAGE as i64, true).await?;
        self.lapsed.saw(found.first().map_or(0.0, |found| found.age));
        let idle: Vec<i64> =
            found.iter().filter(|found| !found.runs).map(|found| found.waiting.job).collect();
        if !idle.is_empty() {
            admit::put_back(client, &idle).await?;
        }
        Ok(running(&found))
    }
}

fn running(found: &[Found]) -> Vec<Waiting> {
    found.iter().filter(|found| found.runs).map(|found| found.waiting).collect()
}
