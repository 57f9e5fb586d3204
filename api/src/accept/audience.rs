//! `recipients` as a whole: who is the same person, whose delivery would be a repetition, whose variables are missing.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use herald_channels::NetPolicy;
use herald_shared::db::accept::NewRecipient;
use herald_shared::domain::template::LINK;
use herald_shared::domain::{Channel, DeliveryStatus, FirstTiers, Reason, Slot};
use serde_json::Value;

use super::content::{self, Message};
use super::person;
use crate::digest;
use crate::json::{Field, is_line_breaking};
use crate::problems::Problems;

/// People of one plan given inline.
pub(super) const MAX_RECIPIENTS: usize = 10_000;
/// Different sets of missing variables looked into; a real audience has one or two.
const MAX_GAPS: usize = 16;

/// The people of a plan, each with their position in the request.
pub(super) struct Audience {
    pub(super) people: Vec<(usize, NewRecipient)>,
    /// Entries merged into an earlier one.
    pub(super) duplicates: i32,
}

/// Reads `recipients`; entries with problems are left out.
pub(super) fn read(field: &Field<'_>, net: &NetPolicy, problems: &mut Problems) -> Audience {
    let items = field.list(MAX_RECIPIENTS, problems);
    if items.as_ref().is_some_and(Vec::is_empty) {
        field.refuse(problems, "must have at least one recipient");
    }
    let items = items.unwrap_or_default();
    let mut audience = Audience { people: Vec::with_capacity(items.len()), duplicates: 0 };
    let mut known: HashMap<String, usize> = HashMap::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let Some(person) = person::read(item, net, problems) else { continue };
        match known.entry(identity(&person)) {
            Entry::Vacant(entry) => {
                entry.insert(audience.people.len());
                audience.people.push((index, person));
            }
            Entry::Occupied(entry) => {
                let (first, same) = &mut audience.people[*entry.get()];
                if same.variables.iter().flatten().eq(person.variables.iter().flatten()) {
                    audience.duplicates += 1;
                    merge(same, person);
                } else {
                    item.refuse(
                        problems,
                        format!("is the same person as /recipients/{first} with other variables"),
                    );
                }
            }
        }
    }
    audience
}

/// A key is the person; without one the whole set of addresses is, never one address alone: people share mailboxes.
pub(super) fn identity(person: &NewRecipient) -> String {
    match &person.key {
        Some(key) => format!("k{key}"),
        None => person.addresses.iter().fold("a".to_owned(), |text, (kind, address)| {
            // Neither part has control characters, so no two sets read the same.
            text + "\n" + kind + "\n" + address
        }),
    }
}

/// What the first entry lacks is taken from the second.
fn merge(first: &mut NewRecipient, second: NewRecipient) {
    for (kind, address) in second.addresses {
        first.addresses.entry(kind).or_insert(address);
    }
    first.name = first.name.take().or(second.name);
    first.locale = first.locale.take().or(second.locale);
    first.time_zone = first.time_zone.take().or(second.time_zone);
}

impl Audience {
    /// Gives everybody with a key an inbox under that key, unless they named another.
    pub(super) fn give_inboxes(&mut self) {
        self.people.iter_mut().for_each(|(_, person)| give_inbox(person));
    }

    /// Marks deliveries that would repeat another: the same address on a channel, and nothing different to read.
    pub(super) fn mark_repetitions(&mut self, slots: &[Slot], first: FirstTiers, message: &Message) {
        let mut seen: HashSet<(&str, [u8; 32])> = HashSet::with_capacity(self.people.len());
        for (_, person) in &mut self.people {
            let repeated = repetitions(person, slots, first, |kind| {
                let address = person.addresses.get(kind);
                address
                    .is_some_and(|address| !seen.insert((kind, what_is_read(kind, address, person, message))))
            });
            for kind in repeated {
                person.skips.insert(kind.to_owned(), Reason::Duplicate.as_str().to_owned());
            }
        }
    }

    /// Finds variables that the message uses and somebody lacks, and values that must not stand in a header.
    pub(super) fn check_variables(&self, message: &Message, problems: &mut Problems) {
        let mut needs = Needs::of(message);
        for (index, person) in &self.people {
            for (below, detail) in needs.problems(message, person) {
                problems.add(format!("/recipients/{index}{below}"), detail);
            }
        }
        self.try_first(message, problems);
    }

    /// Renders the message once, so that what fails for everybody (a filter's arguments, endless loops) is told now.
    fn try_first(&self, message: &Message, problems: &mut Problems) {
        let Some((index, person)) = self.people.first().filter(|_| problems.is_empty()) else { return };
        let (name, variables) = (person.name.as_deref(), person.variables.as_ref());
        let detail = |detail: &str| format!("cannot be rendered for /recipients/{index}: {detail}");
        if let Err(problem) = message.compiled.trial(name, variables) {
            problems.add(message.origin.pointer(problem.field, &message.content), detail(&problem.detail));
        }
        for worded in &message.wordings {
            if let Err(problem) = worded.compiled.trial(name, variables) {
                problems.add(&*worded.pointer, detail(&problem.detail));
            }
        }
    }
}

