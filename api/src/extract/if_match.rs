//! `If-Match` (RFC 9110, 13.1.1): an edit of what was read, and of nothing that came after.

use axum::http::{HeaderMap, HeaderValue};

/// The entity tag of a plan's epoch: another one after each edit and order. What becomes of its deliveries does not change it.
#[must_use]
pub fn entity_tag(epoch: i32) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{epoch}\"")).expect("a number in quotes is a header value")
}

/// Whether the request may change what is at `epoch` now: it has no `If-Match`, or one that names it.
#[must_use]
pub fn may_change(headers: &HeaderMap, epoch: i32) -> bool {
    let tag = format!("\"{epoch}\"");
    let mut given = headers.get_all("if-match").iter().peekable();
    given.peek().is_none()
        || given
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .any(|own| own.trim() == "*" || own.trim() == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tag_that_was_read_may_change_it() {
        for (text, may) in [
            ("\"3\"", true),
            ("*", true),
            ("\"1\", \"3\"", true),
            ("\"2\"", false),
            ("3", false),
            ("W/\"3\"", false),
            ("", false),
        ] {
            let headers =
                HeaderMap::from_iter([("if-match".parse().unwrap(), HeaderValue::from_static(text))]);
            assert_eq!(may_change(&headers, 3), may, "{text}");
        }
        assert!(may_change(&HeaderMap::new(), 3));
    }
}
