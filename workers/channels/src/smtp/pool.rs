//! The connections of one account: at most `limit` at once, idle ones used last in, first out.
//!
//! A connection is owned by the send that uses it and given back only after a complete, orderly conversation; a send
//! that fails, times out or is cancelled drops it. So no reply can reach the wrong mail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::conversation::Connection;
use super::mail::Mail;
use super::open::open;
use super::reply::Reply;
use super::settings::Settings;
use super::trouble::Trouble;
use crate::{Gate, NetPolicy};

/// Idle connections are closed after this; servers close them after 5 minutes or sooner.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// Mails over one connection; many servers allow 100 to 1000 (Exchange and Postfix relays close around them).
const MAX_MAILS: u32 = 200;

pub(super) struct Pool {
    settings: Settings,
    net: Arc<NetPolicy>,
    permits: Semaphore,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// Oldest first, so the end is the most recently used.
    waiting: Vec<(Instant, Connection)>,
    /// A task closes them when their time is up.
    watched: bool,
}

impl Pool {
    /// An empty pool; connects nothing.
    pub(super) fn new(settings: Settings, net: Arc<NetPolicy>, limit: u32) -> Arc<Self> {
        let permits = Semaphore::new(usize::try_from(limit).unwrap_or(Semaphore::MAX_PERMITS));
        Arc::new(Pool { settings, net, permits, idle: Mutex::default() })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Opens a connection outside the pool.
    pub(super) async fn open(&self, deadline: Instant) -> Result<Connection, Trouble> {
        open(&self.settings, &self.net, deadline).await
    }

    /// Sends one mail: `Ok(None)` when the gate was shut, else the reply that accepted it.
    ///
    /// `limit` runs from the moment a place is free. An idle connection that turns out closed is replaced once.
    pub(super) async fn send(
        self: &Arc<Self>,
        mail: &Mail,
        gate: &dyn Gate,
        limit: Duration,
    ) -> Result<Option<Reply>, Trouble> {
        let _place = self.permits.acquire().await.expect("the semaphore is never closed");
        let deadline = Instant::now() + limit;
        let (mut connection, reused) = match self.take() {
            Some(connection) => (connection, true),
            None => (self.open(deadline).await?, false),
        };
        connection.wire.deadline = deadline;
        if !gate.enter().await {
            self.give_back(connection);
            return Ok(None);
        }
        let mut sent = connection.send(mail).await;
        if reused && !connection.has_answered() && sent.as_ref().is_err_and(Trouble::is_hang_up) {
            connection = self.open(deadline).await?;
            sent = connection.send(mail).await;
        }
        self.give_back(connection);
        sent.map(Some)
    }

    fn take(&self) -> Option<Connection> {
        let (since, connection) = self.lock().waiting.pop()?;
        // Those below are older still; the watching task closes them.
        (since.elapsed() < IDLE_LIMIT).then_some(connection)
    }

    fn give_back(self: &Arc<Self>, mut connection: Connection) {
        if !connection.is_usable() {
            return;
        }
        if connection.mails >= MAX_MAILS {
            tokio::spawn(async move { connection.bye().await });
            return;
        }
        let mut idle = self.lock();
        idle.waiting.push((Instant::now(), connection));
        if !idle.watched {
            idle.watched = true;
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Takes out what has been idle too long; `None` when nothing is left to watch.
    fn expired(&self) -> Option<Vec<(Instant, Connection)>> {
        let mut idle = self.lock();
        let old = idle.waiting.partition_point(|(since, _)| since.elapsed() >= IDLE_LIMIT);
        if old == 0 && idle.waiting.is_empty() {
            idle.watched = false;
            return None;
        }
        Some(idle.waiting.drain(..old).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes idle connections until there are none, or the pool is gone (then they are closed with it).
async fn watch(pool: Weak<Pool>) {
    loop {
        sleep(IDLE_LIMIT / 6).await;
        let Some(old) = pool.upgrade().and_then(|pool| pool.expired()) else { return };
        for (_, mut connection) in old {
            connection.wire.deadline = Instant::now() + IDLE_LIMIT;
            connection.bye().await;
        }
    }
}
