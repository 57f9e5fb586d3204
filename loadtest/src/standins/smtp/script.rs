//! Where and how an SMTP stand-in misbehaves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The point in the dialogue at which a behaviour acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Instead of the greeting (for everybody only).
    Connect,
    /// At AUTH (for everybody only).
    Auth,
    /// At MAIL FROM (for everybody only).
    Mail,
    /// At RCPT TO.
    Recipient,
    /// At DATA, before 354: the client cannot have sent the message.
    Data,
    /// After 354, before the final dot is read: the client may have written it.
    Body,
    /// After the final dot was read: the client cannot know what became of the message.
    Dot,
}

/// What happens there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// This reply ("451 4.3.0 try later"); the message or recipient is not accepted. 421 closes the connection.
    Reply(String),
    /// Silence for this long, then on as if nothing had been. At `Dot` the message is recorded before the silence.
    Stall(Duration),
    /// The connection is closed without a reply; at `Dot` nothing is recorded.
    Drop,
    /// The connection is closed without a reply after the message was recorded (`Dot` only; else like `Drop`).
    RecordAndDrop,
}

/// One scripted misbehaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Where.
    pub stage: Stage,
    /// What.
    pub action: Action,
    /// How many times before it is used up; `u32::MAX` is for ever.
    pub times: u32,
}

impl Behaviour {
    /// For ever; see [`Behaviour::times`].
    pub fn new(stage: Stage, action: Action) -> Self {
        Self { stage, action, times: u32::MAX }
    }

    /// The same, used up after `times`.
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Refuses the recipient at RCPT TO for ever, e.g. with `550 5.1.1 no such user`.
    pub fn refuse(reply: &str) -> Self {
        Self::new(Stage::Recipient, Action::Reply(reply.to_owned()))
    }

    /// Refuses the message after its final dot for ever, e.g. with `554 5.7.1 looks like spam`.
    pub fn refuse_message(reply: &str) -> Self {
        Self::new(Stage::Dot, Action::Reply(reply.to_owned()))
    }

    /// Puts the recipient off `times` times at RCPT TO, then accepts, e.g. with `451 4.3.0 try later`.
    pub fn defer(times: u32, reply: &str) -> Self {
        Self::refuse(reply).times(times)
    }

    /// Answers DATA late: the client cannot have sent the message yet.
    pub fn stall_before_dot(silence: Duration) -> Self {
        Self::new(Stage::Data, Action::Stall(silence))
    }

    /// Accepts and records the message, but says so late.
    pub fn stall_after_dot(silence: Duration) -> Self {
        Self::new(Stage::Dot, Action::Stall(silence))
    }

    /// Closes the connection at DATA: surely not accepted.
    pub fn drop_before_dot() -> Self {
        Self::new(Stage::Data, Action::Drop)
    }

    /// Closes the connection after the final dot without a reply; `recorded` says whether the message was accepted.
    pub fn drop_after_dot(recorded: bool) -> Self {
        Self::new(Stage::Dot, if recorded { Action::RecordAndDrop } else { Action::Drop })
    }

    /// `421 4.3.2` at MAIL FROM and the connection is closed, for ever.
    pub fn unavailable() -> Self {
        Self::new(Stage::Mail, Action::Reply("421 4.3.2 shutting down".to_owned()))
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
    everybody: Vec<Behaviour>,
    recipients: HashMap<String, Vec<Behaviour>>,
}

impl Scripts {
    pub(super) fn add(&self, recipient: Option<&str>, behaviour: Behaviour) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        match recipient {
            None => set.everybody.push(behaviour),
            Some(address) => set.recipients.entry(address.to_owned()).or_default().push(behaviour),
        }
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn clear(&self) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(false, Ordering::Release);
        *set = Set::default();
    }

    /// Takes one use of the behaviour that acts at `stage` for the first of `recipients` that has one, else for everybody.
    pub(super) fn take<'a>(&self, stage: Stage, recipients: impl Iterator<Item = &'a str>) -> Option<Action> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        for recipient in recipients {
            let own = set.recipients.get_mut(recipient);
            if let Some(action) = own.and_then(|behaviours| spend(behaviours, stage)) {
                return Some(action);
            }
        }
        spend(&mut set.everybody, stage)
    }
}

fn spend(behaviours: &mut [Behaviour], stage: Stage) -> Option<Action> {
    let behaviour = behaviours.iter_mut().find(|b| b.stage == stage && b.times > 0)?;
    if behaviour.times != u32::MAX {
        behaviour.times -= 1;
    }
    Some(behaviour.action.clone())
}
