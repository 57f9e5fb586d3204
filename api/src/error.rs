//! What a client is told when something is wrong: problem details (RFC 9457), one type for every route.

use axum::http::header::{HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use herald_shared::db;
use serde::Serialize;
use tokio_postgres::error::SqlState;

use crate::problems::{FieldProblem, Problems};

/// The closed list of problem types; `type` is `urn:herald:problem:` and the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 400: not JSON.
    MalformedBody,
    /// 401: no key, or one that is not valid.
    Unauthorized,
    /// 403: the key lacks a scope.
    Forbidden,
    /// 403: the page asks who somebody is first.
    Protected,
    /// 404: no such thing, or another tenant's.
    NotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 408: the body did not arrive in time.
    BodyTimeout,
    /// 409: a request with this Idempotency-Key is still in progress.
    InProgress,
    /// 409: another plan has this reference.
    ReferenceTaken,
    /// 409: another account has this name.
    NameTaken,
    /// 409: the account is in use.
    InUse,
    /// 409: somebody else changed it meanwhile.
    Changed,
    /// 409: the plan's state forbids it.
    PlanState,
    /// 409: the delivery is not in the state this needs.
    DeliveryState,
    /// 409: the recipient has answered already.
    Answered,
    /// 409: somebody has decided already.
    Decided,
    /// 410: the sender has withdrawn the message.
    Withdrawn,
    /// 410: the content has been erased.
    Erased,
    /// 410: the message cannot be looked at at present: its plan is in the bin, or its words are gone.
    Closed,
    /// 412: it is not as `If-Match` says any more.
    Outdated,
    /// 413: the body is over the limit.
    BodyTooLarge,
    /// 415: the body is not declared as JSON.
    NotJson,
    /// 415: the upload is declared as nothing that has rows.
    NotRows,
    /// 422: something in the request is wrong; `errors` says what.
    Validation,
    /// 422: the uploaded file cannot be read.
    Unreadable,
    /// 422: the Idempotency-Key was used for another body.
    KeyReused,
    /// 429: over the key's rate limit.
    RateLimited,
    /// 500: a fault of Herald's.
    Internal,
    /// 503: cannot be done now, the same request may work later.
    Unavailable,
}

impl Kind {
    /// All of them, in the order of their status.
    pub const ALL: [Kind; 29] = [
        Kind::MalformedBody,
        Kind::Unauthorized,
        Kind::Forbidden,
        Kind::Protected,
        Kind::NotFound,
        Kind::MethodNotAllowed,
        Kind::BodyTimeout,
        Kind::InProgress,
        Kind::ReferenceTaken,
        Kind::NameTaken,
        Kind::InUse,
        Kind::Changed,
        Kind::PlanState,
        Kind::DeliveryState,
        Kind::Answered,
        Kind::Decided,
        Kind::Withdrawn,
        Kind::Erased,
        Kind::Closed,
        Kind::Outdated,
        Kind::BodyTooLarge,
        Kind::NotJson,
        Kind::NotRows,
        Kind::Validation,
        Kind::Unreadable,
        Kind::KeyReused,
        Kind::RateLimited,
        Kind::Internal,
        Kind::Unavailable,
    ];

    /// Word, title and status.
    #[must_use]
    pub const fn describe(self) -> (&'static str, &'static str, StatusCode) {
        use StatusCode as S;
        match self {
            Kind::MalformedBody => ("malformed-body", "The body is not JSON", S::BAD_REQUEST),
            Kind::Unauthorized => ("unauthorized", "A valid API key is needed", S::UNAUTHORIZED),
            Kind::Forbidden => ("forbidden", "The API key may not do this", S::FORBIDDEN),
            Kind::Protected => ("protected", "The page asks who you are first", S::FORBIDDEN),
            Kind::NotFound => ("not-found", "There is no such thing", S::NOT_FOUND),
            Kind::MethodNotAllowed => {
                ("method-not-allowed", "This path has other methods", S::METHOD_NOT_ALLOWED)
            }
            Kind::BodyTimeout => ("body-timeout", "The body did not arrive in time", S::REQUEST_TIMEOUT),
            Kind::InProgress => ("in-progress", "The first such request is still running", S::CONFLICT),
            Kind::ReferenceTaken => ("reference-taken", "Another plan has this reference", S::CONFLICT),
            Kind::NameTaken => ("name-taken", "The name is in use", S::CONFLICT),
            Kind::InUse => ("in-use", "It is in use", S::CONFLICT),
            Kind::Changed => ("changed", "It was changed meanwhile", S::CONFLICT),
            Kind::PlanState => ("plan-state", "The plan's state forbids it", S::CONFLICT),
            Kind::DeliveryState => ("delivery-state", "The delivery's state forbids it", S::CONFLICT),
            Kind::Answered => ("answered", "The first answer stands", S::CONFLICT),
            Kind::Decided => ("decided", "The first decision stands", S::CONFLICT),
            Kind::Withdrawn => ("withdrawn", "The message was withdrawn", S::GONE),
            Kind::Erased => ("erased", "The message was erased", S::GONE),
            Kind::Closed => ("closed", "The message is not available", S::GONE),
            Kind::Outdated => ("outdated", "It was changed since it was read", S::PRECONDITION_FAILED),
            Kind::BodyTooLarge => ("body-too-large", "The body is too large", S::PAYLOAD_TOO_LARGE),
            Kind::NotJson => ("not-json", "The body must be declared as JSON", S::UNSUPPORTED_MEDIA_TYPE),
            Kind::NotRows => ("not-rows", "The upload must be a sheet or NDJSON", S::UNSUPPORTED_MEDIA_TYPE),
            Kind::Unreadable => ("unreadable-file", "The file cannot be read", S::UNPROCESSABLE_ENTITY),
            Kind::Validation => ("validation", "The request needs attention", S::UNPROCESSABLE_ENTITY),
            Kind::KeyReused => {
                ("key-reused", "The Idempotency-Key belongs to another body", S::UNPROCESSABLE_ENTITY)
            }
            Kind::RateLimited => ("rate-limited", "Too many requests with this key", S::TOO_MANY_REQUESTS),
            Kind::Internal => ("internal", "Something is wrong in Herald", S::INTERNAL_SERVER_ERROR),
            Kind::Unavailable => ("unavailable", "Not possible at this moment", S::SERVICE_UNAVAILABLE),
        }
    }
}

