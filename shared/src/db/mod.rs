//! SQL: one module per table or step of the job protocol, one file per statement under `sql/`.
//!
//! Functions take the caller's client and never begin or commit unless their name says so (`accept`, `settle`, ...).

pub mod accept;
pub mod accounts;
pub mod adding;
pub mod admit;
pub mod approval;
pub mod ask;
pub mod claim;
pub mod codes;
pub mod connect;
pub mod control;
pub mod copies;
pub mod dead;
pub mod deliveries;
pub mod drafts;
pub mod erase;
pub mod error;
pub mod escalate;
pub mod expand;
pub mod exports;
pub mod health;
pub mod id_block;
pub mod idempotency;
pub mod inbox;
pub mod incarnation;
pub mod keys;
pub mod migrate;
pub mod notices;
pub mod pace;
pub mod parked;
pub mod plans;
pub mod quiet;
pub mod reading;
pub mod recall;
pub mod recipient_pace;
pub mod recipients;
pub mod reclaim;
pub mod remind;
pub mod replan;
pub mod resolve;
pub mod series;
pub mod settings;
pub mod settle;
pub mod shares;
pub mod subscriptions;
pub mod sweep;
pub mod tenants;
pub mod tokens;
pub mod turns;
pub mod watch;
pub mod worker;

pub use ask::ask;
pub use connect::{ANSWER, Hot, PoolSize, answered, connect};
pub use deadpool_postgres::{Client, Pool};
pub use error::Error;
