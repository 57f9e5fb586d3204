//! Reads the API log, the database and what the providers received, and says whether every promise was kept.

mod logs;
mod quota;
mod received;
mod truth;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use herald_shared::domain::ids;
use herald_tests::{broker, inspect, within};
use reqwest::Method;

use crate::inject::Injected;
use crate::load::{Entry, Load};
use crate::world::World;
pub(crate) use truth::Delivery;
use truth::Plan;

/// Everything must be final so long after the last fault.
const FINAL: Duration = Duration::from_secs(60);
/// Violations of one sort that are told in full.
const TOLD: usize = 5;

/// What came out.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) requests: usize,
    pub(crate) accepted: usize,
    pub(crate) deliveries: usize,
    pub(crate) sent: usize,
    /// 202 without its plan, deliveries that are missing, not final, failed, or called sent and never received.
    pub(crate) lost: usize,
    /// Messages a provider took again.
    pub(crate) duplicated: u64,
    /// The same under `hold`.
    pub(crate) duplicated_hold: u64,
    /// Calls whose outcome was given up as unknown.
    pub(crate) unknown: u64,
    /// Deliveries that are unknown in the end, under `hold`.
    pub(crate) left_unknown: usize,
    pub(crate) unknown_bound: u64,
    /// Plans that exist although a client had no answer to a try.
    pub(crate) recovered: usize,
    pub(crate) mixed: usize,
    pub(crate) quota_violations: usize,
    /// Most calls a webhook receiver got within a second.
    pub(crate) most_calls: usize,
    /// From the last fault's end until everything was final.
    pub(crate) settled_in: Option<Duration>,
    pub(crate) problems: Vec<String>,
    told: HashMap<&'static str, usize>,
}

impl Findings {
    /// A broken promise; the first of each sort in full.
    pub(crate) fn breach(&mut self, sort: &'static str, what: String) {
        let told = self.told.entry(sort).or_default();
        *told += 1;
        if *told <= TOLD {
            self.problems.push(format!("{sort}: {what}"));
        }
    }

    fn count_untold(&mut self) {
        for (sort, told) in self.told.iter().filter(|(_, told)| **told > TOLD) {
            self.problems.push(format!("{sort}: {} more", told - TOLD));
        }
    }
}

/// Waits until the system is at rest, then looks at everything.
pub(crate) async fn judge(world: &World, load: &Load, injected: &Injected, since: Instant) -> Findings {
    let mut findings = Findings::default();
    rest(world, since, &mut findings).await;
    let entries = load.log.entries();
    let plans = truth::plans(&world.database).await;
    let deliveries = truth::deliveries(&world.database).await;
    requests(&entries, &plans, &deliveries, world, &mut findings);
    truth::unknown(&world.database, &mut findings).await;
    received::check(&plans, &deliveries, world, &mut findings).await;
    bounds(world, injected, &mut findings);
    quota::check(world, &mut findings);
    for problem in inspect::database(&world.database).await {
        findings.breach("invariant", problem);
    }
    others(world, &entries, &mut findings).await;
    queues(world, &mut findings).await;
    logs::pages(world, &mut findings).await;
    findings
}

/// What is only known when the processes have ended.
pub(crate) fn afterwards(world: &World, load: &Load, injected: &Injected, findings: &mut Findings) {
    logs::files(world, findings);
    let said = [world.fleet.problems(), load.log.problems(), injected.problems.clone()];
    said.into_iter().flatten().for_each(|problem| findings.breach("behaviour", problem));
    for tenant in &world.tenants {
        let wrong = [
            tenant.mail.read(|received| received.violations.clone()),
            tenant.hook.read(|received| received.violations.clone()),
        ];
        wrong.into_iter().flatten().for_each(|what| findings.breach("protocol to a provider", what));
    }
    findings.count_untold();
}

/// Nothing waits, nothing is under way, every plan is over.
async fn rest(world: &World, since: Instant, findings: &mut Findings) {
    let sql = "SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM attempt WHERE ended_at IS NULL)
                    + (SELECT count(*) FROM plan WHERE finished_at IS NULL)";
    let left = FINAL.saturating_sub(since.elapsed());
    match within(left, async || (world.database.number(sql).await == 0).then(|| since.elapsed())).await {
        Some(settled_in) => findings.settled_in = Some(settled_in),
        None => {
            findings.breach("not final", format!("something is still to do {FINAL:?} after the last fault"))
        }
    }
}

