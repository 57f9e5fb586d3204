//! Accepting plans: from a body to a committed plan.
//!
//! `read` turns the body into a [`Draft`] or a list of problems, without I/O. The [`Batcher`] gives it an id
//! and commits it, small plans of parallel requests together. The broker is not in this path: wakes are hints.

pub(crate) mod approval;
mod audience;
mod batcher;
mod channels;
mod choices;
mod content;
mod draft;
mod library;
mod parts;
mod people;
mod person;
mod policy;
mod preview;
mod read;
mod revise;
mod saved;
mod schedule;
mod steps;
mod terms;
mod upload;
pub(crate) mod window;

pub use batcher::{Batcher, CONNECTIONS, Outcome};
pub(crate) use channels::check_channels;
pub use choices::{Choices, Chosen};
pub(crate) use draft::ROUTE;
pub use draft::{Draft, Request};
pub use library::{Library, Wanted};
pub(crate) use people::{People, read_people};
pub use policy::{NewPolicy, policy};
pub use preview::{Asked, Original, Part};
pub use read::{Given, Refused, read, read_edit};
pub use revise::Revision;
pub use saved::{Saved, new_name, saved, variables};
pub(crate) use schedule::expiry;
pub use upload::{Format, Intake, Report, RowProblem, titles};
