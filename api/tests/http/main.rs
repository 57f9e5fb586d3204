//! The router against a real PostgreSQL (`HERALD_TEST_DATABASE_URL`): what only shows with HTTP and rows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod keys;
mod lists;
mod plans;
mod protocol;
mod server;
mod silent;
mod tenants;
