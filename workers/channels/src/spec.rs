//! What a provider declares about itself and how it is opened.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_shared::domain::template::Compiled;
use herald_shared::domain::{Channel, Failure, Verdict};
use serde_json::Value;

use crate::{Attachments, Call, Gate, NetPolicy, Tokens};

/// What a success of this provider proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proves {
    /// The provider took it.
    Sent,
    /// Reports say that it arrived.
    Delivered,
    /// Reports say that it was read.
    Read,
}

/// A provider's description: queues, batching, limits and validation follow from it.
#[derive(Debug)]
pub struct Spec {
    /// Its name in `account.provider`.
    pub provider: &'static str,
    /// The medium it serves.
    pub channel: Channel,
    /// Most recipients of one call, 1..=1000.
    pub batch: u32,
    /// The same where the content differs from person to person; 1 where a call carries one message for all of them.
    pub personal: u32,
    /// Calls at once per worker and account, unless the account says otherwise.
    pub concurrency: u32,
    /// No call takes longer; drivers keep it themselves.
    pub deadline: Duration,
    /// What a success proves.
    pub proves: Proves,
    /// Every call goes to the same provider, so that what one meets with (errors, a wish for a pause) speaks of all. A webhook's go
    /// to each recipient's own server: one that is broken must not stop the others.
    pub one_provider: bool,
    /// Limits for each recipient that the provider keeps in silence: what is beyond them is answered as a success and not
    /// delivered. Each is a span of time and the most messages to one recipient within it. They hold per account; whoever
    /// sends must keep them, since no answer tells.
    pub per_recipient: &'static [(Duration, u32)],
    /// For how long after it was sent a message can be taken back; `None`: the provider has no such call.
    pub recall: Option<Duration>,
}

/// One set of credentials, as loaded from the database with its secret opened.
#[derive(Clone)]
pub struct Account {
    /// Internal id; 0 while it is not stored.
    pub id: i64,
    /// Counts changes of settings and secret.
    pub version: i32,
    /// Its owner.
    pub tenant_id: i64,
    /// Its name, for messages to its owner.
    pub name: String,
    /// What is not secret.
    pub settings: Value,
    /// Credentials; `Null` when there are none.
    pub secret: Value,
    /// The account's own limit of calls at once; `None` means the provider's default.
    pub concurrency: Option<u32>,
}

impl std::fmt::Debug for Account {
    /// Shows neither settings nor secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.id)
            .field("tenant_id", &self.tenant_id)
            .finish_non_exhaustive()
    }
}

/// Something wrong with an account, in words for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// JSON pointer into the account, such as `/settings/host`.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl FieldProblem {
    pub(crate) fn new(pointer: &str, detail: impl Into<String>) -> Self {
        FieldProblem { pointer: pointer.to_owned(), detail: detail.into() }
    }
}

/// What drivers get from the process.
#[derive(Clone)]
pub struct Deps {
    /// The database; only the inbox and attachments use it.
    pub pool: deadpool_postgres::Pool,
    /// Which network targets may be called.
    pub net: Arc<NetPolicy>,
    /// Access tokens, shared by whoever uses the same accounts.
    pub tokens: Arc<dyn Tokens>,
    /// Files of plans, shared by whoever mails.
    pub attachments: Arc<Attachments>,
}

/// A kind of provider.
pub trait Provider: Send + Sync {
    /// What it declares about itself.
    fn spec(&self) -> &'static Spec;

    /// Finds everything wrong with an account's settings and secret, without the network.
    ///
    /// Unknown fields are problems; literal targets must pass `net`. Empty means that [`open`](Provider::open) works.
    fn check(&self, account: &Account, net: &NetPolicy) -> Vec<FieldProblem>;

    /// Finds out whether a message can go this way at all, as far as it can be told before it is rendered for somebody.
    ///
    /// # Errors
    /// What is wrong with its text, in words for its sender.
    fn check_message(&self, _content: &Compiled) -> Result<(), String> {
        Ok(())
    }

    /// Makes the account's driver. No network; call it within a Tokio runtime.
    ///
    /// # Errors
    /// The first problem that [`check`](Provider::check) would report.
    fn open(&self, account: Account, deps: &Deps) -> Result<Arc<dyn Driver>, FieldProblem>;
}

/// One account, ready to send. Holds its connections.
#[async_trait]
pub trait Driver: Send + Sync {
    /// Asks the provider whether the credentials work; sends nothing. Takes at most 10 s.
    ///
    /// # Errors
    /// What is wrong, with a pointer to the field that most likely causes it.
    async fn verify(&self) -> Result<(), FieldProblem>;

    /// Makes one provider call within [`Spec::deadline`]; the verdict covers everybody in it but those it names.
    ///
    /// The gate is entered as late as the protocol allows and before any byte of the message; when it is shut the verdict
    /// is `NotStarted`. Once only, unless the provider refused the message unread (a lapsed token) and it is sent again. A failure known before that (no connection, unusable address) is returned
    /// without entering it.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection in use; other calls are not disturbed. The outcome is then unknown
    /// if the gate had been entered.
    async fn send(&self, call: &Call, gate: &dyn Gate) -> Verdict;

    /// Asks the provider to take a message back, by the id it gave it. Only where [`Spec::recall`] says that it can.
    ///
    /// The gate is entered just before the request, like in [`send`](Driver::send). May be asked twice of one message.
    async fn recall(&self, _provider_ref: &str, _gate: &dyn Gate) -> Recalled {
        Recalled::NotPossible
    }
}

/// What came of asking a provider to take a message back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recalled {
    /// It did.
    Taken,
    /// It cannot, and will not be able to.
    NotPossible,
    /// Not now; ask again.
    NotNow(Failure),
    /// The gate was shut: nothing was asked.
    NotStarted,
}
