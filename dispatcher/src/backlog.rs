//! What waits in one queue: everything that is due while that is little, else the first jobs of every flow (tenant and plan), so that
//! a backlog hides nobody.

use std::collections::HashMap;
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
/// How long a list of flows is used: a new plan waits at most this long to be seen.
const FRESH: Duration = Duration::from_millis(200);

/// One queue's backlog.
pub(crate) struct Backlog {
    queue: Queue,
    /// How far back the due jobs go, and those among them that were published.
    due: Low,
    lapsed: Low,
    flows: Option<Flows>,
    /// Where the next list of flows begins: after this tenant, and after this plan of a tenant with many.
    after_tenant: i64,
    after_plan: HashMap<i64, i64>,
}

/// A list of flows with waiting jobs.
struct Flows {
    read: Instant,
    running: Vec<(i64, i64)>,
    /// Jobs whose pointers were lost; they are in no flow.
    lapsed: Vec<Waiting>,
}

impl Backlog {
    pub(crate) fn new(queue: Queue) -> Self {
        Backlog {
            queue,
            due: Low::new(Duration::from_secs(2), Duration::from_secs(60)),
            // Short: all of a backlog younger than this is passed over in search of what was published.
            lapsed: Low::new(Duration::from_secs(5), Duration::from_secs(5)),
            flows: None,
            after_tenant: 0,
            after_plan: HashMap::new(),
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
        if self.flows.as_ref().is_none_or(|flows| flows.read.elapsed() >= FRESH) {
            let page = admit::page(client, self.queue, self.due.back(), PAGE as i64, false).await?;
            self.due.saw(page.first().map_or(0.0, |found| found.age));
            if page.len() < PAGE {
                self.flows = None;
                return Ok(running(&page));
            }
            self.flows = Some(self.find(client).await?);
        }
        let Some(flows) = &mut self.flows else { return Ok(Vec::new()) };
        let each = (2 * PAGE / flows.running.len().max(1)).clamp(4, PAGE);
        let found = admit::first_jobs(client, self.queue, &flows.running, each as i64).await?;
        let mut jobs = std::mem::take(&mut flows.lapsed);
        jobs.extend(running(&found));
        Ok(jobs)
    }

    /// The flows of a backlog, a part of them when there are very many.
    async fn find(&mut self, client: &Client) -> Result<Flows, Error> {
        let read = Instant::now();
        let lapsed = self.find_lapsed(client).await?;
        let tenants = admit::tenants(client, self.queue, self.after_tenant, TENANTS).await?;
        let all = tenants.len() < TENANTS as usize;
        self.after_tenant = if all { 0 } else { tenants.last().copied().unwrap_or(0) };
        let each = (FLOWS / i32::try_from(tenants.len()).unwrap_or(FLOWS).max(1)).max(4);
        let from: Vec<(i64, i64)> = tenants
            .iter()
            .map(|tenant| (*tenant, self.after_plan.get(tenant).copied().unwrap_or(0)))
            .collect();
        let plans = admit::plans(client, self.queue, &from, each).await?;
        let mut counts: HashMap<i64, (i32, i64)> = HashMap::new();
        for &(tenant, plan, _) in &plans {
            let (count, last) = counts.entry(tenant).or_default();
            (*count, *last) = (*count + 1, plan);
        }
        for tenant in tenants {
            match counts.get(&tenant) {
                Some(&(count, last)) if count >= each => drop(self.after_plan.insert(tenant, last)),
                _ => drop(self.after_plan.remove(&tenant)),
            }
        }
        let running = plans.into_iter().filter(|(.., runs)| *runs).map(|(tenant, plan, _)| (tenant, plan));
        Ok(Flows { read, running: running.collect(), lapsed })
    }

    /// Jobs whose pointers were lost. Those of plans that do not run wait with the others, or they would hide what is behind.
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
