//! The body of a reminder: whom it is for, and on which channels.

use herald_shared::domain::Channel;
use herald_shared::domain::ids::{self, PlanRef};
use herald_shared::domain::reminder::Who;
use uuid::Uuid;

use crate::error::{Problem, Result};
use crate::json::{Document, Field, Object};
use crate::problems::Problems;

/// People one request may name.
const MAX_NAMED: usize = 10_000;

/// Whom a reminder is for.
pub(super) enum People {
    /// Those of whom this is so.
    Who(Who),
    /// Positions in the plan, ascending, each once, at least one.
    Named(Vec<i32>),
}

impl People {
    pub(super) const fn who(&self) -> Who {
        match self {
            People::Who(who) => *who,
            People::Named(_) => Who::Named,
        }
    }
}

/// What is asked for.
pub(super) struct Form {
    pub(super) people: People,
    /// `None`: those of tier 1.
    pub(super) channels: Option<Vec<Channel>>,
}

pub(super) fn read(document: &Document<'_>, plan: PlanRef) -> Result<Form> {
    let mut problems = Problems::default();
    let form = document.root().object(&mut problems).and_then(|mut object| {
        let people = people(&mut object, plan, &mut problems);
        let channels = object.take("channels").map(|field| channels(&field, &mut problems));
        object.finish(&mut problems);
        Some(Form { people: people?, channels })
    });
    match form {
        Some(form) if problems.is_empty() => Ok(form),
        _ => Err(Problem::validation(problems)),
    }
}

fn people(object: &mut Object<'_>, plan: PlanRef, problems: &mut Problems) -> Option<People> {
    match (object.take("who"), object.take("recipients")) {
        (Some(who), None) => who.word(Who::WORDS, problems).map(People::Who),
        (None, Some(named)) => Some(People::Named(positions(&named, plan, problems))),
        (Some(_), Some(named)) => {
            named.refuse(problems, "is given beside who: give one of the two");
            None
        }
        (None, None) => {
            problems.add(
                "",
                "say whom to remind: who (failed, unread or unanswered), or recipients with their ids",
            );
            None
        }
    }
}

fn positions(field: &Field<'_>, plan: PlanRef, problems: &mut Problems) -> Vec<i32> {
    let items = field.list(MAX_NAMED, problems).unwrap_or_default();
    if items.is_empty() {
        field.refuse(problems, "must name at least one recipient");
    }
    let mut nos: Vec<i32> = items.iter().filter_map(|item| position(item, plan, problems)).collect();
    nos.sort_unstable();
    nos.dedup();
    nos
}

fn position(field: &Field<'_>, plan: PlanRef, problems: &mut Problems) -> Option<i32> {
    let packed = Uuid::try_parse(&field.string(problems)?).ok().and_then(ids::parse);
    let own = packed.filter(|packed| packed.plan == plan && packed.slot == 0 && packed.no > 0);
    if own.is_none() {
        field.refuse(problems, "is no recipient of this plan: take id from GET /v1/plans/{id}/recipients");
    }
    own.map(|packed| packed.no)
}

fn channels(field: &Field<'_>, problems: &mut Problems) -> Vec<Channel> {
    let items = field.list(Channel::ALL.len(), problems).unwrap_or_default();
    if items.is_empty() {
        field.refuse(problems, "must name at least one channel, or be left out");
    }
    let known: Vec<&str> = Channel::ALL.iter().map(|channel| channel.as_str()).collect();
    let mut channels = Vec::with_capacity(items.len());
    for item in items {
        match item.word(&known, problems) {
            Some(channel) if channels.contains(&channel) => item.refuse(problems, "is named twice"),
            Some(channel) => channels.push(channel),
            None => {}
        }
    }
    channels
}
