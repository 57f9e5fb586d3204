//! What becomes of a message: checked, scripted, recorded, answered.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::body::Scanner;
use super::dialogue::{Dialogue, Next};
use super::received::Accepted;
use super::script::{Action, Stage};

impl Dialogue {
    /// After the 354 went out, before the message is read.
    pub(super) fn before_message(&mut self) -> Next {
        match self.scripted(Stage::Body, None) {
            None => Next::Go,
            Some(Next::Drop) => Next::Drop,
            Some(_) => Next::Close,
        }
    }

    /// After the final dot; `wire` is the message as it came.
    pub(super) fn message(&mut self, scanner: &Scanner, wire: &[u8]) -> Next {
        let strict = self.shared.strict.load(Ordering::Relaxed).then_some(self.transaction.declared);
        let next = match scanner.verdict(wire, strict) {
            Err(problem) => self.breach(&format!("554 5.6.0 {problem}")),
            Ok(()) => self.accept(scanner, wire),
        };
        self.transaction.clear();
        next
    }

    fn accept(&mut self, scanner: &Scanner, wire: &[u8]) -> Next {
        let action = self.shared.scripts.take(Stage::Dot, self.transaction.recipients());
        if action.is_some() {
            self.shared.received.update(|received| received.scripted += 1);
        }
        match action {
            Some(Action::Reply(reply)) => return self.say(&reply),
            Some(Action::Drop) => return Next::Drop,
            Some(Action::Stall(silence)) => self.pause = Some(silence),
            Some(Action::RecordAndDrop) | None => {}
        }
        let mail = Accepted {
            envelope: &self.transaction,
            wire,
            message_id: scanner.message_id(wire),
            at: Instant::now(),
            tls: self.tls,
            authenticated: self.authenticated,
        };
        self.shared.received.update(|received| received.accept(mail));
        if action == Some(Action::RecordAndDrop) { Next::Drop } else { self.say("250 2.0.0 accepted") }
    }
}
