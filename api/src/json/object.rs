//! Reading an object field by field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::value::RawValue;

use super::Field;
use crate::problems::Problems;

/// An object being read: [`Object::take`] what is known, then [`Object::finish`] refuses the rest.
pub struct Object<'a> {
    pub(super) parent: Rc<str>,
    pub(super) fields: BTreeMap<Cow<'a, str>, &'a RawValue>,
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

    /// Whether the field `name` is given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|raw| raw.get() != "null")
    }

    /// Gives it a field from elsewhere.
    pub fn put(&mut self, name: &'a str, raw: &'a RawValue) {
        self.fields.insert(Cow::Borrowed(name), raw);
    }

    /// Whether a field is given as `null`, where that says more than its absence.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|raw| raw.get() == "null")
    }

    /// The fields that are left, by name.
    pub fn rest(&mut self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let parent = self.parent.clone();
        std::mem::take(&mut self.fields).into_iter().map(move |(name, raw)| Field {
            parent: parent.clone(),
            name: Some(name),
            raw,
        })
    }

    /// Refuses what nobody took.
    pub fn finish(mut self, problems: &mut Problems) {
        for field in self.rest() {
            field.refuse(problems, "is not a known field");
        }
    }
}
