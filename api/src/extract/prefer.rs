//! `Prefer: wait=n` (RFC 7240).

use axum::http::HeaderMap;

/// Longest wait, in seconds.
const LONGEST: u64 = 30;

/// Seconds a client would wait for the answer, at most 30. As the RFC has it, what cannot be understood is no preference, and the
/// first of several counts.
#[must_use]
pub fn preferred_wait(headers: &HeaderMap) -> Option<u64> {
    let texts = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let preferences = texts.flat_map(|text| text.split(','));
    let wait = preferences.filter_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))
    });
    let digits =
        wait.take(1).find(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    // More digits than a number holds: longer than the longest in any case.
    Some(digits.parse().unwrap_or(LONGEST).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_first_wait_counts_and_what_is_no_number_does_not() {
        for (text, wait) in [
            ("wait=10", Some(10)),
            ("respond-async, WAIT = \"5\"; x=1, wait=9", Some(5)),
            ("wait=99999999999999999999999", Some(30)),
            ("wait=0", Some(0)),
            ("wait=-1", None),
            ("wait=", None),
            ("wait", None),
            ("waiting=3", None),
        ] {
            let headers = HeaderMap::from_iter([("prefer".parse().unwrap(), HeaderValue::from_static(text))]);
            assert_eq!(preferred_wait(&headers), wait, "{text}");
        }
    }
}
