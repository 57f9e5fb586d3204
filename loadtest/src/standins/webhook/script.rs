//! How a webhook stand-in misbehaves, per path.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What happens to a valid request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// This status, with a `Retry-After` header when given.
    Answer {
        /// HTTP status, 200..=599.
        status: u16,
        /// Seconds or an HTTP date, as written.
        retry_after: Option<String>,
    },
    /// Does not read the body for so long, then goes on as if nothing had been.
    StallBeforeBody(Duration),
    /// Reads the body and accepts, but answers 200 only after so long.
    StallAfterBody(Duration),
    /// Closes the connection before the body is read: nothing is recorded.
    DropBeforeBody,
    /// Closes the connection after the body was read, without an answer.
    DropAfterBody {
        /// Whether the receiver took the message.
        accepted: bool,
    },
}

/// One scripted misbehaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What.
    pub action: Action,
    /// How many requests before it is used up; `u32::MAX` is for ever.
    pub times: u32,
}

impl Behaviour {
    /// For ever; see [`Behaviour::times`].
    pub fn new(action: Action) -> Self {
        Self { action, times: u32::MAX }
    }

    /// The same, used up after `times`.
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Answers this status for ever.
    pub fn status(status: u16) -> Self {
        Self::new(Action::Answer { status, retry_after: None })
    }

    /// Answers this status with `Retry-After: seconds` for ever.
    pub fn throttle(status: u16, seconds: u32) -> Self {
        Self::new(Action::Answer { status, retry_after: Some(seconds.to_string()) })
    }

    pub(super) fn before_body(&self) -> bool {
        matches!(self.action, Action::StallBeforeBody(_) | Action::DropBeforeBody)
    }
}

/// All behaviours in force.
#[derive(Default)]
pub(super) struct Scripts {
    /// Spares the lock when nothing is scripted, the normal case under load.
    any: AtomicBool,
    set: Mutex<Set>,
}

#[derive(Default)]
struct Set {
    everywhere: Vec<Behaviour>,
    paths: HashMap<String, Vec<Behaviour>>,
}

impl Scripts {
    pub(super) fn add(&self, path: Option<&str>, behaviour: Behaviour) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        match path {
            None => set.everywhere.push(behaviour),
            Some(path) => set.paths.entry(path.to_owned()).or_default().push(behaviour),
        }
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn clear(&self) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(false, Ordering::Release);
        *set = Set::default();
    }

    /// Takes one use of the first behaviour for `path` of the wanted kind, else of one for every path.
    pub(super) fn take(&self, path: &str, before_body: bool) -> Option<Action> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let own = set.paths.get_mut(path).and_then(|behaviours| spend(behaviours, before_body));
        own.or_else(|| spend(&mut set.everywhere, before_body))
    }
}

fn spend(behaviours: &mut [Behaviour], before_body: bool) -> Option<Action> {
    let behaviour = behaviours.iter_mut().find(|b| b.before_body() == before_body && b.times > 0)?;
    if behaviour.times != u32::MAX {
        behaviour.times -= 1;
    }
    Some(behaviour.action.clone())
}
