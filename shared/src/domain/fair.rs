//! Fair sharing of a queue between tenants, and between the plans of one tenant. Pure.
//!
//! Start-time fair queueing on two levels: who has been given least goes next, counted in deliveries. Each flow is ahead of its
//! share by at most one job at any time, which deficit round robin would only keep over whole rounds.
//! Source: Goyal, Vin, Cheng, "Start-time Fair Queueing" (SIGCOMM 1996); all weights are 1.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// Tenants whose plans' shares are remembered while others have their turn.
const MOST: usize = 10_000;

/// A job that may be given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// `job.id`.
    pub job: i64,
    /// Its tenant.
    pub tenant: i64,
    /// Its plan.
    pub plan: i64,
    /// Deliveries in it, 1 or more.
    pub units: i32,
}

/// What became of a job that was its flow's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was taken; the next.
    Yes,
    /// Nothing of its tenant can be taken now; the next tenant.
    Blocked,
    /// No room for it or anybody.
    Full,
}

/// What each flow has had, as far as it still matters: those that had no more than the others are forgotten.
#[derive(Debug, Default)]
pub struct Fair {
    tenants: Level,
    plans: HashMap<i64, Level>,
}

/// The flows of one level: a clock in units, and until when each flow has had its share.
#[derive(Debug, Default)]
struct Level {
    clock: u64,
    ahead: HashMap<i64, u64>,
}

impl Level {
    /// Where a flow stands; one that was away starts with the others, it has saved up nothing.
    fn start(&self, flow: i64) -> u64 {
        self.ahead.get(&flow).map_or(self.clock, |&until| until.max(self.clock))
    }

    fn charge(&mut self, flow: i64, start: u64, units: u64) {
        self.clock = self.clock.max(start);
        self.ahead.insert(flow, start + units);
    }

    fn tidy(&mut self) {
        let clock = self.clock;
        self.ahead.retain(|_, until| *until > clock);
    }
}

/// A tenant's waiting jobs, by plan.
#[derive(Default)]
struct Jobs {
    turns: BinaryHeap<Reverse<(u64, i64)>>,
    plans: HashMap<i64, VecDeque<Waiting>>,
}

impl Fair {
    /// Offers waiting jobs one after another, each time the next of whoever has had least, until `take` says that it is full
    /// or nobody is left. Within a plan jobs go in the order given.
    pub fn share(
        &mut self,
        waiting: impl IntoIterator<Item = Waiting>,
        mut take: impl FnMut(&Waiting) -> Taken,
    ) {
        let mut tenants: HashMap<i64, Jobs> = HashMap::new();
        for job in waiting {
            tenants.entry(job.tenant).or_default().plans.entry(job.plan).or_default().push_back(job);
        }
        let mut turns = BinaryHeap::with_capacity(tenants.len());
        for (&tenant, jobs) in &mut tenants {
            turns.push(Reverse((self.tenants.start(tenant), tenant)));
            let level = self.plans.entry(tenant).or_default();
            jobs.turns = jobs.plans.keys().map(|&plan| Reverse((level.start(plan), plan))).collect();
        }
        while let Some(Reverse((start, tenant))) = turns.pop() {
            let Some(jobs) = tenants.get_mut(&tenant) else { continue };
            let Some(job) = jobs.next() else { continue };
            match take(&job) {
                Taken::Full => break,
                Taken::Blocked => {}
                Taken::Yes => {
                    let units = u64::from(job.units.unsigned_abs().max(1));
                    self.tenants.charge(tenant, start, units);
                    let level = self.plans.entry(tenant).or_default();
                    jobs.taken(level, &job, units);
                    turns.push(Reverse((start + units, tenant)));
                }
            }
        }
        self.tidy();
    }

    fn tidy(&mut self) {
        self.tenants.tidy();
        self.plans.values_mut().for_each(Level::tidy);
        if self.plans.len() > MOST {
            let tenants = &self.tenants.ahead;
            self.plans.retain(|tenant, _| tenants.contains_key(tenant));
        }
    }
}

impl Jobs {
    /// The next job of the plan that has had least.
    fn next(&self) -> Option<Waiting> {
        let Reverse((_, plan)) = self.turns.peek()?;
        self.plans.get(plan)?.front().copied()
    }

