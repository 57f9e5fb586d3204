//! Carries out a schedule and counts what it did.

mod network;
mod processes;
mod providers;
mod servers;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::load::{Load, Sort};
use crate::schedule::{Fault, Kind, Place};
use crate::world::World;
pub(crate) use processes::Step;

/// How long a probe may take to be final after a fault, others going on meanwhile.
const RECOVERED: Duration = Duration::from_secs(60);

/// What was done.
#[derive(Default)]
pub(crate) struct Injected {
    pub(crate) by_kind: BTreeMap<Kind, u32>,
    /// Runs of workers that ended or were declared dead because of us, at most.
    pub(crate) worker_ends: u64,
    /// Provider answers we kept back after a message could have been taken, at most.
    pub(crate) kept_back: u64,
    /// What the killed processes were doing.
    pub(crate) steps: BTreeMap<Step, u32>,
    /// How long after a fault a new urgent message was final, the slowest with its fault.
    pub(crate) slowest: Option<(Duration, Fault)>,
    pub(crate) problems: Vec<String>,
}

/// One run of a schedule.
pub(crate) struct Injector {
    pub(crate) world: Arc<World>,
    load: Arc<Load>,
    done: Mutex<Injected>,
    /// Faults at one place wait for each other also when they take longer than planned.
    places: Mutex<HashMap<Place, Arc<tokio::sync::Mutex<()>>>>,
}

/// Breaks what the schedule says, when it says so; returns when all is mended and new messages get through.
pub(crate) async fn run(world: &Arc<World>, load: &Arc<Load>, faults: Vec<Fault>) -> Injected {
    let (world, load) = (world.clone(), load.clone());
    let injector = Arc::new(Injector { world, load, done: Mutex::default(), places: Mutex::default() });
    let (begun, mut running) = (Instant::now(), JoinSet::new());
    for fault in faults {
        tokio::time::sleep_until((begun + fault.at).into()).await;
        running.spawn(injector.clone().carry_out(fault, begun));
        while let Some(ended) = running.try_join_next() {
            ended.unwrap();
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    std::mem::take(&mut *injector.done.lock().unwrap())
}

impl Injector {
    async fn carry_out(self: Arc<Self>, fault: Fault, begun: Instant) {
        let place = self.places.lock().unwrap().entry(fault.place).or_default().clone();
        let turn = place.lock_owned().await;
        let at = begun.elapsed();
        if let Some(why) = self.cannot(fault.kind) {
            eprintln!("! left out: {:?}, for {why}", fault.kind);
            return;
        }
        *self.done.lock().unwrap().by_kind.entry(fault.kind).or_default() += 1;
        match fault.place {
            Place::Process(index) => self.process(&fault, index).await,
            Place::Database(index) | Place::Broker(index) => self.network(&fault, index).await,
            Place::Postgres | Place::Rabbit => self.server(&fault).await,
            Place::Clock(index) => self.clock(&fault, index).await,
            Place::Mail(tenant) => self.mail(&fault, tenant).await,
            Place::Hook(tenant) => self.hook(&fault, tenant).await,
        }
        drop(turn);
        let ended = begun.elapsed();
        eprintln!(
            "{:>6.1}s..{:.1}s {:?} at {:?}",
            at.as_secs_f64(),
            ended.as_secs_f64(),
            fault.kind,
            fault.place
        );
        self.probe(fault).await;
    }

    /// Why a kind of fault cannot be had here.
    fn cannot(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::ClockJump if !self.world.fleet.has_clocks() => Some("libfaketime is not installed"),
            Kind::PostgresFull if self.world.servers.small().is_none() => {
                Some("a small file system can only be mounted by root")
            }
            _ => None,
        }
    }

    /// A new urgent message: from the fault's end to its final state.
    async fn probe(&self, fault: Fault) {
        let begun = Instant::now();
        let rng = fastrand::Rng::with_seed(fault.at.as_millis() as u64);
        let tenant = rng.clone().usize(..self.world.tenants.len());
        let Some(number) = self.load.send(&self.world, tenant, Sort::Urgent, rng).await else { return };
        let sql = "SELECT count(*) FROM plan WHERE metadata->>'log' = $1 AND finished_at IS NOT NULL";
        let recorded = async {
            let mut tick = tokio::time::interval(Duration::from_millis(250));
            loop {
                tick.tick().await;
                if let Ok(client) = self.world.database.connect().await
                    && let Ok(row) = client.query_one(sql, &[&number.to_string()]).await
                    && row.get::<_, i64>(0) > 0
                {
                    return;
                }
            }
        };
        if tokio::time::timeout(RECOVERED, recorded).await.is_err() {
            let what = format!("a message sent after {fault:?} is not final after {RECOVERED:?}");
            return self.problem(what);
        }
        let slowest = &mut self.done.lock().unwrap().slowest;
        if slowest.as_ref().is_none_or(|(most, _)| *most < begun.elapsed()) {
            *slowest = Some((begun.elapsed(), fault));
        }
    }

    fn problem(&self, what: String) {
        eprintln!("! {what}");
        self.done.lock().unwrap().problems.push(what);
    }

    /// A worker's run may have ended by this.
    fn worker_ends(&self, runs: usize) {
        self.done.lock().unwrap().worker_ends += runs as u64;
    }

    /// So many provider answers may have been kept back.
    fn kept_back(&self, answers: u64) {
        self.done.lock().unwrap().kept_back += answers;
    }
}
