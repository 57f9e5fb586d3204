//! Server replies (RFC 5321 4.2, enhanced codes RFC 2034).

use std::fmt;

/// An enhanced status code such as 5.1.1.
pub(super) type Enhanced = (u8, u16, u16);

/// One complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// Three digits, 200..=599.
    pub(super) code: u16,
    /// The first enhanced code in it.
    pub(super) enhanced: Option<Enhanced>,
    /// Its lines without codes.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// 2xx.
    pub(super) fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Its words on one line.
    pub(super) fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// Adds one line (without its line end).
    ///
    /// Returns whether it was the last of its reply; `None` when it is not SMTP.
    pub(super) fn add(&mut self, line: &[u8]) -> Option<bool> {
        let digits = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        if !(200..600).contains(&code) || (self.code != 0 && self.code != code) {
            return None;
        }
        let last = match line.get(3) {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return None,
        };
        self.code = code;
        let text = String::from_utf8_lossy(line.get(4..).unwrap_or_default());
        let (enhanced, words) = split_enhanced(&text);
        self.enhanced = self.enhanced.or(enhanced);
        self.lines.push(words.to_owned());
        Some(last)
    }

    /// A reply without lines yet.
    pub(super) fn empty() -> Self {
        Reply { code: 0, enhanced: None, lines: Vec::new() }
    }
}

impl fmt::Display for Reply {
    /// `550 5.1.1`, or `550` where there is no enhanced code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some((class, subject, detail)) = self.enhanced {
            write!(f, " {class}.{subject}.{detail}")?;
        }
        Ok(())
    }
}

/// `5.1.1 No such user` into its code and `No such user`.
fn split_enhanced(text: &str) -> (Option<Enhanced>, &str) {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    match parse_enhanced(first) {
        Some(enhanced) => (Some(enhanced), rest),
        None => (None, text),
    }
}

fn parse_enhanced(word: &str) -> Option<Enhanced> {
    let mut parts = word.split('.');
    let class: u8 = parts.next()?.parse().ok().filter(|class| matches!(class, 2 | 4 | 5))?;
    let subject = parts.next()?.parse().ok()?;
    let detail = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((class, subject, detail))
}

#[cfg(test)]
impl Reply {
    /// The reply a server means by `text`, lines split by `\n`.
    pub(super) fn of(text: &str) -> Self {
        let mut reply = Reply::empty();
        for line in text.split('\n') {
            reply.add(line.as_bytes()).expect("test replies are well-formed");
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_line_by_line() {
        let mut reply = Reply::empty();
        assert_eq!(reply.add(b"550-5.1.1 No such user"), Some(false));
        assert_eq!(reply.add(b"550 5.1.1 here"), Some(true));
        assert_eq!(reply.enhanced, Some((5, 1, 1)));
        assert_eq!(reply.text(), "No such user here");
        assert_eq!(reply.to_string(), "550 5.1.1");
        assert_eq!(Reply::of("250").to_string(), "250");
        assert_eq!(Reply::of("250 5.1 is not a code").enhanced, None);
    }

    #[test]
    fn what_is_not_smtp_is_noticed() {
        for bad in ["", "25", "abc hello", "650 no", "250x", "HTTP/1.1 400 Bad Request"] {
            assert_eq!(Reply::empty().add(bad.as_bytes()), None, "{bad}");
        }
        let mut reply = Reply::of("250 ok");
        assert_eq!(reply.add(b"251 other code"), None);
    }
}
