//! Whole-system tests, one program: linking is what costs.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test, at the line that wanted it")]

mod admission;
mod approval;
mod arrive;
mod bad_input;
mod broker;
mod bulk;
mod control;
mod crash;
mod dead_letters;
mod ending;
mod escalation;
mod escalation_rules;
mod escalation_rules_enough;
mod escalation_rules_proof;
mod escalation_rules_rounds;
mod failover;
mod failure;
mod first;
mod keys;
mod left_out;
mod limits;
mod limits_fleet;
mod limits_recipients;
mod mailbox;
mod outage;
mod plans;
mod protected;
mod quiet_hours;
mod reading;
mod recovery;
mod recurring;
mod resolve;
mod routes;
mod schedules;
mod schema;
mod sensitive;
mod settings;
mod status_out;
mod status_out_exports;
mod support;
mod targets;
mod tokens;
mod upload;
mod wecom;
