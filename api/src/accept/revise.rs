//! People who are in a draft already, looked at anew for what it says now.

use std::collections::BTreeMap;

use herald_shared::db::accept::NewRecipient;
use herald_shared::db::drafts::Held;
use herald_shared::domain::content::asks_for_reading;
use herald_shared::domain::ids::{PlanRef, recipient_uuid};
use herald_shared::domain::{Channel, FirstTiers, Reason, Slot, Steps};

use super::Draft;
use super::audience::{self, Needs};
use super::content::{self, Message};
use super::upload::Seen;
use crate::problems::Problems;

/// Looks at a draft's people one after the other, in their order.
pub struct Revision {
    plan: PlanRef,
    message: Message,
    slots: Vec<Slot>,
    first_tiers: FirstTiers,
    needs: Needs,
    seen: Seen,
    rendered: bool,
    problems: Problems,
}

impl Revision {
    /// Of the people of `held`, who are to get what `draft` says; `None`: nothing changes for them.
    ///
    /// # Errors
    /// When the content does not compile, which whoever read the draft has found out before.
    pub fn of(held: &Held, plan: PlanRef, draft: &Draft) -> Result<Option<Self>, String> {
        let asks = draft.terms.protected || asks_for_reading(&draft.tiers, draft.acknowledgement.as_ref());
        let slots: Vec<Slot> = draft.slots.iter().map(|(slot, _)| *slot).collect();
        let asks = draft.content.leads_to_page(asks, slots.iter().map(|slot| slot.channel()));
        let steps = Steps::of(&draft.tiers, draft.lane, draft.terms.repeat.unwrap_or(0));
        let first_tiers = FirstTiers::of(&draft.tiers, &steps);
        let same_words = held.title == draft.title && held.content == draft.content && held.asks == asks;
        if same_words && held.slots == slots && held.first_tiers == first_tiers {
            return Ok(None);
        }
        let message = content::stored(draft.title.clone(), draft.content.clone(), asks)?;
        let needs = Needs::of(&message);
        let (seen, problems) = (Seen::default(), Problems::default());
        Ok(Some(Revision { plan, message, slots, first_tiers, needs, seen, rendered: false, problems }))
    }

    /// Looks at one person; what is to be written of them, if that is something else than what is stored.
    pub fn look(&mut self, no: i32, person: &NewRecipient) -> Option<NewRecipient> {
        for (_, detail) in self.needs.problems(&self.message, person) {
            self.refuse(no, person, &detail);
        }
        self.try_first(no, person);
        let mut fresh = person.clone();
        if self.slots.iter().any(|slot| slot.channel() == Channel::Inbox) {
            audience::give_inbox(&mut fresh);
        }
        fresh.skips = self.skips(&fresh);
        (fresh.skips != person.skips || fresh.addresses != person.addresses).then_some(fresh)
    }

    /// What was wrong with them.
    #[must_use]
    pub fn problems(self) -> Problems {
        self.problems
    }

    /// Repetitions are what they are by the content; what was skipped for another reason stays skipped.
    fn skips(&mut self, person: &NewRecipient) -> BTreeMap<String, String> {
        let (seen, message) = (&mut self.seen, &self.message);
        let repeated = audience::repetitions(person, &self.slots, self.first_tiers, |kind| {
            seen.is_repeated(kind, person, message)
        });
        let duplicate = Reason::Duplicate.as_str();
        let others = person.skips.iter().filter(|(_, reason)| *reason != duplicate);
        let mut skips: BTreeMap<String, String> =
            others.map(|(kind, reason)| (kind.clone(), reason.clone())).collect();
        skips.extend(repeated.into_iter().map(|kind| (kind.to_owned(), duplicate.to_owned())));
        skips
    }

    /// Renders for the first, so that what fails for everybody is told now.
    fn try_first(&mut self, no: i32, person: &NewRecipient) {
        if self.rendered || !self.problems.is_empty() {
            return;
        }
        self.rendered = true;
        let rendered = self.message.compiled.trial(person.name.as_deref(), person.variables.as_ref());
        if let Err(problem) = rendered {
            let at = self.message.origin.pointer(problem.field, &self.message.content);
            let who = recipient_uuid(self.plan, no);
            self.problems.add(at, format!("cannot be rendered for recipient {who}: {}", problem.detail));
        }
    }

    fn refuse(&mut self, no: i32, person: &NewRecipient, detail: &str) {
        let who = recipient_uuid(self.plan, no);
        let key = person.key.as_ref().map(|key| format!(" ({key})")).unwrap_or_default();
        self.problems.add("/content", format!("does not fit the recipient {who}{key}: {detail}"));
    }
}
