//! Measures Herald through its public contract, and plays the providers it sends to.
//!
//! - [`standins`]: an SMTP server, a webhook receiver and a WeCom for loopback; whole-system tests use them too.
//! - [`cli`]: the program `herald-loadtest`: floors of the machine, latency, throughput, mail, inbox.
//!
//! It depends on no other crate of Herald: what it knows is HTTP, and raw Postgres and AMQP for the floors. Every
//! percentile is exact (all samples are kept), every load with a rate is open loop: a message is due by the clock,
//! and its time counts from when it was due, not from when the generator got round to it.

mod accept;
mod arrivals;
mod book;
mod bulk;
pub mod cli;
mod env;
mod floor;
mod herald;
mod inbox;
mod interrupt;
mod ladders;
mod latency;
mod limits;
mod mail;
mod mixed;
mod pace;
mod peer;
mod processes;
mod progress;
mod queues;
mod report;
mod servers;
mod single;
mod smtp_source;
mod soak;
mod standin;
pub mod standins;
mod stats;
mod urgent;