/// Invariants 1 and 3: what was accepted is there, once, whole.
fn requests(
    entries: &[Entry],
    plans: &[Plan],
    deliveries: &HashMap<Delivery, truth::State>,
    world: &World,
    findings: &mut Findings,
) {
    findings.requests = entries.len();
    findings.deliveries = deliveries.len();
    let mut whole: HashMap<i64, usize> = HashMap::new();
    deliveries.keys().for_each(|delivery| *whole.entry(delivery.plan).or_default() += 1);
    let mut by_number: HashMap<usize, &Plan> = HashMap::new();
    for plan in plans {
        if let Some(other) = by_number.insert(plan.number, plan) {
            findings.breach("two plans for one key", format!("{} and {}", other.id, plan.id));
        }
    }
    for (number, entry) in entries.iter().enumerate() {
        let plan = by_number.get(&number);
        findings.accepted += usize::from(entry.answer.is_some());
        findings.recovered += usize::from((entry.silent || entry.answer.is_none()) && plan.is_some());
        let Some(plan) = plan else {
            if let Some(answer) = entry.answer {
                findings.lost += entry.people;
                findings
                    .breach("lost", format!("request {number} was accepted as {answer}, which is not there"));
            }
            continue;
        };
        if entry.answer.and_then(ids::parse).is_some_and(|id| id.plan.id != plan.id) {
            findings.breach("another plan", format!("request {number} was accepted as {:?}", entry.answer));
        }
        if plan.tenant != world.tenants[entry.tenant].name {
            findings.mixed += 1;
            findings.breach(
                "tenants mixed",
                format!("plan {} of request {number} is {}'s", plan.id, plan.tenant),
            );
        }
        let (have, want) = (whole.get(&plan.id).copied().unwrap_or(0), entry.sort.deliveries(entry.people));
        if have != want {
            findings.lost += want.saturating_sub(have);
            findings.breach("lost", format!("plan {} has {have} deliveries of {want}", plan.id));
        }
    }
}

/// The bounds of what cannot be known.
fn bounds(world: &World, injected: &Injected, findings: &mut Findings) {
    findings.unknown_bound = injected.worker_ends * world.calls_per_worker() + injected.kept_back;
    if findings.unknown > findings.unknown_bound {
        let (unknown, bound) = (findings.unknown, findings.unknown_bound);
        findings.breach("too much unknown", format!("{unknown} outcomes, {bound} at most were expected"));
    }
    if findings.duplicated > findings.unknown {
        let (twice, unknown) = (findings.duplicated, findings.unknown);
        findings.breach("more often than unknown", format!("{twice} duplicates, {unknown} unknown outcomes"));
    }
}

/// Invariant 6 as the API shows it: somebody else's plan is not there.
async fn others(world: &World, entries: &[Entry], findings: &mut Findings) {
    for entry in entries.iter().rev().filter(|entry| entry.answer.is_some()).take(30) {
        let stranger = &world.tenants[(entry.tenant + 1) % world.tenants.len()];
        let path = format!("/v1/plans/{}", entry.answer.expect("just looked"));
        match stranger.clients[0].try_call(Method::GET, &path, &[], None).await {
            Ok(answer) if answer.status == 404 => {}
            Ok(answer) => {
                findings.mixed += 1;
                findings.breach("tenants mixed", format!("{} sees {path}: {}", stranger.name, answer.status));
            }
            Err(error) => findings.breach("behaviour", format!("{path} has no answer at rest: {error}")),
        }
    }
}

/// Invariant 8: queues are empty.
async fn queues(world: &World, findings: &mut Findings) {
    let connection = broker::connect(&world.servers.amqp_url).await.unwrap();
    let begun = Instant::now();
    for queue in broker::jobs(&world.prefix) {
        // Pointers to jobs that are done are acked one after another.
        let left = FINAL.saturating_sub(begun.elapsed());
        let empty = async || broker::ready(&connection, &queue).await.is_none_or(|messages| messages == 0);
        if within(left, async || empty().await.then_some(())).await.is_none() {
            findings.breach("queue", format!("{queue} is not empty"));
        }
    }
}
