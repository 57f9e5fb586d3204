//! Reads a message up to its final dot and checks it on the way: line ends, lengths, dots, headers, 8-bit content.
//!
//! Works on the raw bytes as they arrive and remembers where it was, so that every byte is looked at once.

use std::ops::Range;

/// Longest line without its CRLF, RFC 5321 4.5.3.1.6.
const LONGEST_LINE: usize = 998;

/// Headers without which a strict server refuses, PROVIDERS.md 1.
const REQUIRED: [&str; 4] = ["Date", "From", "Message-ID", "MIME-Version"];
const MESSAGE_ID: usize = 2;

/// Progress through one message. Offsets count from the first byte after the 354.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    line: usize,
    searched: usize,
    in_body: bool,
    after_bare_lf: bool,
    problem: Option<&'static str>,
    eight_bit_head: bool,
    eight_bit_body: bool,
    seen: [u8; REQUIRED.len()],
    message_id: Range<usize>,
}

impl Scanner {
    /// Goes on over `bytes` (all since the 354); the length of the message without the final dot once that was found.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(length) = bytes[self.searched..].iter().position(|byte| *byte == b'\n') {
            let end = self.searched + length + 1;
            let line = &bytes[self.line..end];
            if line == b".\r\n" && !self.after_bare_lf {
                return Some(self.line);
            }
            self.check(line);
            self.line = end;
            self.searched = end;
        }
        self.searched = bytes.len();
        None
    }

    /// Bytes the final dot takes on the wire.
    pub(super) const DOT: usize = b".\r\n".len();

    fn check(&mut self, line: &[u8]) {
        let text = line.strip_suffix(b"\r\n");
        self.after_bare_lf = text.is_none();
        let Some(text) = text else { return self.breach("bare LF in the message") };
        let dots = text.starts_with(b".") && !text.starts_with(b"..");
        if dots {
            self.breach("a line that starts with a dot was not dot-stuffed");
        }
        if text.len() > LONGEST_LINE {
            self.breach("a line of the message is longer than 998 bytes");
        }
        let (controls, eight_bit) = text.iter().fold((false, false), |(controls, high), byte| {
            (controls | (*byte == b'\r') | (*byte == 0), high | (*byte >= 0x80))
        });
        if controls {
            self.breach("bare CR or NUL in the message");
        }
        if self.in_body {
            self.eight_bit_body |= eight_bit;
        } else {
            self.eight_bit_head |= eight_bit;
            self.header(text);
        }
    }

    fn header(&mut self, text: &[u8]) {
        if text.is_empty() {
            self.in_body = true;
            return;
        }
        if text[0] == b' ' || text[0] == b'\t' {
            return;
        }
        let Some(colon) = text.iter().position(|byte| *byte == b':') else {
            return self.breach("a header line without a colon");
        };
        let name = &text[..colon];
        if colon == 0 || name.iter().any(|byte| !byte.is_ascii_graphic()) {
            return self.breach("a header name that is not printable ASCII");
        }
        let found = REQUIRED.iter().position(|required| name.eq_ignore_ascii_case(required.as_bytes()));
        if let Some(index) = found {
            self.seen[index] = self.seen[index].saturating_add(1);
            if index == MESSAGE_ID {
                let value = text[colon + 1..].trim_ascii();
                let from = self.line + text.len() - text[colon + 1..].trim_ascii_start().len();
                self.message_id = from..from + value.len();
            }
        }
    }

    fn breach(&mut self, what: &'static str) {
        self.problem.get_or_insert(what);
    }

    /// The Message-ID with its angle brackets; `None` when there is none or it is not ASCII.
    pub(super) fn message_id<'a>(&self, message: &'a [u8]) -> Option<&'a str> {
        let id = std::str::from_utf8(&message[self.message_id.clone()]).ok()?;
        (!id.is_empty()).then_some(id)
    }

    /// What is wrong with the message, if anything; the header and 8-bit rules only when `strict`.
    pub(super) fn verdict(&self, message: &[u8], strict: Option<Declared>) -> Result<(), String> {
        if let Some(problem) = self.problem {
            return Err(problem.to_owned());
        }
        let Some(declared) = strict else { return Ok(()) };
        for (name, count) in REQUIRED.iter().zip(self.seen) {
            match count {
                1 => {}
                0 => return Err(format!("no {name} header")),
                more => return Err(format!("{more} {name} headers")),
            }
        }
        let id = self.message_id(message).unwrap_or_default();
        if !(id.starts_with('<') && id.ends_with('>') && id.contains('@') && !id.contains(' ')) {
            return Err("the Message-ID is not of the form <left@right>".to_owned());
        }
        if self.eight_bit_head && !declared.smtputf8 {
            return Err("8-bit headers without SMTPUTF8".to_owned());
        }
        if self.eight_bit_body && !declared.eight_bit {
            return Err("8-bit body without BODY=8BITMIME".to_owned());
        }
        Ok(())
    }
}

