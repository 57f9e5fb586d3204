//! The way between one process and one server: cut, half-open, slow.

use super::Injector;
use super::processes::LEASE_AT_RISK_MS;
use crate::fleet::Role;
use crate::proxy::Mode;
use crate::schedule::{Fault, Kind, Place};

impl Injector {
    pub(super) async fn network(&self, fault: &Fault, index: usize) {
        let member = &self.world.fleet.members[index];
        let database = matches!(fault.place, Place::Database(_));
        let way = if database { &member.database } else { &member.broker };
        // A worker that cannot beat is dead to the dispatchers.
        if database && member.role == Role::Worker && fault.length.as_millis() > LEASE_AT_RISK_MS {
            self.worker_ends(1);
        }
        if fault.kind == Kind::Silence {
            self.worker_ends(usize::from(database && member.role == Role::Worker));
            way.silence();
            return tokio::time::sleep(fault.length).await;
        }
        way.set(match fault.kind {
            Kind::Cut => Mode::Cut,
            Kind::Stall => Mode::Stall,
            _ => Mode::Slow,
        });
        tokio::time::sleep(fault.length).await;
        if fault.kind == Kind::Stall && fault.flag {
            // What was half-open turns out to be gone.
            way.set(Mode::Cut);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        way.set(Mode::Pass);
    }
}
