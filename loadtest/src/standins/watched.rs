//! State that tests and load runs can wait on: a condition with a limit instead of a sleep.

use std::fmt::{self, Display};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// A condition that did not come true in time.
#[derive(Debug)]
pub struct TimedOut {
    limit: Duration,
    state: String,
}

impl Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not so within {:?}; the stand-in has {}", self.limit, self.state)
    }
}

impl std::error::Error for TimedOut {}

/// A value behind a lock that tells waiters when it changed.
#[derive(Debug)]
pub(super) struct Watched<T> {
    state: Mutex<T>,
    changed: Notify,
}

impl<T: Display> Watched<T> {
    pub(super) fn new(state: T) -> Self {
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Poison is ignored: a panicking predicate is a failed test, not a broken record.
    fn lock(&self) -> MutexGuard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    pub(super) fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_waiters();
        result
    }

    /// Returns once `condition` holds; it is asked again after every change.
    pub(super) async fn wait_for(
        &self,
        mut condition: impl FnMut(&T) -> bool,
        limit: Duration,
    ) -> Result<(), TimedOut> {
        let holds = async {
            loop {
                // Registered before looking, so a change in between is not missed.
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if self.read(&mut condition) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, holds)
            .await
            .map_err(|_| TimedOut { limit, state: self.read(ToString::to_string) })
    }
}
