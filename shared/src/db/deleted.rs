//! Deleting what may be in use.

use tokio_postgres::Row;

/// What a deletion came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Yes,
    /// Something needs it; nothing changed.
    InUse,
    /// The tenant has no such one.
    NotFound,
}

impl Deleted {
    /// Of a row that says whether it was `found` and is `in_use`.
    pub(super) fn read(row: &Row) -> Self {
        match (row.get("found"), row.get("in_use")) {
            (false, _) => Deleted::NotFound,
            (true, true) => Deleted::InUse,
            (true, false) => Deleted::Yes,
        }
    }
}
