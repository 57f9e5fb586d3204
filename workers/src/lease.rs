//! This run's lease: beats while it lives, and the gate every call passes last.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use herald_channels::Gate;
use herald_shared::clock;
use herald_shared::db::{self, Client, Error, Pool, incarnation};
use herald_shared::ops::Check;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A run as dispatchers know it.
pub(crate) struct Lease {
    length: Duration,
    incarnation: AtomicI64,
    /// When the last successful beat was *sent*.
    beat: watch::Sender<Option<Instant>>,
}

impl Lease {
    pub(crate) fn new(length: Duration) -> Self {
        Lease { length, incarnation: AtomicI64::new(0), beat: watch::Sender::new(None) }
    }

    /// The id that claims and marks carry; 0 before the first beat, which claims nothing.
    pub(crate) fn incarnation(&self) -> i64 {
        self.incarnation.load(Ordering::Acquire)
    }

    /// Whether nobody can have declared this run dead: its last beat is younger than seven tenths of the lease.
    ///
    /// The rest covers the time between this check and the call's first byte. After a freeze it is false until the next beat
    /// has told whether the run was given up.
    pub(crate) fn is_alive(&self) -> bool {
        self.holds(*self.beat.borrow())
    }

    /// Waits until it is alive: nothing is claimed before, so an absent database keeps pointers where they are.
    pub(crate) async fn alive(&self) {
        let mut beats = self.beat.subscribe();
        // The sender lives as long as `self`.
        drop(beats.wait_for(|&beat| self.holds(beat)).await);
    }

    fn holds(&self, beat: Option<Instant>) -> bool {
        beat.is_some_and(|beat| beat.elapsed() < self.length.mul_f64(0.7))
    }

    /// For `/readyz`.
    pub(crate) fn check(self: &Arc<Self>) -> Check {
        let lease = self.clone();
        Arc::new(move || {
            let alive = lease.is_alive();
            Box::pin(async move {
                if alive { Ok(()) } else { Err("no beat reached the database lately".to_owned()) }
            })
        })
    }

    fn beat(&self, sent: Option<Instant>) {
        self.beat.send_replace(sent);
    }
}

#[async_trait]
impl Gate for Lease {
    async fn enter(&self) -> bool {
        self.is_alive()
    }
}

/// Beats until everything in hand is recorded, then tells the dispatchers that this run holds nothing any more.
pub(crate) async fn run(lease: Arc<Lease>, pool: Pool, drained: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(lease.length / 5);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = drained.cancelled() => break, _ = tick.tick() => {} }
        if let Err(error) = beat_once(&lease, &pool).await {
            tracing::warn!(error = error.chain(), "a beat did not reach the database");
        }
    }
    end(&lease, &pool).await;
    Ok(())
}

async fn beat_once(lease: &Lease, pool: &Pool) -> Result<(), Error> {
    let limit = lease.length / 4;
    let sent = Instant::now();
    let client = timeout(limit, pool.get()).await.map_err(|_| Error::Deadline)??;
    // A connection that has fallen silent is thrown away: the next beat must not wait on it again.
    let answer = timeout(limit, beat_with(lease, &client, sent)).await;
    db::answered(client, answer)
}

async fn beat_with(lease: &Lease, client: &Client, sent: Instant) -> Result<(), Error> {
    let id = lease.incarnation();
    if id != 0
        && let Some(time) = incarnation::beat(client, id).await?
    {
        clock::heard(Instant::now(), time);
        lease.beat(Some(sent));
        return Ok(());
    }
    if id != 0 {
        lease.beat(None);
        tracing::warn!(
            incarnation = id,
            "this run was declared dead (frozen, or cut off from the database): starting a new one"
        );
    }
    let (id, time) = incarnation::begin(client).await?;
    clock::heard(Instant::now(), time);
    lease.incarnation.store(id, Ordering::Release);
    lease.beat(Some(sent));
    tracing::info!(incarnation = id, "this run may claim jobs");
    Ok(())
}

/// Ends this run's lease, so that a dispatcher takes over at once whatever it still holds.
async fn end(lease: &Lease, pool: &Pool) {
    let goodbye = async { incarnation::end(&pool.get().await?, lease.incarnation()).await };
    if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(3), goodbye).await {
        tracing::warn!(error = error.chain(), "could not say goodbye: the lease will lapse by itself");
    }
}
