//! Whole-system tests, one program: linking is what costs.

mod arrive;
mod broker;
mod crash;
mod failure;
mod outage;
mod plans;
mod schema;
mod support;
