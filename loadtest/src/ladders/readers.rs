//! People who open their inbox and read, at a fixed rate by the clock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::herald::Herald;
use crate::pace;

/// Readers at once; more wait, and their waiting counts.
const AT_ONCE: usize = 64;
/// More readings than any measurement makes.
const MOST: usize = 10_000_000;

/// What the readers did.
#[derive(Default)]
pub(super) struct Read {
    /// Member to the time when the API confirmed the reading.
    pub(super) at: HashMap<String, Instant>,
    /// From due to confirmed.
    pub(super) times: Vec<Duration>,
}

/// Reads until [`Readers::stop`].
pub(super) struct Readers {
    reached: Arc<AtomicU64>,
    read: Arc<Mutex<Read>>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Readers {
    /// `share` of `people` read a minute, from those who are reached.
    pub(super) fn start(herald: &Herald, people: u64, share: f64) -> Self {
        let reached = Arc::new(AtomicU64::new(0));
        let read = Arc::new(Mutex::new(Read::default()));
        let per_second = people as f64 * share / 60.0;
        let task = tokio::spawn(run(herald.clone(), per_second, Arc::clone(&reached), Arc::clone(&read)));
        Self { reached, read, task }
    }

    /// The first `people` have the message.
    pub(super) fn reached(&self, people: u64) {
        self.reached.fetch_max(people, Ordering::Relaxed);
    }

    /// Ends reading; what was read.
    ///
    /// # Errors
    ///
    /// A request failed.
    pub(super) async fn stop(self) -> anyhow::Result<Read> {
        if self.task.is_finished() {
            self.task.await??;
        } else {
            self.task.abort();
        }
        Ok(std::mem::take(&mut self.read.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

async fn run(
    herald: Herald,
    per_second: f64,
    reached: Arc<AtomicU64>,
    read: Arc<Mutex<Read>>,
) -> anyhow::Result<()> {
    let mut ticks = pace::ticks(per_second, MOST);
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    while let Some(tick) = ticks.recv().await {
        while let Some(done) = tasks.try_join_next() {
            done??;
        }
        let people = reached.load(Ordering::Relaxed);
        if people == 0 {
            continue;
        }
        let person = fastrand::u64(0..people);
        let (herald, read) = (herald.clone(), Arc::clone(&read));
        let permit = Arc::clone(&room).acquire_owned().await?;
        tasks.spawn(async move {
            let confirmed = open(&herald, person).await?;
            drop(permit);
            if confirmed {
                let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
                read.at.entry(format!("person-{person}")).or_insert_with(Instant::now);
                read.times.push(tick.due.elapsed());
            }
            Ok(())
        });
    }
    Ok(())
}

/// Opens a person's inbox and reads its newest message; false: it is not there yet.
async fn open(herald: &Herald, person: u64) -> anyhow::Result<bool> {
    let inbox = format!("/v1/inbox/E{person}");
    let Some(id) = herald.inbox(&inbox).await? else { return Ok(false) };
    herald.read(&format!("{inbox}/{id}/read")).await?;
    Ok(true)
}
