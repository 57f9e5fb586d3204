//! The rules of a plan beyond the common: what becomes `plan.terms`.

use std::time::Duration;

use herald_shared::domain::approval::Person;
use herald_shared::domain::{Enough, Terms, Wait};
use serde_json::Value;

use super::{approval, person};
use crate::json::{Field, Object};
use crate::problems::Problems;

/// People a plan may have, so answers that may be waited for.
const MAX_ENOUGH: i32 = 1_000_000;
/// As in `acknowledgement`.
const MAX_OPTIONS: usize = 10;
const MAX_OPTION: usize = 50;

/// The longest time a plan can be told to be kept: after that nobody asks.
const KEPT: Wait = Wait::seconds(3650 * 86_400);

/// Takes the fields of [`Terms`] out of a plan's body; `repeat` is read with the tiers.
pub(super) fn read(plan: &mut Object<'_>, problems: &mut Problems) -> Terms {
    Terms {
        max_late: plan.take("max_late").and_then(|field| duration(&field, Wait::MAX, problems)),
        enough: plan.take("enough").and_then(|field| enough(&field, problems)),
        approval: plan.take("approval").and_then(|field| approval::read(&field, problems)),
        sensitive: plan.take("sensitive").and_then(|field| field.boolean(problems)).unwrap_or(false),
        protected: plan.take("protected").and_then(|field| field.boolean(problems)).unwrap_or(false),
        sender: plan.take("sender").and_then(|field| sender(&field, problems)),
        keep: plan.take("keep").and_then(|field| duration(&field, KEPT, problems)),
        quiet: plan.take("quiet").and_then(|field| field.word(&["ignore"], problems)),
        // What the schedule says of them: `schedule::Schedule::note`.
        ..Terms::default()
    }
}

/// Who is told what became of the plan, by mail.
fn sender(field: &Field<'_>, problems: &mut Problems) -> Option<Person> {
    let sender = person::contact(field, problems)?;
    if sender.email.is_none() {
        field.refuse(problems, "needs an email, to which the result is told");
    }
    Some(sender)
}

/// Reads `enough`; whether its options are the plan's is for [`check`] to say.
pub(super) fn enough(field: &Field<'_>, problems: &mut Problems) -> Option<Enough> {
    let mut object = field.object(problems)?;
    let count = object.require("count", problems).and_then(|count| count.integer(1, MAX_ENOUGH, problems));
    let options = object.take("options").and_then(|field| {
        let items = field.list(MAX_OPTIONS, problems)?;
        if items.is_empty() {
            field.refuse(problems, "must name at least one option; leave it out for all");
        }
        Some(items.iter().filter_map(|item| item.line(MAX_OPTION, problems)).collect())
    });
    object.finish(problems);
    Some(Enough { count: count?, options })
}

/// What the terms say of the answers a plan offers.
pub(super) fn check(terms: &Terms, acknowledgement: Option<&Value>, problems: &mut Problems) {
    let Some(enough) = &terms.enough else { return };
    let offered = acknowledgement.and_then(|offered| offered["options"].as_array());
    let offered: Vec<&str> = offered.into_iter().flatten().filter_map(Value::as_str).collect();
    if offered.is_empty() {
        problems.add("/enough", "counts answers: give acknowledgement with options");
        return;
    }
    for (i, option) in enough.options.iter().flatten().enumerate() {
        if !offered.contains(&option.as_str()) {
            let detail = format!("is none of the plan's options: {}", offered.join(", "));
            problems.add(format!("/enough/options/{i}"), detail);
        }
    }
}

/// Reads a duration of 1 second to `most`, as `10m` or `PT10M`.
pub(super) fn duration(field: &Field<'_>, most: Wait, problems: &mut Problems) -> Option<Wait> {
    let text = field.string(problems)?;
    match text.parse::<Wait>() {
        Ok(wait) if wait.duration() < Duration::from_secs(1) || wait > most => {
            field.refuse(problems, format!("must be 1 second to {} days", most.days()));
            None
        }
        Ok(wait) => Some(wait),
        Err(error) => {
            field.refuse(problems, error.to_string());
            None
        }
    }
}
