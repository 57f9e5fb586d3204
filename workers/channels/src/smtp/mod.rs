//! Mail over SMTP submission, one recipient per transaction over reused connections.
//!
//! The conversation is our own, on tokio and tokio-rustls; lettre only builds headers and bodies. lettre's
//! connection stands in the way of correctness: its commands have no deadline, it writes the final dot in the same call as the
//! body (so "lost before the dot" cannot be told from "no reply after it"), a reply that was already buffered survives
//! STARTTLS (command injection), any 4xx or 5xx closes the connection, and it cannot pipeline.
//!
//! One mail: `mail` renders and encodes it (files of its plan are encoded already, and shared), `pool` gives a connection (an idle one, or `open` makes one), the gate is
//! entered, `conversation` does MAIL, RCPT, DATA in one write where the server offers PIPELINING, then the body in
//! one write. `trouble` says what a failure means. Idle connections are used last in, first out.

mod address;
mod conversation;
mod mail;
mod open;
mod pool;
mod reply;
mod settings;
mod trouble;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_shared::domain::{Channel, Verdict};
use tokio::time::Instant;

use self::mail::Mail;
use self::pool::Pool;
use self::settings::Settings;
use self::trouble::Trouble;
use crate::{
    Account, Attachments, Call, Deps, Driver, FieldProblem, Gate, NetPolicy, Proves, Provider, Spec,
};

/// One recipient a call: mails are personal, and replies of a transaction with several recipients cover only some of them.
/// The deadline leaves room for the final dot's 10 minutes (RFC 5321 4.5.3.2.6) after everything before it.
static SPEC: Spec = Spec {
    provider: "smtp",
    channel: Channel::Email,
    batch: 1,
    personal: 1,
    concurrency: 10,
    deadline: Duration::from_secs(15 * 60),
    proves: Proves::Sent,
    one_provider: true,
    per_recipient: &[],
    recall: None,
};

const VERIFY_DEADLINE: Duration = Duration::from_secs(10);

/// The provider `smtp`.
pub(crate) struct Smtp;

impl Provider for Smtp {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, account: &Account, net: &NetPolicy) -> Vec<FieldProblem> {
        Settings::read(account, net).err().unwrap_or_default()
    }

    fn open(&self, account: Account, deps: &Deps) -> Result<Arc<dyn Driver>, FieldProblem> {
        let settings = Settings::read(&account, &deps.net).map_err(|mut problems| problems.swap_remove(0))?;
        let limit = account.concurrency.unwrap_or(SPEC.concurrency).max(1);
        let pool = Pool::new(settings, deps.net.clone(), limit);
        Ok(Arc::new(SmtpDriver { pool, attachments: deps.attachments.clone() }))
    }
}

struct SmtpDriver {
    pool: Arc<Pool>,
    attachments: Arc<Attachments>,
}

#[async_trait]
impl Driver for SmtpDriver {
    async fn verify(&self) -> Result<(), FieldProblem> {
        let mut connection =
            self.pool.open(Instant::now() + VERIFY_DEADLINE).await.map_err(Trouble::into_field)?;
        connection.bye().await;
        Ok(())
    }

    async fn send(&self, call: &Call, gate: &dyn Gate) -> Verdict {
        let files = self.attachments.parts(call.message.tenant_id, &call.message.attachments).await;
        let mail = match files.and_then(|files| Mail::build(self.pool.settings(), call, files)) {
            Ok(mail) => mail,
            Err(failure) => return Verdict::Failed(failure),
        };
        match self.pool.send(&mail, gate, SPEC.deadline).await {
            Ok(Some(accepted)) => Verdict::sent(Some(mail.reference(&accepted))),
            Ok(None) => Verdict::NotStarted,
            Err(trouble) => Verdict::Failed(trouble.into_failure()),
        }
    }
}
