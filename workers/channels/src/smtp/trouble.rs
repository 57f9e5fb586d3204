//! What can go wrong in a conversation, and what each failure means for the delivery.
//!
//! Source: PROVIDERS "SMTP submission" table and the vectors `error_classification.json` (provider smtp), read by
//! the test below. Where the two differ the vectors win: 550/554 5.7.1 is the message's fault, other 5.7.x the account's.

use std::time::Duration;

use herald_shared::domain::{Class, Failure, Reason};

use super::reply::Reply;
use crate::wording::tidy;
use crate::{FieldProblem, Refused, ResolveError};

/// Where in the conversation a reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Greeting or EHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// RSET.
    Reset,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    Data,
    /// After the final dot.
    End,
}

/// Why a mail was not (certainly) accepted.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The guard refused the server's address.
    Refused(Refused),
    /// No connection: name, network, TLS handshake.
    Unreachable(String),
    /// The server's certificate does not hold.
    Certificate(String),
    /// The connection was lost, or silent, before the final dot was written.
    Lost(String),
    /// A refusal, in the server's words.
    Reply(Stage, Reply),
    /// The server lacks what the account needs; `/settings/...` or `/secret` says which field asks for it.
    Unsuited(&'static str, String),
    /// The server cannot take this mail.
    Unsendable(Reason, String),
    /// The final dot was written and no reply came.
    Unanswered(String),
}

impl From<ResolveError> for Trouble {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Refused(refused) => Trouble::Refused(refused),
            ResolveError::Lookup(_) => Trouble::Unreachable(error.to_string()),
        }
    }
}

impl Trouble {
    /// Whether the server may simply have closed an idle connection: nothing of the mail was taken.
    pub(super) fn is_hang_up(&self) -> bool {
        matches!(self, Trouble::Lost(_)) || matches!(self, Trouble::Reply(_, reply) if reply.code == 421)
    }

    /// The failure as the worker sees it.
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Trouble::Refused(refused) => {
                failure(Class::Account, "target_refused", &refused.to_string(), Reason::TargetRefused)
            }
            Trouble::Unreachable(detail) => failure(Class::Transient, "connect", &detail, Reason::Timeout),
            Trouble::Certificate(detail) => {
                failure(Class::Account, "certificate", &detail, Reason::NoAccount)
            }
            Trouble::Lost(detail) => failure(Class::Transient, "connection", &detail, Reason::Timeout),
            Trouble::Unsuited(_, detail) => failure(Class::Account, "server", &detail, Reason::NoAccount),
            Trouble::Unsendable(reason, detail) => {
                let class = match reason {
                    Reason::InvalidAddress => Class::PermanentRecipient,
                    _ => Class::PermanentRequest,
                };
                failure(class, "mail", &detail, reason)
            }
            Trouble::Unanswered(detail) => failure(Class::Unknown, "no reply", &detail, Reason::Timeout),
            Trouble::Reply(stage, reply) => {
                let (class, reason) = classify(stage, &reply);
                failure(class, &reply.to_string(), &reply.text(), reason)
            }
        }
    }

    /// The failure as the account's owner sees it after a verification.
    pub(super) fn into_field(self) -> FieldProblem {
        match self {
            Trouble::Refused(refused) => FieldProblem::new("/settings/host", refused.to_string()),
            Trouble::Unsuited(pointer, detail) => FieldProblem::new(pointer, detail),
            Trouble::Certificate(detail) => FieldProblem::new("/settings/tls", detail),
            Trouble::Reply(Stage::Auth, reply) => FieldProblem::new("/secret/password", words(&reply)),
            Trouble::Reply(Stage::StartTls, reply) => FieldProblem::new("/settings/tls", words(&reply)),
            Trouble::Reply(_, reply) => FieldProblem::new("/settings/host", words(&reply)),
            Trouble::Unreachable(detail)
            | Trouble::Lost(detail)
            | Trouble::Unsendable(_, detail)
            | Trouble::Unanswered(detail) => FieldProblem::new("/settings/host", tidy(&detail)),
        }
    }
}

fn words(reply: &Reply) -> String {
    tidy(&format!("{reply} {}", reply.text()))
}

pub(super) fn failure(class: Class, code: &str, detail: &str, reason: Reason) -> Failure {
    // Greylisting and the like name no time: the pace of retries is the worker's.
    let retry_after: Option<Duration> = None;
    Failure { class, code: code.to_owned(), detail: tidy(detail), reason, retry_after }
}