    fn taken(&mut self, level: &mut Level, job: &Waiting, units: u64) {
        let Some(Reverse((start, plan))) = self.turns.pop() else { return };
        level.charge(plan, start, units);
        let Some(jobs) = self.plans.get_mut(&plan) else { return };
        debug_assert_eq!(jobs.front(), Some(job));
        jobs.pop_front();
        if !jobs.is_empty() {
            self.turns.push(Reverse((start + units, plan)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `count` jobs of one plan.
    fn jobs(tenant: i64, plan: i64, units: i32, count: i64) -> Vec<Waiting> {
        (0..count).map(|n| Waiting { job: plan * 1_000_000 + n, tenant, plan, units }).collect()
    }

    /// Takes up to `room` units; what was taken.
    fn take(fair: &mut Fair, waiting: &[Waiting], room: i32) -> Vec<Waiting> {
        let (mut left, mut taken) = (room, Vec::new());
        fair.share(waiting.iter().copied(), |job| {
            if left <= 0 {
                return Taken::Full;
            }
            left -= job.units;
            taken.push(*job);
            Taken::Yes
        });
        taken
    }

    fn units(taken: &[Waiting], of: impl Fn(&Waiting) -> bool) -> i32 {
        taken.iter().filter(|job| of(job)).map(|job| job.units).sum()
    }

    #[test]
    fn tenants_share_by_deliveries_whatever_the_size_of_their_jobs_and_the_number_of_their_plans() {
        let mut waiting = jobs(1, 10, 1000, 50);
        waiting.extend((20..40).flat_map(|plan| jobs(2, plan, 1, 1000)));
        let taken = take(&mut Fair::default(), &waiting, 10_000);
        assert!(
            (4000..=6000).contains(&units(&taken, |job| job.tenant == 1)),
            "{}",
            units(&taken, |job| job.tenant == 1)
        );
    }

    #[test]
    fn plans_of_a_tenant_share_by_deliveries() {
        let waiting = [jobs(1, 1, 50, 1000), jobs(1, 2, 10, 1000)].concat();
        let taken = take(&mut Fair::default(), &waiting, 1000);
        assert!((450..=550).contains(&units(&taken, |job| job.plan == 1)), "{taken:?}");
    }

    #[test]
    fn a_small_plan_does_not_wait_for_a_large_one() {
        let mut fair = Fair::default();
        let large = jobs(1, 1, 1000, 200);
        for round in 0..5 {
            take(&mut fair, &large[round * 5..], 5000);
        }
        let waiting = [large[25..].to_vec(), jobs(3, 3, 50, 2)].concat();
        let taken = take(&mut fair, &waiting, 1000);
        assert_eq!(units(&taken, |job| job.tenant == 3), 100, "{taken:?}");
    }

    #[test]
    fn a_blocked_tenant_holds_nobody_up_and_is_charged_nothing() {
        let waiting = [jobs(1, 1, 10, 100), jobs(2, 2, 10, 100)].concat();
        let mut fair = Fair::default();
        let mut taken = 0;
        fair.share(waiting.clone(), |job| {
            if job.tenant == 1 {
                return Taken::Blocked;
            }
            taken += 1;
            Taken::Yes
        });
        assert_eq!(taken, 100);
        assert!(!fair.tenants.ahead.contains_key(&1));
    }

    proptest! {
        /// Flows that always have work, over several rounds: shares differ by at most one job of each.
        #[test]
        fn shares_are_equal_to_within_one_job(
            sizes in prop::collection::vec(prop::collection::vec(1..1000i32, 1..4), 1..5),
            rooms in prop::collection::vec(1..5000i32, 1..20),
        ) {
            let mut waiting: Vec<Waiting> = Vec::new();
            for (tenant, plans) in sizes.iter().enumerate() {
                for (plan, &units) in plans.iter().enumerate() {
                    waiting.extend(jobs(tenant as i64, (tenant * 10 + plan) as i64, units, 120_000 / i64::from(units)));
                }
            }
            let (mut fair, mut all) = (Fair::default(), Vec::new());
            for room in rooms {
                let taken = take(&mut fair, &waiting, room);
                prop_assert!(units(&taken, |_| true) >= room, "work-conserving");
                waiting.retain(|job| !taken.contains(job));
                all.extend(taken);
            }
            let largest = |tenant: usize| *sizes[tenant].iter().max().unwrap();
            for a in 0..sizes.len() {
                for b in 0..sizes.len() {
                    let got = |tenant: usize| units(&all, |job| job.tenant == tenant as i64);
                    prop_assert!((got(a) - got(b)).abs() <= largest(a) + largest(b), "{a} {} {b} {}", got(a), got(b));
                }
                for (p, one) in sizes[a].iter().enumerate() {
                    for (q, other) in sizes[a].iter().enumerate() {
                        let got = |plan: usize| units(&all, |job| job.plan == (a * 10 + plan) as i64);
                        prop_assert!((got(p) - got(q)).abs() <= one + other, "plans {p} {q} of {a}");
                    }
                }
            }
        }

        /// Whatever comes and goes: everything is offered once, in order within a plan, and nobody's lead outgrows one job.
        #[test]
        fn nothing_is_lost_and_leads_are_bounded(
            flows in prop::collection::vec((0..4i64, 0..4i64, 1..1000i32, 1..20i64), 1..12),
            room in 1..20_000i32,
        ) {
            let waiting: Vec<Waiting> = flows.iter().enumerate()
                .flat_map(|(n, &(tenant, plan, units, count))| {
                    jobs(tenant, tenant * 10 + plan, units, count).into_iter().map(move |job| Waiting { job: job.job + n as i64 * 1000, ..job })
                }).collect();
            let mut fair = Fair::default();
            let taken = take(&mut fair, &waiting, room);
            let total: i32 = waiting.iter().map(|job| job.units).sum();
            prop_assert!(units(&taken, |_| true) >= room.min(total));
            for plan in waiting.iter().map(|job| job.plan) {
                let given: Vec<i64> = waiting.iter().filter(|job| job.plan == plan).map(|job| job.job).collect();
                let got: Vec<i64> = taken.iter().filter(|job| job.plan == plan).map(|job| job.job).collect();
                prop_assert!(given.starts_with(&got), "in order, none left out");
            }
            for level in std::iter::once(&fair.tenants).chain(fair.plans.values()) {
                prop_assert!(level.ahead.values().all(|until| until - level.clock <= 1000));
            }
        }
    }
}