/// A problem on its way to the client. The outermost layer adds the request's id and writes the body.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Which of the closed list.
    pub kind: Kind,
    /// What happened and what to do next.
    pub detail: String,
    /// Place by place, for 422.
    pub errors: Vec<FieldProblem>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What handlers return.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

impl Problem {
    /// A problem without places.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Problem { kind, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// 404 for `what`, worded alike for what never existed and what belongs to another tenant.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Problem::new(Kind::NotFound, format!("No {what} of yours has this id."))
    }

    /// 401 with the challenge HTTP asks for.
    #[must_use]
    pub fn unauthorized(detail: &str) -> Self {
        Problem::new(Kind::Unauthorized, detail)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"herald\""))
    }

    /// 503: the same request may work in `seconds`.
    #[must_use]
    pub fn unavailable(detail: &str, seconds: u64) -> Self {
        Problem::new(Kind::Unavailable, detail).retry_after(seconds)
    }

    /// 422 with every place that is wrong.
    #[must_use]
    pub fn validation(problems: Problems) -> Self {
        let count = problems.count();
        let errors = problems.into_list();
        let detail = match count {
            1 => "One thing in the request is wrong; see errors.".to_owned(),
            _ if count > errors.len() => {
                format!("{count} things in the request are wrong; errors lists the first {}.", errors.len())
            }
            _ => format!("{count} things in the request are wrong; see errors."),
        };
        Problem { errors, ..Problem::new(Kind::Validation, detail) }
    }

    /// With `Retry-After`, in whole seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// With `Location`: where what is in the way can be found.
    #[must_use]
    pub fn location(self, path: &str) -> Self {
        match HeaderValue::from_str(path) {
            Ok(value) => self.header(LOCATION, value),
            Err(_) => self,
        }
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The finished answer, naming the request.
    #[must_use]
    pub fn answer(self, request_id: &str) -> Response {
        let (word, title, status) = self.kind.describe();
        let body = Body {
            r#type: format!("urn:herald:problem:{word}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            request_id,
            errors: &self.errors,
        };
        let text = serde_json::to_string(&body).expect("strings and numbers can be written as JSON");
        let mut response = (status, text).into_response();
        let headers = response.headers_mut();
        headers
            .insert(axum::http::header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers);
        response
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldProblem],
}

/// Carries the problem to the outermost layer, which knows the request's id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, _, status) = self.kind.describe();
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        if lock_timeout(&error) {
            return Problem::new(Kind::InProgress, "A request with this Idempotency-Key is still running.")
                .retry_after(1);
        }
        // Whatever would make a plan in the bin run, or one whose words are gone: the schema refuses it.
        if matches!(error.constraint(), Some("plan_binned" | "plan_erased")) {
            let detail =
                "The plan is in the bin, or what it said is gone: nothing more can be sent of it as it is.";
            return Problem::new(Kind::PlanState, detail);
        }
        // It was there when the body was read.
        if error.constraint() == Some("plan_file_file") {
            let mut problems = Problems::default();
            let detail = "names a file that was removed meanwhile: upload it again";
            problems.add("/content/attachments", detail);
            return Problem::validation(problems);
        }
        if error.is_unavailable() {
            tracing::warn!(error = error.chain(), "the database is away");
            return Problem::unavailable("The database cannot be reached; try again.", 2);
        }
        tracing::error!(error = error.chain(), "a query failed");
        Problem::new(Kind::Internal, "A fault in Herald; its log has the details under this request_id.")
    }
}

/// The only lock a request waits for is a parallel request's Idempotency-Key.
fn lock_timeout(error: &db::Error) -> bool {
    matches!(error, db::Error::Statement(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_statuses_are_errors() {
        let words: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.describe().0).collect();
        assert_eq!(words.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| kind.describe().2.as_u16() >= 400));
    }
}