/// What a reply that is no success means: by the first digit, refined by the enhanced code and by where it came.
fn classify(stage: Stage, reply: &Reply) -> (Class, Reason) {
    if reply.code < 500 {
        return (Class::Transient, Reason::Rejected);
    }
    if matches!(stage, Stage::Hello | Stage::StartTls | Stage::Auth) {
        return (Class::Account, Reason::NoAccount);
    }
    match refine(stage, reply) {
        // What a server says about the sender's address is about the account, whatever the code.
        Class::PermanentRecipient if stage == Stage::Mail => (Class::Account, Reason::NoAccount),
        Class::Account => (Class::Account, Reason::NoAccount),
        class => (class, reason(class, reply)),
    }
}

fn refine(stage: Stage, reply: &Reply) -> Class {
    let (_, subject, detail) = reply.enhanced.unwrap_or_default();
    match (reply.code, subject, detail) {
        (530 | 534 | 535 | 538, _, _) | (_, 7, 8) => Class::Account,
        (550 | 554, 7, 1) => Class::PermanentRequest,
        (550 | 554, 7, _) => Class::Account,
        // 5.1.7 and 5.1.8 are about the sender's address.
        (_, 1, 7 | 8) => Class::Account,
        (_, 1, 1..) | (_, 2, 1 | 2) | (551 | 553, _, _) => Class::PermanentRecipient,
        // RFC 5321 4.2.3: "mailbox unavailable", where no enhanced code says otherwise.
        (550, 0 | 4, _) if stage == Stage::Rcpt => Class::PermanentRecipient,
        _ => Class::PermanentRequest,
    }
}

fn reason(class: Class, reply: &Reply) -> Reason {
    let about_the_mailbox = matches!(reply.enhanced, Some((_, 2, _)));
    match class {
        Class::PermanentRecipient if !about_the_mailbox => Reason::InvalidAddress,
        _ => Reason::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Row {
        code: String,
        class: String,
    }

    /// `4xx` stands for any code with that first digit.
    fn trouble_of(code: &str) -> Trouble {
        match code {
            "drop-before-final-dot" => Trouble::Lost("closed".to_owned()),
            "drop-after-final-dot" => Trouble::Unanswered("closed".to_owned()),
            code => Trouble::Reply(Stage::Rcpt, Reply::of(&code.replace("xx", "99"))),
        }
    }

    #[test]
    fn replies_mean_what_the_vectors_say() {
        let rows: Vec<Row> =
            serde_json::from_str(include_str!("../../tests/vectors/smtp_classes.json")).unwrap();
        assert!(rows.len() >= 20);
        for row in rows {
            if row.class == "ok" {
                assert!(Reply::of(&row.code.replace("xx", "50")).is_positive());
                continue;
            }
            let class = trouble_of(&row.code).into_failure().class;
            assert_eq!(class.as_str().replace('_', "-"), row.class.replace("-outcome", ""), "{}", row.code);
        }
    }

    #[test]
    fn stage_and_enhanced_code_refine() {
        let cases = [
            (Stage::Rcpt, "550 no such user", Class::PermanentRecipient, Reason::InvalidAddress),
            (Stage::Rcpt, "550 5.1.10 null mx", Class::PermanentRecipient, Reason::InvalidAddress),
            (Stage::Rcpt, "550 5.4.1 access denied", Class::PermanentRecipient, Reason::InvalidAddress),
            (Stage::Rcpt, "552 5.2.2 full", Class::PermanentRecipient, Reason::Rejected),
            (Stage::Rcpt, "421 4.7.0 slow down", Class::Transient, Reason::Rejected),
            (Stage::End, "550 spam", Class::PermanentRequest, Reason::Rejected),
            (Stage::End, "550 5.7.26 DMARC", Class::Account, Reason::NoAccount),
            (Stage::End, "421 later", Class::Transient, Reason::Rejected),
            (Stage::Mail, "553 5.7.1 sender not owned", Class::Account, Reason::NoAccount),
            (Stage::Mail, "550 5.1.8 bad sender", Class::Account, Reason::NoAccount),
            (Stage::Hello, "554 no service", Class::Account, Reason::NoAccount),
            (Stage::Auth, "454 4.7.0 later", Class::Transient, Reason::Rejected),
        ];
        for (stage, text, class, reason) in cases {
            let failure = Trouble::Reply(stage, Reply::of(text)).into_failure();
            assert_eq!((failure.class, failure.reason), (class, reason), "{stage:?} {text}");
        }
    }

    #[test]
    fn details_are_the_servers_words_without_addresses() {
        let reply = Reply::of("550-5.1.1 <li@example.org>: Recipient\n550 5.1.1 unknown");
        let failure = Trouble::Reply(Stage::Rcpt, reply).into_failure();
        assert_eq!(failure.code, "550 5.1.1");
        assert_eq!(failure.detail, "<***>: Recipient unknown");
    }
}
