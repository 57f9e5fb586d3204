//! The HTTP API: authenticates, validates, commits, answers. It never calls the broker or a provider while a plan is
//! accepted; a 202 means that the plan is in the database.
//!
//! A request passes `observe` (id, log, metrics, deadline), `auth::guard` (key, scope, rate), `extract` (body within
//! limits) and ends in `routes`. Accepting a plan is `accept`; every error is a `Problem`.

pub mod accept;
pub mod auth;
pub mod commands;
pub mod config;
pub mod cursor;
pub mod digest;
pub mod docs;
pub mod error;
pub mod export;
pub mod extract;
mod files;
pub mod json;
pub mod metrics;
pub mod notices;
pub mod observe;
pub mod pages;
pub mod problems;
pub mod qr;
pub mod reader;
pub mod routes;
pub mod serve;
mod sheets;
pub mod state;
pub mod views;
pub mod watch;

pub use routes::router;
pub use state::{App, Retention};
