//! Reading request bodies: every problem at once, each with its JSON pointer, in memory bounded by the body itself.
//!
//! A body is cut into raw slices level by level (`RawValue` borrows from it): nothing is built for what is not looked
//! at, and a wrong type in one field does not hide the next. A syntax error anywhere is found by [`Document::parse`],
//! so what is read afterwards can only have the wrong shape. Every list, object and free value has a bound, because
//! parsed JSON may be 16 times its text (`[1,1,1,...]`).

mod object;
mod raw;
mod values;

use std::borrow::Cow;
use std::rc::Rc;

use serde::Deserializer;
use serde_json::value::RawValue;

pub use self::object::Object;
use self::raw::{Entries, Items};
pub use self::values::{is_line_breaking, parse_local, parse_time};
use crate::problems::Problems;

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
            Some(name) => format!("{}/{}", self.parent, escape(name)),
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
                    problems.add(format!("{parent}/{}", escape(&name)), "is given twice");
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

/// The parser's words without its position, which counts from the start of a slice nobody sees.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.split(" at line ").next().unwrap_or_default();
    if words.contains("surrogate") || words.contains("hex escape") {
        return "is not Unicode text: it holds half of a surrogate pair".to_owned();
    }
    format!("cannot be read: {words}")
}

/// A field's name as part of a JSON pointer.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
