//! Providers that fail in ways the worker can tell, and in ways it cannot.

use std::time::Duration;

use herald_loadtest::standins::{smtp, webhook};

use super::Injector;
use crate::schedule::{Fault, Kind};
use crate::world::{CONCURRENCY, PATIENCE_MS};

/// Answers kept back by one fault, at most: each may be an unknown outcome.
const KEPT_BACK: u32 = 15;

/// Longer than a worker waits.
const SILENCE: Duration = Duration::from_millis(2 * PATIENCE_MS);

impl Injector {
    pub(super) async fn mail(&self, fault: &Fault, tenant: usize) {
        let tenant = &self.world.tenants[tenant];
        let silent = |behaviour: smtp::Behaviour| behaviour.times(KEPT_BACK);
        let behaviour = match fault.kind {
            Kind::MailHangsUp => {
                let workers = self.world.shape.workers as u64;
                self.kept_back(workers * u64::from(CONCURRENCY));
                return tenant.mail.cut_connections();
            }
            Kind::MailStalls => silent(smtp::Behaviour::stall_after_dot(SILENCE)),
            Kind::MailTakesAndDrops => silent(smtp::Behaviour::drop_after_dot(true)),
            Kind::MailDrops if fault.flag => silent(smtp::Behaviour::drop_after_dot(false)),
            Kind::MailDrops => smtp::Behaviour::drop_before_dot(),
            _ if fault.flag => smtp::Behaviour::refuse("451 4.3.0 try later"),
            _ => smtp::Behaviour::unavailable(),
        };
        if behaviour.times == KEPT_BACK {
            self.kept_back(KEPT_BACK.into());
        }
        tenant.mail.clear_scripts();
        tenant.mail.script(behaviour);
        tokio::time::sleep(fault.length).await;
        tenant.behave_mail();
    }

    pub(super) async fn hook(&self, fault: &Fault, tenant: usize) {
        let tenant = &self.world.tenants[tenant];
        let silent = |action| webhook::Behaviour::new(action).times(KEPT_BACK);
        let behaviour = match fault.kind {
            Kind::HookStalls => silent(webhook::Action::StallAfterBody(SILENCE)),
            Kind::HookTakesAndDrops => silent(webhook::Action::DropAfterBody { accepted: fault.flag }),
            Kind::HookThrottles => webhook::Behaviour::throttle(429, 1),
            _ => webhook::Behaviour::status(500),
        };
        if behaviour.times == KEPT_BACK {
            self.kept_back(KEPT_BACK.into());
        }
        tenant.hook.clear_scripts();
        tenant.hook.script(behaviour);
        tokio::time::sleep(fault.length).await;
        tenant.behave_hook();
    }
}
