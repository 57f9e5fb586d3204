//! What may be attached to a plan: names, kinds, and how a name is written where a file is handed out.

mod kind;
mod name;

pub(crate) use kind::Kind;
pub(crate) use name::{declared, disposition, named};

/// Files one plan may have.
pub(crate) const MAX_FILES: usize = 10;
/// Bytes the files of one plan may have together. Mail servers rarely take more than 25 MB, and files grow by 37 % on the way.
pub(crate) const MAX_TOGETHER: usize = 20 * 1024 * 1024;
