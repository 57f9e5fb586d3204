//! What WeCom's answers mean. HTTP 200 says nothing: the body's `errcode` does. Source: PROVIDERS 2 and the class table in
//! tests/vectors/wecom_classes.json. `errmsg` is for people only, never decided by.

use std::time::Duration;

use herald_shared::domain::{Class, Exception, Failure, Reason, Verdict};
use serde::Deserialize;

use super::message::People;
use crate::Recalled;
use crate::http::{innermost, refusal};
use crate::wording::tidy;

/// The code where the network guard refuses the base URL.
pub(super) const TARGET_REFUSED: &str = "target_refused";

/// What every answer has, and what some have.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) errcode: i64,
    #[serde(default)]
    errmsg: String,
    pub(super) access_token: Option<String>,
    pub(super) expires_in: Option<u64>,
    invaliduser: Option<String>,
    unlicenseduser: Option<String>,
    msgid: Option<String>,
}

/// What an `errcode` other than 0 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Another access token.
    Token,
    /// As the class says, with the provider's wish to wait.
    Class(Class, Option<Duration>),
}

/// The class table. A code that is not in it is a refusal of the request: nothing was sent, and nothing says that it may
/// work later.
pub(super) fn meaning(errcode: i64) -> Meaning {
    let wait = |class, seconds| Meaning::Class(class, Some(Duration::from_secs(seconds)));
    match errcode {
        40014 | 41001 | 42001 => Meaning::Token,
        -1 => wait(Class::Transient, 5),
        6000 => wait(Class::Transient, 2),
        // The block lasts as long as the window that was used up, which is not told: the shortest, and then again.
        45009 => wait(Class::RateLimited, 60),
        45033 => wait(Class::RateLimited, 5),
        40001 | 40013 | 40056 | 48002 | 50003 | 60020 | 301_002 | 93000 | 93004 | 93008 => {
            Meaning::Class(Class::Account, None)
        }
        40003 | 40031 | 60011 | 60111 | 81013 => Meaning::Class(Class::PermanentRecipient, None),
        _ => Meaning::Class(Class::PermanentRequest, None),
    }
}

/// A failure with this code and words. A token that is refused although it is new is the account's fault.
pub(super) fn failure_of(errcode: i64, words: &str) -> Failure {
    let (class, retry_after) = match meaning(errcode) {
        Meaning::Token => (Class::Account, None),
        Meaning::Class(class, wait) => (class, wait),
    };
    let reason = match class {
        // 60011: the person exists, the app may not write to them.
        Class::PermanentRecipient if errcode != 60011 => Reason::InvalidAddress,
        _ => Reason::Rejected,
    };
    Failure { retry_after, ..failure(class, &errcode.to_string(), words, reason) }
}

pub(super) fn failure(class: Class, code: &str, words: &str, reason: Reason) -> Failure {
    Failure { class, code: code.to_owned(), detail: tidy(words), reason, retry_after: None }
}

impl Answer {
    /// The words without the support hints that follow them (`hint: [...], from ip: ..., more info at ...`).
    pub(super) fn words(&self) -> &str {
        self.errmsg.split(", hint:").next().unwrap_or_default()
    }

    /// What an answer to a recall means. Whatever is refused for good (too old, no such message) is never taken back.
    pub(super) fn recalled(&self) -> Recalled {
        match self.errcode {
            0 => Recalled::Taken,
            code => match failure_of(code, self.words()) {
                failure if failure.class.is_permanent() => Recalled::NotPossible,
                failure => Recalled::NotNow(failure),
            },
        }
    }

