//! Reads settings and secrets field by field, so that all problems are reported at once, each with its pointer.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::FieldProblem;

/// One JSON object being read. What was never asked for is unknown, and a problem.
pub(crate) struct Fields<'a> {
    base: &'static str,
    object: Option<&'a Map<String, Value>>,
    asked: Vec<&'static str>,
    problems: Vec<FieldProblem>,
}

impl<'a> Fields<'a> {
    /// Starts reading `value` at pointer `base` (`/settings` or `/secret`). `null` reads like an empty object.
    pub(crate) fn new(base: &'static str, value: &'a Value) -> Self {
        let mut fields = Fields { base, object: value.as_object(), asked: Vec::new(), problems: Vec::new() };
        if !(value.is_object() || value.is_null()) {
            fields.problems.push(FieldProblem::new(base, "must be an object"));
        }
        fields
    }

    /// Reports a problem of one field.
    pub(crate) fn problem(&mut self, name: &str, detail: impl Into<String>) {
        self.problems.push(FieldProblem::new(&format!("{}/{name}", self.base), detail));
    }

    /// A text that must be there; empty when it is not (then reported).
    pub(crate) fn text(&mut self, name: &'static str) -> &'a str {
        if let Some(text) = self.optional_text(name) {
            return text;
        }
        if self.get(name).is_none() {
            self.problem(name, "is required");
        }
        ""
    }

    /// A text that may be missing or null. Control characters are refused, except in PEM (see [`Fields::pem`]).
    pub(crate) fn optional_text(&mut self, name: &'static str) -> Option<&'a str> {
        let text = self.string(name)?;
        if text.is_empty() || !crate::wording::is_clean(text) {
            self.problem(name, "must be text of at least one character without control characters");
            return None;
        }
        Some(text)
    }

    /// A text with line breaks.
    pub(crate) fn pem(&mut self, name: &'static str) -> Option<&'a str> {
        self.string(name)
    }

    /// A whole number within `range`; `None` when missing or wrong (then reported).
    pub(crate) fn integer(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.get(name)?;
        let number = value.as_u64().filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(name, format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// Ends the reading: everything that was wrong, unknown fields included.
    pub(crate) fn finish(mut self) -> Vec<FieldProblem> {
        for (name, _) in self.object.into_iter().flatten() {
            if !self.asked.contains(&name.as_str()) {
                let pointer = format!("{}/{}", self.base, name.replace('~', "~0").replace('/', "~1"));
                let detail = format!("is not a field here; known: {}", self.known());
                self.problems.push(FieldProblem { pointer, detail });
            }
        }
        self.problems
    }

    fn known(&self) -> String {
        if self.asked.is_empty() { "none".to_owned() } else { self.asked.join(", ") }
    }

    fn string(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.get(name)?;
        let text = value.as_str();
        if text.is_none() {
            self.problem(name, "must be text");
        }
        text
    }

    fn get(&mut self, name: &'static str) -> Option<&'a Value> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        self.object?.get(name).filter(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_problems_are_reported_with_their_pointers() {
        let value = json!({"port": 0, "host": 5, "a/b": 1, "nul": "x\u{0}"});
        let mut fields = Fields::new("/settings", &value);
        fields.text("host");
        fields.text("from");
        fields.optional_text("nul");
        fields.integer("port", 1..=65535);
        let mut pointers: Vec<String> = fields.finish().into_iter().map(|p| p.pointer).collect();
        pointers.sort();
        assert_eq!(
            pointers,
            ["/settings/a~1b", "/settings/from", "/settings/host", "/settings/nul", "/settings/port"]
        );
    }

    #[test]
    fn an_array_is_not_settings() {
        assert_eq!(Fields::new("/secret", &json!([])).finish()[0].pointer, "/secret");
    }
}
