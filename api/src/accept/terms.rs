//! The rules of a plan beyond the common: what becomes `plan.terms`.

use std::time::Duration;

use herald_shared::domain::{Terms, Wait};

use crate::json::{Field, Object};
use crate::problems::Problems;

/// Takes every field of [`Terms`] out of a plan's body.
pub(super) fn read(plan: &mut Object<'_>, problems: &mut Problems) -> Terms {
    Terms { max_late: plan.take("max_late").and_then(|field| duration(&field, Wait::MAX, problems)) }
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