/// What MAIL FROM announced.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Declared {
    pub(super) eight_bit: bool,
    pub(super) smtputf8: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Date: x\r\nFrom: a@b\r\nmessage-id:  <1@b> \r\nMIME-Version: 1.0\r\n\r\nhi\r\n..\r\n";

    fn read(wire: &str) -> (Option<usize>, Scanner) {
        let mut scanner = Scanner::default();
        let mut end = None;
        for upto in 1..=wire.len() {
            end = scanner.scan(&wire.as_bytes()[..upto]);
        }
        (end, scanner)
    }

    fn verdict(message: &str) -> Result<(), String> {
        let (end, scanner) = read(&format!("{message}.\r\n"));
        assert_eq!(end, Some(message.len()));
        scanner.verdict(message.as_bytes(), Some(Declared::default()))
    }

    #[test]
    fn good_message_read_byte_by_byte_is_accepted() {
        let (end, scanner) = read(&format!("{GOOD}.\r\n"));
        assert_eq!(end, Some(GOOD.len()));
        assert_eq!(scanner.message_id(GOOD.as_bytes()), Some("<1@b>"));
        assert_eq!(verdict(GOOD), Ok(()));
    }

    #[test]
    fn empty_message_ends_at_once() {
        assert_eq!(read(".\r\n").0, Some(0));
    }

    #[test]
    fn smuggled_ends_do_not_end_the_message() {
        for smuggled in ["x\n.\r\n", "x\r\n.\n", "x\n.\n", "x\r.\r\n"] {
            assert_eq!(read(smuggled).0, None, "{smuggled:?}");
        }
    }

    #[test]
    fn breaches_are_named() {
        let long = format!("{GOOD}{}\r\n", "x".repeat(999));
        let cases = [
            (GOOD.replace("hi\r\n", "hi\n"), "bare LF"),
            (GOOD.replace("hi", "h\ri"), "bare CR"),
            (GOOD.replace("hi", "h\0i"), "NUL"),
            (GOOD.replace("..", ".x"), "dot-stuffed"),
            (long, "998"),
            (GOOD.replace("Date: x\r\n", ""), "no Date"),
            (GOOD.replace("Date: x\r\n", "Date: x\r\nDate: y\r\n"), "2 Date"),
            (GOOD.replace("Date: x", "Date x"), "colon"),
            (GOOD.replace("<1@b>", "1@b"), "Message-ID"),
            (GOOD.replace("hi", "hü"), "8-bit body"),
            (GOOD.replace("a@b", "ü@b"), "8-bit headers"),
        ];
        for (message, expected) in cases {
            let problem = verdict(&message).unwrap_err();
            assert!(problem.contains(expected), "{problem} is not about {expected}");
        }
    }

    #[test]
    fn longest_allowed_line_is_allowed() {
        assert_eq!(verdict(&format!("{GOOD}{}\r\n", "x".repeat(998))), Ok(()));
    }
}
