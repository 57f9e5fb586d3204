//! People given to a plan that is there already: the same rules as in `POST /v1/plans`.

use herald_channels::NetPolicy;
use herald_shared::db::accept::NewRecipient;

use super::audience;
use crate::json::Document;
use crate::problems::Problems;

/// People of one request.
pub(crate) struct People {
    /// Everybody once, with their position in the request.
    pub(crate) people: Vec<(usize, NewRecipient)>,
    /// Entries of the request.
    pub(crate) entries: u64,
    /// Those of them that were merged into an earlier one.
    pub(crate) duplicates: i32,
}

/// Reads `{"recipients": [...]}`.
pub(crate) fn read_people(document: &Document<'_>, net: &NetPolicy) -> Result<People, Problems> {
    let mut problems = Problems::default();
    let audience = document.root().object(&mut problems).and_then(|mut object| {
        let field = object.require("recipients", &mut problems);
        object.finish(&mut problems);
        Some(audience::read(&field?, net, &mut problems))
    });
    match audience {
        Some(audience) if problems.is_empty() => {
            let duplicates = audience.duplicates;
            let entries = audience.people.len() as u64 + u64::from(duplicates.unsigned_abs());
            Ok(People { people: audience.people, entries, duplicates })
        }
        _ => Err(problems),
    }
}
