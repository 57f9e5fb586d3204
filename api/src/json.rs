//! Reading request bodies: every problem at once, each with its JSON pointer, in memory bounded by the body itself.
//!
//! A body is cut into raw slices level by level (`RawValue` borrows from it): nothing is built for what is not looked
//! at, and a wrong type in one field does not hide the next. A syntax error anywhere is found by [`Document::parse`],
//! so what is read afterwards can only have the wrong shape. Every list, object and free value has a bound, because
//! parsed JSON may be 16 times its text (`[1,1,1,...]`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::Deserializer;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::problems::Problems;

/// Fields one object may have; what has more is refused unread. Ours have at most 20.
const MAX_FIELDS: usize = 200;

/// A body that is JSON.
pub struct Document<'a>(&'a RawValue);

impl<'a> Document<'a> {
    /// Checks that `body` is one JSON value in UTF-8.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    pub fn parse(body: &'a [u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(body)
            .map_err(|error| format!("the body is not UTF-8: byte {} is wrong", error.valid_up_to()))?;
        serde_json::from_str(text).map(Document).map_err(|error| format!("the body is not JSON: {error}"))
    }

    /// The whole body as a field.
    #[must_use]
    pub fn root(&self) -> Field<'a> {
        Field { parent: Rc::from(""), name: None, raw: self.0 }
    }

    /// The JSON text.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.0.get()
    }
}

/// A value somewhere in a body. Cheap to clone.
#[derive(Clone)]
pub struct Field<'a> {
    parent: Rc<str>,
    name: Option<Cow<'a, str>>,
    raw: &'a RawValue,
}

impl<'a> Field<'a> {
    /// Its JSON pointer; the root's is empty.
    #[must_use]
    pub fn pointer(&self) -> String {
        match &self.name {
            None => self.parent.to_string(),
            Some(name) => format!("{}/{}", self.parent, name.replace('~', "~0").replace('/', "~1")),
        }
    }

    /// Adds a problem at this place.
    pub fn refuse(&self, problems: &mut Problems, detail: impl Into<String>) {
        problems.add(self.pointer(), detail);
    }

    /// Whether it is `null`, which everywhere means "not given".
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.raw.get() == "null"
    }

    /// Whether it is a string.
    #[must_use]
    pub fn is_string(&self) -> bool {
        self.raw.get().starts_with('"')
    }

    /// Bytes of its JSON text.
    #[must_use]
    pub fn size(&self) -> usize {
        self.raw.get().len()
    }

    /// Its fields, in a form that notices what nobody asked for.
    pub fn object(&self, problems: &mut Problems) -> Option<Object<'a>> {
        if !self.raw.get().starts_with('{') {
            self.refuse(problems, format!("must be an object, not {}", self.kind()));
            return None;
        }
        let parent: Rc<str> = self.pointer().into();
        let mut json = serde_json::Deserializer::from_str(self.raw.get());
        match json.deserialize_map(Entries) {
            Ok(entries) => {
                if let Some(name) = entries.repeated {
                    problems.add(format!("{parent}/{name}"), "is given twice");
                }
                Some(Object { parent, fields: entries.fields })
            }
            Err(error) => {
                self.refuse(problems, reason(&error));
                None
            }
        }
    }

    /// Its items; more than `max` is a problem, and only `max` are returned.
    pub fn list(&self, max: usize, problems: &mut Problems) -> Option<Vec<Field<'a>>> {
        if !self.raw.get().starts_with('[') {
            self.refuse(problems, format!("must be a list, not {}", self.kind()));
            return None;
        }
        let parent: Rc<str> = self.pointer().into();
        let mut json = serde_json::Deserializer::from_str(self.raw.get());
        let (items, count) = json.deserialize_seq(Items { max }).ok()?;
        if count > max {
            self.refuse(problems, format!("has {count} entries; at most {max} are allowed"));
        }
        let field = |(index, raw)| Field {
            parent: parent.clone(),
            name: Some(Cow::Owned(usize::to_string(&index))),
            raw,
        };
        Some(items.into_iter().enumerate().map(field).collect())
    }

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

    fn kind(&self) -> &'static str {
        match self.raw.get().as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }
}

/// An object being read: [`Object::take`] what is known, then [`Object::finish`] refuses the rest.
pub struct Object<'a> {
    parent: Rc<str>,
    fields: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

impl<'a> Object<'a> {
    /// The field `name`; absent and `null` are the same.
    pub fn take(&mut self, name: &str) -> Option<Field<'a>> {
        let (name, raw) = self.fields.remove_entry(name)?;
        let field = Field { parent: self.parent.clone(), name: Some(name), raw };
        if field.is_null() { None } else { Some(field) }
    }

    /// The field `name`, whose absence is a problem.
    pub fn require(&mut self, name: &str, problems: &mut Problems) -> Option<Field<'a>> {
        let field = self.take(name);
        if field.is_none() {
            problems.add(self.pointer(name), "is required");
        }
        field
    }

    /// The pointer of its field `name`, there or not.
    #[must_use]
    pub fn pointer(&self, name: &str) -> String {
        format!("{}/{name}", self.parent)
    }

    /// Whether a field is given as `null`, where that says more than its absence.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|raw| raw.get() == "null")
    }

    /// The fields that are left, by name.
    pub fn rest(&mut self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let parent = self.parent.clone();
        std::mem::take(&mut self.fields)
            .into_iter()
            .map(move |(name, raw)| Field { parent: parent.clone(), name: Some(name), raw })
    }

    /// Refuses what nobody took.
    pub fn finish(mut self, problems: &mut Problems) {
        for field in self.rest() {
            field.refuse(problems, "is not a known field");
        }
    }
}

/// Reads RFC 3339 with offset, cut to the microsecond, which is what the database keeps.
#[must_use]
pub fn parse_time(text: &str) -> Option<jiff::Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || !matches!(bytes[10], b'T' | b't') || !bytes[0].is_ascii_digit() || text.contains('[') {
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
                refuse_nul(item, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), problems);
            }
        }
        _ => {}
    }
}

/// The parser's words without its position, which counts from the start of a slice nobody sees.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.split(" at line ").next().unwrap_or_default();
    if words.contains("surrogate") || words.contains("hex escape") {
        return "is not Unicode text: it holds half of a surrogate pair".to_owned();
    }
    format!("cannot be read: {words}")
}

/// A string, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> de::Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

impl<'de> DeserializeSeed<'de> for TextVisitor {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

/// The entries of one object, values unread.
struct Entries;

struct Entry<'a> {
    fields: BTreeMap<Cow<'a, str>, &'a RawValue>,
    repeated: Option<String>,
}

impl<'de> Visitor<'de> for Entries {
    type Value = Entry<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry<'de>, A::Error> {
        let mut entry = Entry { fields: BTreeMap::new(), repeated: None };
        while let Some(name) = map.next_key_seed(TextVisitor)? {
            let raw: &'de RawValue = map.next_value()?;
            if entry.fields.len() == MAX_FIELDS {
                return Err(de::Error::custom(format!("it has more than {MAX_FIELDS} fields")));
            }
            if entry.fields.contains_key(&name) {
                entry.repeated = Some(name.into_owned());
            } else {
                entry.fields.insert(name, raw);
            }
        }
        Ok(entry)
    }
}

/// The first items of a list, unread, and how many there are.
struct Items {
    max: usize,
}

impl<'de> Visitor<'de> for Items {
    type Value = (Vec<&'de RawValue>, usize);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < self.max {
            let Some(raw) = seq.next_element::<&'de RawValue>()? else { break };
            items.push(raw);
        }
        let mut count = items.len();
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok((items, count))
    }
}
