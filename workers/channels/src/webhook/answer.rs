//! What an HTTP answer, or the lack of one, means for the delivery. Source: HTTP_API "Accounts", Standard Webhooks.

use std::time::Duration;

use herald_shared::domain::{Class, Failure, Reason};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::http::{innermost, refusal};
use crate::wording::tidy;

/// A wish to wait longer is cut to this; it comes from a stranger.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

pub(super) fn failure(class: Class, code: &str, detail: &str, reason: Reason) -> Failure {
    Failure { class, code: code.to_owned(), detail: tidy(detail), reason, retry_after: None }
}

/// `None` is success (2xx only). `body` gives the words of a refusal.
pub(crate) fn of_status(status: u16, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Option<Failure> {
    let retry_after =
        headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|v| wait(v, now));
    let class = match status {
        200..300 => return None,
        429 => Class::RateLimited,
        503 if retry_after.is_some() => Class::RateLimited,
        408 | 500.. => Class::Transient,
        // Redirects are not followed: the target is what the sender named and the guard checked.
        _ => Class::PermanentRecipient,
    };
    let words = String::from_utf8_lossy(&body[..body.len().min(1000)]);
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
    let detail = if words.trim().is_empty() { name } else { words.as_ref() };
    let failure = failure(class, &format!("HTTP {status}"), detail, Reason::Rejected);
    Some(Failure { retry_after, ..failure })
}

/// What a call without a status means: before the request was written nothing happened, after it nobody knows.
pub(crate) fn of_error(error: &reqwest::Error) -> Failure {
    if let Some(refused) = refusal(error) {
        return failure(
            Class::PermanentRecipient,
            "target_refused",
            &refused.to_string(),
            Reason::TargetRefused,
        );
    }
    if error.is_builder() {
        return failure(
            Class::PermanentRecipient,
            "url",
            "no request can be made to this URL",
            Reason::InvalidAddress,
        );
    }
    if error.is_connect() {
        return failure(Class::Transient, "connect", &innermost(error), Reason::Timeout);
    }
    let detail = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(error) };
    failure(Class::Unknown, "no answer", &detail, Reason::Timeout)
}

/// Reads Retry-After: seconds (a fraction is accepted) or an HTTP date.
fn wait(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wish = match value.parse::<f64>() {
        Ok(seconds) if seconds >= 0.0 => Duration::try_from_secs_f64(seconds).unwrap_or(MAX_WAIT),
        Ok(_) => return None,
        Err(_) => {
            let at = DateTimeParser::new().parse_timestamp(value).ok()?;
            Duration::try_from(at.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wish.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_status_decides() {
        let cases = [
            (200, None, None),
            (204, None, None),
            (301, None, Some(Class::PermanentRecipient)),
            (302, None, Some(Class::PermanentRecipient)),
            (400, None, Some(Class::PermanentRecipient)),
            (401, None, Some(Class::PermanentRecipient)),
            (404, None, Some(Class::PermanentRecipient)),
            (408, None, Some(Class::Transient)),
            (410, None, Some(Class::PermanentRecipient)),
            (429, None, Some(Class::RateLimited)),
            (429, Some("7"), Some(Class::RateLimited)),
            (500, None, Some(Class::Transient)),
            (502, None, Some(Class::Transient)),
            (503, None, Some(Class::Transient)),
            (503, Some("7"), Some(Class::RateLimited)),
            (504, None, Some(Class::Transient)),
            (599, None, Some(Class::Transient)),
        ];
        for (status, retry_after, class) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = retry_after {
                headers.insert(RETRY_AFTER, value.parse().unwrap());
            }
            let failure = of_status(status, &headers, b"", at("2026-11-21T00:00:00Z"));
            assert_eq!(failure.as_ref().map(|failure| failure.class), class, "{status}");
            let waits = failure.and_then(|failure| failure.retry_after);
            assert_eq!(waits, retry_after.map(|_| Duration::from_secs(7)), "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = at("2026-11-21T08:00:00Z");
        let cases = [
            ("120", Some(120_000)),
            (" 0.5 ", Some(500)),
            ("Sat, 21 Nov 2026 08:00:30 GMT", Some(30_000)),
            ("Sat, 21 Nov 2026 07:00:00 GMT", Some(0)),
            ("1e300", Some(86_400_000)),
            ("-5", None),
            ("NaN", None),
            ("soon", None),
        ];
        for (value, expected) in cases {
            assert_eq!(wait(value, now).map(|wait| wait.as_millis()), expected, "{value}");
        }
    }

    #[test]
    fn details_are_the_receivers_words() {
        let failure =
            of_status(422, &HeaderMap::new(), b"no li@example.org here\n", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((failure.code.as_str(), failure.detail.as_str()), ("HTTP 422", "no *** here"));
        let failure = of_status(404, &HeaderMap::new(), b"", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(failure.detail, "Not Found");
    }
}
