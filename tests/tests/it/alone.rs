//! What is measured, and so runs while no other system does, or beside one. Together and first by name: each change from many
//! systems to one leaves the machine idle until the last of the many has ended.

pub(crate) mod bulk;
pub(crate) mod escalation;

mod admission;
mod ending;
mod failover;
mod large;
mod limits;
mod limits_fleet;
