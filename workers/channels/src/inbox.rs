//! The in-app inbox: a delivery is a row, up to 1000 in one statement.
//!
//! The insert does nothing for rows that are there already, so repeating it is harmless: whatever goes wrong is transient.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use herald_shared::db;
use herald_shared::domain::{Channel, Class, Failure, Reason, Verdict};

use crate::fields::Fields;
use crate::{Account, Call, Deps, Driver, FieldProblem, Gate, NetPolicy, Proves, Provider, Spec};

/// The batch is what one attempt row may span; measured bulk speed does not grow beyond it (PROTOCOL B3).
static SPEC: Spec = Spec {
    provider: "inbox",
    channel: Channel::Inbox,
    batch: 1000,
    personal: 1000,
    concurrency: 4,
    deadline: Duration::from_secs(20),
    proves: Proves::Sent,
    one_provider: false,
    per_recipient: &[],
    recall: None,
};

/// For gate and statement; with the wait for a connection (3 s) within the deadline.
const STEP: Duration = Duration::from_secs(12);

/// The provider `inbox`.
pub(crate) struct Inbox;

impl Provider for Inbox {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// The inbox has neither settings nor secret.
    fn check(&self, account: &Account, _net: &NetPolicy) -> Vec<FieldProblem> {
        let mut problems = Fields::new("/settings", &account.settings).finish();
        problems.extend(Fields::new("/secret", &account.secret).finish());
        problems
    }

    fn open(&self, account: Account, deps: &Deps) -> Result<Arc<dyn Driver>, FieldProblem> {
        match self.check(&account, &deps.net).pop() {
            Some(problem) => Err(problem),
            None => Ok(Arc::new(InboxDriver { pool: deps.pool.clone() })),
        }
    }
}

struct InboxDriver {
    pool: Pool,
}

#[async_trait]
impl Driver for InboxDriver {
    /// Nothing to ask.
    async fn verify(&self) -> Result<(), FieldProblem> {
        Ok(())
    }

    async fn send(&self, call: &Call, gate: &dyn Gate) -> Verdict {
        let owners: Vec<&str> = call.to.iter().map(|target| target.address.as_str()).collect();
        let numbers: Vec<i32> = call.to.iter().map(|target| target.no).collect();
        let (tenant, plan) = (call.message.tenant_id, call.message.plan.id);
        // The gate last, with a connection in hand.
        let store = async |client: &mut db::Client| {
            if !gate.enter().await {
                return Ok(false);
            }
            db::inbox::deliver(client, tenant, plan, call.slot, &owners, &numbers).await?;
            Ok(true)
        };
        match db::ask(&self.pool, STEP, store).await {
            Ok(true) => Verdict::sent(None),
            Ok(false) => Verdict::NotStarted,
            Err(error) => Verdict::Failed(transient(&error.to_string())),
        }
    }
}

fn transient(detail: &str) -> Failure {
    Failure {
        class: Class::Transient,
        code: "database".to_owned(),
        detail: crate::wording::tidy(detail),
        reason: Reason::Timeout,
        retry_after: None,
    }
}