    /// What an answer to a message means for the people it was to go to.
    pub(super) fn verdict(&self, people: &People<'_>) -> Verdict {
        if self.errcode != 0 {
            return Verdict::Failed(failure_of(self.errcode, self.words()));
        }
        let mut except = unsendable(people);
        let groups = [
            (
                &self.invaliduser,
                "invaliduser",
                "not a member, or not visible to the app",
                Reason::InvalidAddress,
            ),
            (
                &self.unlicenseduser,
                "unlicenseduser",
                "the member has no licence for the app",
                Reason::Rejected,
            ),
        ];
        for (named, code, words, reason) in groups {
            let ids = named.as_deref().unwrap_or_default().split('|').map(str::to_ascii_lowercase);
            for target in ids.filter_map(|id| people.by_id.get(&id)).flatten() {
                let failure = failure(Class::PermanentRecipient, code, words, reason);
                except.push(Exception { no: target.no, failure });
            }
        }
        let everybody = people.invalid.len() + people.by_id.values().map(Vec::len).sum::<usize>();
        // Nobody got it, all for one reason: then that is what the call came to.
        if except.len() == everybody && except.windows(2).all(|pair| pair[0].failure == pair[1].failure) {
            return Verdict::Failed(except.swap_remove(0).failure);
        }
        Verdict::Sent { provider_ref: self.msgid.as_deref().map(tidy), except }
    }
}

/// Those who cannot be named in a call at all.
pub(super) fn unsendable(people: &People<'_>) -> Vec<Exception> {
    let failure = failure(
        Class::PermanentRecipient,
        "userid",
        "not a WeCom user id: letters, digits and _-@. only, at most 64",
        Reason::InvalidAddress,
    );
    people.invalid.iter().map(|target| Exception { no: target.no, failure: failure.clone() }).collect()
}

/// What an answer without a readable body means, once the request was written.
pub(super) fn of_status(status: u16) -> Failure {
    let (class, retry_after) = match status {
        429 => (Class::RateLimited, Some(Duration::from_secs(60))),
        // A gateway in between refused it: no message went out.
        300..500 if status != 408 => (Class::Transient, None),
        _ => (Class::Unknown, None),
    };
    let words = "the answer is not WeCom's";
    let reason = if class == Class::Unknown { Reason::Timeout } else { Reason::Rejected };
    Failure { retry_after, ..failure(class, &format!("HTTP {status}"), words, reason) }
}

/// What a call without an answer means: before the request was written nothing happened, after it nobody knows. The URL
/// holds the token, so only the last cause is told.
pub(super) fn of_error(error: &reqwest::Error) -> Failure {
    if let Some(refused) = refusal(error) {
        return failure(Class::Account, TARGET_REFUSED, &refused.to_string(), Reason::TargetRefused);
    }
    if error.is_connect() || error.is_builder() {
        return failure(Class::Transient, "connect", &innermost(error), Reason::Timeout);
    }
    let words = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(error) };
    failure(Class::Unknown, "no answer", &words, Reason::Timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Row {
        code: i64,
        class: String,
        delay_s: Option<u64>,
    }

    /// Every code of the provider research.
    #[test]
    fn codes_mean_what_the_table_says() {
        let rows: Vec<Row> =
            serde_json::from_str(include_str!("../../tests/vectors/wecom_classes.json")).unwrap();
        assert!(rows.len() > 30);
        for Row { code, class, delay_s } in rows {
            let expected = match class.as_str() {
                "token" => Meaning::Token,
                "transient" => Meaning::Class(Class::Transient, delay_s.map(Duration::from_secs)),
                "rate-limited" => Meaning::Class(Class::RateLimited, delay_s.map(Duration::from_secs)),
                "account" => Meaning::Class(Class::Account, None),
                "permanent-recipient" => Meaning::Class(Class::PermanentRecipient, None),
                "permanent-request" => Meaning::Class(Class::PermanentRequest, None),
                other => panic!("class {other}"),
            };
            assert_eq!(meaning(code), expected, "{code}");
        }
        assert_eq!(meaning(99_999), Meaning::Class(Class::PermanentRequest, None));
    }

    #[test]
    fn words_lose_their_support_hints() {
        let body =
            r#"{"errcode": 81013, "errmsg": "all invalid, hint: [1], from ip: 1.2.3.4, more info at x"}"#;
        let answer: Answer = serde_json::from_str(body).unwrap();
        assert_eq!(answer.words(), "all invalid");
    }

    #[test]
    fn an_answer_that_is_not_wecoms_is_unknown_unless_it_is_a_refusal() {
        let cases = [
            (200, Class::Unknown),
            (302, Class::Transient),
            (404, Class::Transient),
            (408, Class::Unknown),
            (429, Class::RateLimited),
            (500, Class::Unknown),
            (502, Class::Unknown),
        ];
        for (status, class) in cases {
            assert_eq!(of_status(status).class, class, "{status}");
        }
    }
}
