//! Whole-system tests, one program: linking is what costs.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test, at the line that wanted it")]

mod admission;
mod arrive;
mod bad_input;
mod broker;
mod bulk;
mod crash;
mod failure;
mod keys;
mod outage;
mod plans;
mod routes;
mod schema;
mod settings;
mod support;
mod targets;