/// An inbox under the person's key, unless they named another.
pub(super) fn give_inbox(person: &mut NewRecipient) {
    if let Some(key) = &person.key {
        let inbox = person.addresses.entry(Channel::Inbox.address_kind().to_owned());
        inbox.or_insert_with(|| key.clone());
    }
}

/// Address kinds on which a person would get what somebody else gets there already; `is_repeated` says so of one, and notes it.
///
/// Where a tier goes from channel to channel, only the one a person starts with is sure to be used: nobody is left out of a later
/// channel for the sake of somebody who may never get there.
pub(super) fn repetitions(
    person: &NewRecipient,
    slots: &[Slot],
    first: FirstTiers,
    mut is_repeated: impl FnMut(&'static str) -> bool,
) -> Vec<&'static str> {
    let (mut used, mut repeated) = (Vec::new(), Vec::new());
    for opening in first.openings(slots) {
        let mut next = Some(opening);
        while let Some(slot) = next {
            let kind = slot.channel().address_kind();
            let known = used.contains(&kind) || repeated.contains(&kind);
            if !known && person.addresses.contains_key(kind) {
                let found = if is_repeated(kind) { &mut repeated } else { &mut used };
                found.push(kind);
            }
            let starts =
                if used.contains(&kind) { DeliveryStatus::Pending } else { DeliveryStatus::Suppressed };
            next = first.next(slots, slot, starts);
        }
    }
    repeated
}

/// A digest of where a person receives something and of what shows of them in it. A webhook's body has everything.
pub(super) fn what_is_read(kind: &str, address: &str, person: &NewRecipient, message: &Message) -> [u8; 32] {
    let whole = kind == Channel::Webhook.address_kind();
    let name = person.name.as_deref().filter(|_| whole || message.uses("name"));
    let key = person.key.as_deref().filter(|_| whole);
    // Everybody has a page of their own.
    let own = message.says_link().then(|| identity(person));
    let variables: Vec<(&String, &Value)> =
        person.variables.iter().flatten().filter(|(name, _)| whole || message.uses(name)).collect();
    let text = serde_json::to_string(&(address, key, name, own, variables));
    digest::of(&text.expect("strings and JSON values can be written as JSON"))
}

pub(super) fn breaks_lines(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().any(is_line_breaking),
        Value::Array(items) => items.iter().any(breaks_lines),
        Value::Object(map) => map.values().any(breaks_lines),
        _ => false,
    }
}

/// What a message needs of everybody who gets it.
pub(super) struct Needs {
    used: Vec<String>,
    /// The message has the recipient's own link in it.
    says_link: bool,
    /// Sets of missing variables that the template copes with (`{{ room | default("-") }}`) or not, found by rendering once per set.
    bearable: HashMap<Vec<String>, bool>,
}

impl Needs {
    pub(super) fn of(message: &Message) -> Self {
        let mut used: Vec<String> = message.all().flat_map(content::variables).collect();
        if !message.wordings.is_empty() {
            used.sort_unstable();
            used.dedup();
        }
        Needs { used, says_link: message.says_link(), bearable: HashMap::new() }
    }

    /// What one person lacks, or has and must not: where below them, and what.
    pub(super) fn problems(
        &mut self,
        message: &Message,
        person: &NewRecipient,
    ) -> Vec<(&'static str, String)> {
        let given = person.variables.as_ref();
        let lacks = |name: &&String| given.is_none_or(|given| !given.contains_key(*name));
        let missing: Vec<String> = self.used.iter().filter(lacks).cloned().collect();
        let mut problems = Vec::new();
        if !missing.is_empty() && !self.are_bearable(&missing, message, person) {
            let detail = format!("lacks variables that the content uses: {}", missing.join(", "));
            problems.push(("", detail));
        }
        if self.says_link && given.is_some_and(|given| given.contains_key(LINK)) {
            let detail = "link is reserved for the recipient's own page: give the variable another name";
            problems.push(("/variables", detail.to_owned()));
        }
        for name in &message.in_subject {
            if given.and_then(|given| given.get(name)).is_some_and(breaks_lines) {
                let detail =
                    format!("{name} is used in the subject: it must be one line without control characters");
                problems.push(("/variables", detail));
            }
        }
        problems
    }

    fn are_bearable(&mut self, missing: &[String], message: &Message, person: &NewRecipient) -> bool {
        if let Some(&known) = self.bearable.get(missing) {
            return known;
        }
        if self.bearable.len() == MAX_GAPS {
            return false;
        }
        let (name, variables) = (person.name.as_deref(), person.variables.as_ref());
        let rendered = message.all().all(|compiled| compiled.trial(name, variables).is_ok());
        self.bearable.insert(missing.to_vec(), rendered);
        rendered
    }
}
