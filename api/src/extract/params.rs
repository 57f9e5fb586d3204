//! Query and path parameters.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use uuid::Uuid;

use crate::cursor::Window;
use crate::error::{Kind, Problem, Result};
use crate::problems::Problems;

/// The query: take what is known, [`Params::finish`] refuses the rest. An empty value is no value.
pub struct Params {
    values: BTreeMap<String, String>,
    problems: Problems,
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let mut params = Params { values: BTreeMap::new(), problems: Problems::default() };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if value.contains('\0') {
                params.problems.parameter(&name, "must not contain NUL");
            } else if params.values.insert(name.to_string(), value.into_owned()).is_some() {
                params.problems.parameter(&name, "is given twice");
            }
        }
        Ok(params)
    }
}

impl Params {
    /// A text.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name).filter(|value| !value.is_empty())
    }

    /// A value of a type; `expected` says what would be right.
    pub fn parse<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let value = self.take(name)?;
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.problems.parameter(name, format!("must be {expected}"));
        }
        parsed
    }

    /// A point in time, RFC 3339 with offset.
    pub fn time(&mut self, name: &str) -> Option<jiff::Timestamp> {
        let value = self.take(name)?;
        let time = crate::json::parse_time(&value);
        if time.is_none() {
            let expected = "must be a time with offset, such as 2026-11-21T14:00:00Z (write + as %2B)";
            self.problems.parameter(name, expected);
        }
        time
    }

    /// `limit` and `cursor`.
    pub fn window<const N: usize>(&mut self) -> Window<N> {
        let (limit, cursor) = (self.take("limit"), self.take("cursor"));
        Window::parse(limit.as_deref(), cursor.as_deref(), &mut self.problems)
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// 422 with every parameter that is wrong.
    pub fn finish(mut self) -> Result<()> {
        for name in self.values.keys() {
            self.problems.parameter(name, "is not a known parameter");
        }
        if self.problems.is_empty() { Ok(()) } else { Err(Problem::validation(self.problems)) }
    }
}

/// The id in a path. What is not a UUID names nothing: 404.
#[derive(Debug, Clone, Copy)]
pub struct Id(pub Uuid);

impl<S: Sync + Send> FromRequestParts<S> for Id {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        let id = text.and_then(|Path(text)| Uuid::try_parse(&text).ok());
        id.map(Id).ok_or_else(|| Problem::new(Kind::NotFound, "This is no id: ids are UUIDs."))
    }
}

/// A name in a path, percent-decoded.
#[derive(Debug, Clone)]
pub struct Name(pub String);

impl<S: Sync + Send> FromRequestParts<S> for Name {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) if !name.contains('\0') => Ok(Name(name)),
            _ => {
                let mut problems = Problems::default();
                problems.parameter("owner", "must be UTF-8 text without NUL");
                Err(Problem::validation(problems))
            }
        }
    }
}
