//! What is wrong with a request, place by place, collected while reading so that a caller gets all of it at once.

use serde::Serialize;

/// Most problems one answer lists; who sends 10,000 bad addresses learns from the first hundred.
pub const MAX_PROBLEMS: usize = 100;

/// Where in the request something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// JSON pointer (RFC 6901) into the body.
    Pointer(String),
    /// Name of a query or path parameter.
    Parameter(String),
    /// Name of a header.
    Header(String),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What, and what to do about it. Never repeats addresses or secrets.
    pub detail: String,
}

/// Problems found so far: at most [`MAX_PROBLEMS`] are kept, all are counted.
#[derive(Debug, Default)]
pub struct Problems {
    list: Vec<FieldProblem>,
    count: usize,
}

impl Problems {
    /// Adds a problem of the body.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.push(Place::Pointer(pointer.into()), detail.into());
    }

    /// Adds a problem of a query or path parameter.
    pub fn parameter(&mut self, name: &str, detail: impl Into<String>) {
        self.push(Place::Parameter(name.to_owned()), detail.into());
    }

    /// Adds a problem of a header.
    pub fn header(&mut self, name: &str, detail: impl Into<String>) {
        self.push(Place::Header(name.to_owned()), detail.into());
    }

    /// Moves what was found in these fields of the body below another place: they were taken from there.
    pub fn below(&mut self, place: &str, fields: &[&str]) {
        for problem in &mut self.list {
            let Place::Pointer(pointer) = &mut problem.place else { continue };
            let first = pointer.split('/').nth(1).unwrap_or_default();
            if fields.contains(&first) {
                *pointer = format!("{place}{pointer}");
            }
        }
    }

    /// Adds what was found elsewhere.
    pub fn append(&mut self, others: Problems) {
        let unlisted = others.count - others.list.len();
        others.list.into_iter().for_each(|problem| self.push(problem.place, problem.detail));
        self.count += unlisted;
    }

    fn push(&mut self, place: Place, detail: String) {
        self.count += 1;
        if self.list.len() < MAX_PROBLEMS {
            self.list.push(FieldProblem { place, detail });
        }
    }

    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many there are, listed or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Those that are listed.
    #[must_use]
    pub fn into_list(self) -> Vec<FieldProblem> {
        self.list
    }
}
