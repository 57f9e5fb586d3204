//! Accepting plans: from a body to a committed plan.
//!
//! `read` turns the body into a [`Draft`] or a list of problems, without I/O. The [`Batcher`] gives it an id
//! and commits it, small plans of parallel requests together. The broker is not in this path: wakes are hints.

pub(crate) mod approval;
mod audience;
mod batcher;
mod choices;
mod content;
mod draft;
mod person;
mod read;
mod schedule;
mod steps;
mod terms;
mod upload;

pub use batcher::{Batcher, CONNECTIONS, Outcome};
pub use choices::{Choices, Chosen};
pub(crate) use draft::ROUTE;
pub use draft::{Draft, Request};
pub use read::{Given, Refused, read};
pub(crate) use schedule::expiry;
pub use upload::{Format, Intake, Report, RowProblem, titles};
