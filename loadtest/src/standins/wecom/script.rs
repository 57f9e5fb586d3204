//! How a WeCom stand-in misbehaves, per app.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What happens to a well-formed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A message is refused with this `errcode`.
    Refuse(i64),
    /// A message is answered with this HTTP status and a page, as a gateway in between would.
    Gateway(u16),
    /// Every token ends just before a message is looked at.
    ExpireTokens,
    /// A message is accepted, but answered only after so long.
    StallAfterAccepting(Duration),
    /// A message is answered like a good one and delivered to nobody.
    DropSilently,
    /// A token request is refused with this `errcode`.
    RefuseToken(i64),
    /// A recall is refused with this `errcode`.
    RefuseRecall(i64),
}

/// A kind of request that may be scripted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Token,
    Message,
    Recall,
}

impl Action {
    fn of(&self) -> Asked {
        match self {
            Action::RefuseToken(_) => Asked::Token,
            Action::RefuseRecall(_) => Asked::Recall,
            _ => Asked::Message,
        }
    }
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

    /// "Call frequency exceeded", for ever.
    pub fn throttle() -> Self {
        Self::new(Action::Refuse(45009))
    }
}

/// All behaviours in force.
#[derive(Default)]
pub(super) struct Scripts {
    /// Spares the lock when nothing is scripted, the normal case under load.
    any: AtomicBool,
    set: Mutex<HashMap<Option<u64>, Vec<Behaviour>>>,
}

impl Scripts {
    pub(super) fn add(&self, agent_id: Option<u64>, behaviour: Behaviour) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        set.entry(agent_id).or_default().push(behaviour);
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn clear(&self) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(false, Ordering::Release);
        set.clear();
    }

    /// Takes one use of the first behaviour for the app, else of one for all, of those for such requests.
    pub(super) fn take(&self, agent_id: u64, asked: Asked) -> Option<Action> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        [Some(agent_id), None].into_iter().find_map(|key| spend(set.get_mut(&key)?, asked))
    }
}

fn spend(behaviours: &mut [Behaviour], asked: Asked) -> Option<Action> {
    let behaviour = behaviours.iter_mut().find(|b| b.action.of() == asked && b.times > 0)?;
    if behaviour.times != u32::MAX {
        behaviour.times -= 1;
    }
    Some(behaviour.action.clone())
}
