//! Reading texts, numbers, times and free values.

use std::borrow::Cow;

use serde_json::Value;

use super::raw::Text;
use super::{Field, escape, reason};
use crate::problems::Problems;

impl<'a> Field<'a> {
    /// Its text. NUL and lone surrogates are problems: PostgreSQL and UTF-8 have no place for them.
    pub fn string(&self, problems: &mut Problems) -> Option<Cow<'a, str>> {
        if !self.is_string() {
            self.refuse(problems, format!("must be a string, not {}", self.kind()));
            return None;
        }
        match serde_json::from_str::<Text>(self.raw.get()) {
            Ok(Text(text)) if text.contains('\0') => {
                self.refuse(problems, "must not contain NUL");
                None
            }
            Ok(Text(text)) => Some(text),
            Err(error) => {
                self.refuse(problems, reason(&error));
                None
            }
        }
    }

    /// A text of `1..=max` characters.
    pub fn text(&self, max: usize, problems: &mut Problems) -> Option<String> {
        let text = self.string(problems)?;
        match text.chars().count() {
            0 => self.refuse(problems, "must not be empty"),
            count if count > max => {
                self.refuse(problems, format!("has {count} characters; at most {max} are allowed"));
            }
            _ => return Some(text.into_owned()),
        }
        None
    }

    /// A text of one line: no control characters, so that it can stand in a header.
    pub fn line(&self, max: usize, problems: &mut Problems) -> Option<String> {
        let text = self.text(max, problems)?;
        if text.chars().any(is_line_breaking) {
            self.refuse(problems, "must be one line without control characters");
            return None;
        }
        Some(text)
    }

    /// `true` or `false`.
    pub fn boolean(&self, problems: &mut Problems) -> Option<bool> {
        let value = serde_json::from_str(self.raw.get()).ok();
        if value.is_none() {
            self.refuse(problems, format!("must be true or false, not {}", self.kind()));
        }
        value
    }

    /// A whole number of `low..=high`.
    pub fn integer(&self, low: i32, high: i32, problems: &mut Problems) -> Option<i32> {
        let value = serde_json::from_str(self.raw.get()).ok().filter(|value| (low..=high).contains(value));
        if value.is_none() {
            self.refuse(problems, format!("must be a whole number from {low} to {high}"));
        }
        value
    }

    /// A word of a closed list, such as a channel.
    pub fn word<T: std::str::FromStr>(&self, known: &[&str], problems: &mut Problems) -> Option<T> {
        let text = self.string(problems)?;
        let word = text.parse().ok();
        if word.is_none() {
            self.refuse(problems, format!("is not one of: {}", known.join(", ")));
        }
        word
    }

    /// A point in time, RFC 3339 with offset, to the microsecond.
    pub fn time(&self, problems: &mut Problems) -> Option<jiff::Timestamp> {
        let text = self.string(problems)?;
        let time = parse_time(&text);
        if time.is_none() {
            self.refuse(problems, "must be a time with offset, such as 2026-11-21T14:00:00+08:00");
        }
        time
    }

    /// A free object of at most `max` bytes of JSON, NUL and lone surrogates refused at their place.
    pub fn free_object(&self, max: usize, problems: &mut Problems) -> Option<serde_json::Map<String, Value>> {
        if !self.raw.get().starts_with('{') {
            self.refuse(problems, format!("must be an object, not {}", self.kind()));
            return None;
        }
        if self.size() > max {
            self.refuse(problems, format!("has {} bytes of JSON; at most {max} are allowed", self.size()));
            return None;
        }
        match serde_json::from_str::<Value>(self.raw.get()) {
            Ok(value) => {
                let before = problems.count();
                refuse_nul(&value, &self.pointer(), problems);
                match value {
                    Value::Object(map) if problems.count() == before => Some(map),
                    _ => None,
                }
            }
            Err(error) => {
                self.refuse(problems, reason(&error));
                None
            }
        }
    }
}

/// Reads RFC 3339 with offset, cut to the microsecond, which is what the database keeps.
#[must_use]
pub fn parse_time(text: &str) -> Option<jiff::Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() < 20
        || !matches!(bytes[10], b'T' | b't')
        || !bytes[0].is_ascii_digit()
        || text.contains('[')
    {
        return None;
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    jiff::Timestamp::from_microsecond(time.as_microsecond()).ok()
}

/// Characters that end a line or hide in one: what must not stand in a header.
#[must_use]
pub fn is_line_breaking(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn refuse_nul(value: &Value, at: &str, problems: &mut Problems) {
    match value {
        Value::String(text) if text.contains('\0') => problems.add(at, "must not contain NUL"),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                refuse_nul(item, &format!("{at}/{index}"), problems);
            }
        }
        Value::Object(map) => {
            for (name, item) in map {
                if name.contains('\0') {
                    problems.add(at, "has a name that contains NUL");
                }
                refuse_nul(item, &format!("{at}/{}", escape(name)), problems);
            }
        }
        _ => {}
    }
}

/// A date and time on some clock, without an offset: `2026-03-29T02:30:00`, the seconds may be left out.
#[must_use]
pub fn parse_local(text: &str) -> Option<jiff::civil::DateTime> {
    let (date, time) = text.split_once('T')?;
    let digits = |part: &str, mark: u8| part.bytes().all(|b| b.is_ascii_digit() || b == mark);
    if date.len() != 10 || !digits(date, b'-') || ![5, 8].contains(&time.len()) || !digits(time, b':') {
        return None;
    }
    text.parse().ok()
}
