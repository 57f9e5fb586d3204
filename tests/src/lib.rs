//! Whole-system tests: the real programs, as processes, against real PostgreSQL and RabbitMQ and scripted
//! providers.
//!
//! A test starts a [`System`] (a database and a queue prefix of its own), acts on it through [`Tenant`] and ends
//! with [`System::finish`], which stops the programs and looks for what should not be left: jobs, open attempts,
//! counters that drifted, queue messages, error lines, too much memory, and anything private in logs or metrics.
//! Whatever is private in a test (addresses, content, passwords) has the word `canary` in it: that is how it is
//! found where it must not be.
//!
//! Nothing here sleeps for luck: [`wait_for`] asks for a condition until a limit.

pub mod broker;
pub mod browser;
pub mod client;
pub mod clock;
pub mod database;
pub mod inspect;
pub mod metrics;
pub mod options;
pub mod process;
pub mod program;
pub mod python;
pub mod servers;
pub mod small;
pub mod system;
pub mod tenant;
mod wait;

pub use client::{Answer, Client};
pub use clock::Clock;
pub use database::Database;
pub use options::Options;
pub use process::Process;
pub use servers::Servers;
pub use small::Small;
pub use system::System;
pub use tenant::Tenant;
pub use wait::{wait_for, wait_until, within};

/// How long anything that should happen soon may take: generous, because CI machines stall.
pub const SOON: std::time::Duration = std::time::Duration::from_secs(60);
