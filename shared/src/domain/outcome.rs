//! What a provider call came to, in words every provider shares.

use std::time::Duration;

use super::words;

/// What a failure means for the delivery, its plan and its account.
///
/// Source: the class table of the provider research (copied to `workers/channels/tests/vectors`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// May work later on the same account.
    Transient,
    /// The provider asks for a pause; not an attempt.
    RateLimited,
    /// This recipient cannot be reached this way.
    PermanentRecipient,
    /// This message is refused; another account would refuse it too.
    PermanentRequest,
    /// The account is at fault (credentials, suspended); not an attempt.
    Account,
    /// The provider may have accepted it.
    Unknown,
}

impl Class {
    /// Whether the same request would be refused again.
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        matches!(self, Class::PermanentRecipient | Class::PermanentRequest)
    }

    /// The word used as metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Transient => "transient",
            Class::RateLimited => "rate_limited",
            Class::PermanentRecipient => "permanent_recipient",
            Class::PermanentRequest => "permanent_request",
            Class::Account => "account",
            Class::Unknown => "unknown",
        }
    }
}

words! {
    /// Why a delivery ended as it did: the closed list of the API.
    Reason, "reason", {
        /// The recipient has no address for the channel.
        NoAddress = 1: "no_address",
        /// The provider says the address does not exist.
        InvalidAddress = 2: "invalid_address",
        /// The person is frozen.
        Frozen = 3: "frozen",
        /// The person is on the block list.
        Blocked = 4: "blocked",
        /// The person unsubscribed.
        Unsubscribed = 5: "unsubscribed",
        /// The address bounced.
        Bounced = 6: "bounced",
        /// Another recipient of the plan gets the same at the same address.
        Duplicate = 7: "duplicate",
        /// The person has read it already.
        AlreadyRead = 8: "already_read",
        /// The person's own limit.
        RecipientLimit = 9: "recipient_limit",
        /// The budget is spent.
        Budget = 10: "budget",
        /// No usable account.
        NoAccount = 11: "no_account",
        /// The target is one this installation does not call (private network).
        TargetRefused = 12: "target_refused",
        /// The provider refused the message.
        Rejected = 13: "rejected",
        /// The provider did not answer.
        Timeout = 14: "timeout",
        /// The plan was recalled.
        Recalled = 15: "recalled",
        /// The plan was stopped.
        Stopped = 16: "stopped",
        /// The plan expired.
        Expired = 17: "expired",
        /// The step came too late.
        Overdue = 18: "overdue",
        /// Attempts are used up.
        Exhausted = 19: "exhausted",
        /// Enough others had answered.
        NotNeeded = 20: "not_needed",
    }
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub class: Class,
    /// The provider's code, e.g. `550 5.1.1` or `HTTP 503`; at most 40 characters.
    pub code: String,
    /// The provider's words, at most 200 characters, without addresses.
    pub detail: String,
    /// What the delivery's reason becomes if this ends it.
    pub reason: Reason,
    /// How long the provider wants us to wait.
    pub retry_after: Option<Duration>,
}

/// One member of a batch call that went out without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The recipient's position in the plan.
    pub no: i32,
    /// Why the provider left them out.
    pub failure: Failure,
}

/// What one provider call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted by the provider.
    Sent {
        /// The provider's id of the message.
        provider_ref: Option<String>,
        /// Those of a batch that it did not take. Everybody else was sent to.
        except: Vec<Exception>,
    },
    /// Refused, failed, or unknown.
    Failed(Failure),
    /// The gate was shut before the first byte: nothing happened.
    NotStarted,
}

impl Verdict {
    /// Accepted for everybody in the call.
    #[must_use]
    pub const fn sent(provider_ref: Option<String>) -> Self {
        Verdict::Sent { provider_ref, except: Vec::new() }
    }
}

words! {
    /// The outcome stored with an attempt.
    Outcome, "outcome", {
        /// Accepted.
        Sent = 0: "sent",
        /// Failed, may be tried again.
        Transient = 1: "transient",
        /// Failed for good.
        Permanent = 2: "permanent",
        /// May have been accepted.
        Unknown = 3: "unknown",
        /// The account was at fault.
        Account = 4: "account",
    }
}
