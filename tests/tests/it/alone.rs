//! What is measured, and so runs while no other system does, or beside one. Together and first by name: each change from many
//! systems to one leaves the machine idle until the last of the many has ended. Some files have tests beside them that share their
//! helpers and run beside others.

pub(crate) mod bulk;
pub(crate) mod escalation;

mod admission;
mod ending;
mod failover;
mod large;
mod limits;
mod limits_fleet;
