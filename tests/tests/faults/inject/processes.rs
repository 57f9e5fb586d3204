//! Processes killed, frozen and replaced.

use std::time::{Duration, Instant};

use super::Injector;
use crate::fleet::Role;
use crate::schedule::{Fault, Kind};

/// What a process was in the middle of when it was killed: the steps of the job protocol that a death can hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// An API, while clients waited for answers (steps 1 and 2: accept, wake).
    ApiWithRequests,
    /// An API with nothing to do.
    ApiIdle,
    /// A dispatcher, while plans waited to be expanded (step 3).
    DispatcherExpanding,
    /// A dispatcher, while jobs were due or published (steps 4 and 5).
    DispatcherAdmitting,
    /// A dispatcher with nothing to do.
    DispatcherIdle,
    /// A worker with calls marked and not settled (steps 7 to 9).
    WorkerCalling,
    /// A worker that held a job without a call (between claim, settle and release).
    WorkerHolding,
    /// A worker that held nothing, while pointers were on their way (step 6).
    WorkerReceiving,
    /// A worker with nothing to do.
    WorkerIdle,
    /// A dispatcher or worker, frozen in a transaction that had written something.
    FrozenWithLocks,
}

/// Longer than this the lease (3 s; a gate shuts at 70 %) may have lapsed.
pub(super) const LEASE_AT_RISK_MS: u128 = 1500;

/// How long a moment is looked for in which a process holds locks.
const HOLDING: Duration = Duration::from_secs(8);
/// How long a fault waits for its victim to be busy.
const AIM: Duration = Duration::from_secs(2);

impl Injector {
    pub(super) async fn process(&self, fault: &Fault, index: usize) {
        let fleet = &self.world.fleet;
        let role = fleet.members[index].role;
        let worker = role == Role::Worker;
        if fault.flag && !matches!(fault.kind, Kind::Replace | Kind::FreezeHolding) {
            self.aim(role, index).await;
        }
        match fault.kind {
            Kind::FreezeApi | Kind::FreezeDispatcher | Kind::FreezeWorker => {
                if worker && fault.length.as_millis() > LEASE_AT_RISK_MS {
                    self.worker_ends(1);
                }
                if fleet.signal(index, "STOP") {
                    tokio::time::sleep(fault.length).await;
                    fleet.signal(index, "CONT");
                }
            }
            Kind::FreezeHolding => {
                self.worker_ends(usize::from(worker));
                self.freeze_holding(index).await;
                tokio::time::sleep(fault.length).await;
                fleet.signal(index, "CONT");
            }
            Kind::Replace => {
                fleet.stop(index).await;
                fleet.launch(index);
            }
            _ => {
                self.worker_ends(usize::from(worker));
                let (waiting, run) = (self.load.under_way(), fleet.incarnation(index));
                if fleet.kill(index) {
                    self.note_step(role, waiting, run).await;
                    tokio::time::sleep(fault.length).await;
                    fleet.launch(index);
                }
            }
        }
    }

    /// Lets a process's clock jump, forwards or back.
    pub(super) async fn clock(&self, fault: &Fault, index: usize) {
        let fleet = &self.world.fleet;
        fleet.set_clock(index, if fault.flag { "+7200" } else { "-7200" });
        tokio::time::sleep(fault.length).await;
        fleet.set_clock(index, "+0");
    }

    /// Freezes a process while it holds locks: stopped, asked what it holds, let go on if it is nothing.
    async fn freeze_holding(&self, index: usize) {
        let fleet = &self.world.fleet;
        let sql = "SELECT count(*) FROM pg_stat_activity
                    WHERE application_name = $1 AND state = 'idle in transaction' AND backend_xid IS NOT NULL";
        let begun = Instant::now();
        while begun.elapsed() < HOLDING {
            fleet.signal(index, "STOP");
            if let Ok(client) = self.world.database.connect().await
                && let Ok(row) = client.query_one(sql, &[&fleet.members[index].name]).await
                && row.get::<_, i64>(0) > 0
            {
                *self.done.lock().unwrap().steps.entry(Step::FrozenWithLocks).or_default() += 1;
                return;
            }
            fleet.signal(index, "CONT");
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        // Not this time: frozen all the same.
        fleet.signal(index, "STOP");
    }

    /// Waits, not for long, until the process is in the middle of something: most faults hit busy ones, the others any
    /// moment.
    async fn aim(&self, role: Role, index: usize) {
        let sql = match role {
            Role::Api => "",
            Role::Dispatcher => "SELECT 1 FROM job WHERE (kind = 0 OR state = 0) AND due_at <= now() LIMIT 1",
            // Amid a job of many calls: some are under way, others not yet marked.
            Role::Worker => {
                "SELECT 1 FROM attempt a JOIN job j ON j.id = a.job_id
                  WHERE a.incarnation_id = $1 AND a.ended_at IS NULL AND j.units > 8 LIMIT 1"
            }
        };
        let run = self.world.fleet.incarnation(index).unwrap_or(0);
        let busy = async {
            let client = self.world.database.connect().await.ok()?;
            loop {
                let found = match role {
                    Role::Api => self.load.under_way() > 0,
                    Role::Dispatcher => client.query_opt(sql, &[]).await.ok()?.is_some(),
                    Role::Worker => client.query_opt(sql, &[&run]).await.ok()?.is_some(),
                };
                if found {
                    return Some(());
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        // What cannot be hit within the time is killed as it is.
        drop(tokio::time::timeout(AIM, busy).await);
    }

    /// What the dead process left, read at once: nobody takes over before its lease has lapsed.
    async fn note_step(&self, role: Role, requests: usize, run: Option<i64>) {
        let sql = "SELECT (SELECT count(*) FROM attempt WHERE incarnation_id = $1 AND ended_at IS NULL),
                          (SELECT count(*) FROM job WHERE incarnation_id = $1 AND state = 2),
                          (SELECT count(*) FROM job WHERE kind = 1 AND (state = 1 OR due_at <= now())),
                          (SELECT count(*) FROM job WHERE kind = 0 AND due_at <= now())";
        let Ok(client) = self.world.database.connect().await else { return };
        let Ok(row) = client.query_one(sql, &[&run.unwrap_or(0)]).await else { return };
        let [calls, held, moving, expanding] = [0, 1, 2, 3].map(|column| row.get::<_, i64>(column) > 0);
        let step = match role {
            Role::Api if requests > 0 => Step::ApiWithRequests,
            Role::Api => Step::ApiIdle,
            Role::Dispatcher if expanding => Step::DispatcherExpanding,
            Role::Dispatcher if moving => Step::DispatcherAdmitting,
            Role::Dispatcher => Step::DispatcherIdle,
            Role::Worker if calls => Step::WorkerCalling,
            Role::Worker if held => Step::WorkerHolding,
            Role::Worker if moving => Step::WorkerReceiving,
            Role::Worker => Step::WorkerIdle,
        };
        *self.done.lock().unwrap().steps.entry(step).or_default() += 1;
    }
}
