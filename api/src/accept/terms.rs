//! The rules of a plan beyond the common: what becomes `plan.terms`.

use std::time::Duration;

use herald_shared::domain::approval::Person;
use herald_shared::domain::{Terms, Wait};

use super::{approval, person};
use crate::json::{Field, Object};
use crate::problems::Problems;

/// Takes every field of [`Terms`] out of a plan's body.
pub(super) fn read(plan: &mut Object<'_>, problems: &mut Problems) -> Terms {
    Terms {
        max_late: plan.take("max_late").and_then(|field| duration(&field, Wait::MAX, problems)),
        approval: plan.take("approval").and_then(|field| approval::read(&field, problems)),
        sensitive: plan.take("sensitive").and_then(|field| field.boolean(problems)).unwrap_or(false),
        protected: plan.take("protected").and_then(|field| field.boolean(problems)).unwrap_or(false),
        sender: plan.take("sender").and_then(|field| sender(&field, problems)),
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
