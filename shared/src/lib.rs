//! What every Herald process shares.
//!
//! Layers, each importing only those before it: `domain` (pure decisions, no I/O), then `config`,
//! `secrets`, `telemetry`, then `db` (SQL) and `amqp` (broker), which do not know each other, then
//! `links` (recipients' signed links) and `ops` (health and metrics over HTTP). `clock`, `lifecycle` and `reconnect` stand alone. `tests/layers.rs` checks it.

pub mod amqp;
pub mod batch;
pub mod clock;
pub mod config;
pub mod db;
pub mod domain;
pub mod lifecycle;
pub mod links;
pub mod ops;
pub mod reconnect;
pub mod secrets;
pub mod serve;
pub mod telemetry;
