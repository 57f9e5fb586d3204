//! The layer in front of every protected route: key, scope, rate.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, EXPECT};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use herald_shared::db::keys::Holder;
use uuid::Uuid;

use super::key::Secret;
use super::scope::Scope;
use crate::App;
use crate::error::{Kind, Problem, Result};
use crate::extract::drain;

/// Whoever sent a request, known by their key.
#[derive(Debug)]
pub struct Caller {
    /// Internal id of the key.
    pub key_id: i64,
    /// The tenant everything is scoped by.
    pub tenant_id: i64,
    /// The tenant's public id, for logs.
    pub tenant_uid: Uuid,
    /// What the key may do.
    pub scopes: Vec<Scope>,
    /// Requests a second.
    pub rate_per_second: u32,
}

impl From<Holder> for Caller {
    fn from(holder: Holder) -> Self {
        Caller {
            key_id: holder.key_id,
            tenant_id: holder.tenant_id,
            tenant_uid: holder.tenant_uid,
            // A scope this build does not know gives nothing.
            scopes: holder.scopes.iter().filter_map(|word| word.parse().ok()).collect(),
            rate_per_second: holder.rate_per_second.unsigned_abs(),
        }
    }
}

/// Lets a request through to a route that needs `scope`; the [`Caller`] travels in its extensions.
pub async fn guard(State((app, scope)): State<(App, Scope)>, mut request: Request, next: Next) -> Response {
    match admit(&app, scope, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => {
            if !request.headers().contains_key(EXPECT) {
                drain(request.into_body().into_data_stream()).await;
            }
            problem.into_response()
        }
    }
}

async fn admit(app: &App, scope: Scope, headers: &HeaderMap) -> Result<Arc<Caller>> {
    let header = headers
        .get(AUTHORIZATION)
        .ok_or_else(|| Problem::unauthorized("Send your API key: Authorization: Bearer hk_..."))?;
    let secret = header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .and_then(|(_, key)| Secret::parse(key.trim()))
        .ok_or_else(|| Problem::unauthorized("This is no API key: send Authorization: Bearer hk_..."))?;
    let caller = app
        .keys
        .find(app, &secret)
        .await?
        .ok_or_else(|| Problem::unauthorized("This API key is not known or was revoked."))?;
    tracing::Span::current().record("tenant", tracing::field::display(caller.tenant_uid));
    app.limiters.take(caller.key_id, caller.rate_per_second).map_err(|wait| {
        let seconds = wait.as_secs() + 1;
        let detail = format!("This key may make {} requests a second.", caller.rate_per_second);
        Problem::new(Kind::RateLimited, detail).retry_after(seconds)
    })?;
    if !caller.scopes.contains(&scope) {
        let detail = format!("This key lacks the scope {scope}: use a key that has it.");
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    Ok(caller)
}

/// Set by [`guard`]; missing only where a route was wired without it.
impl<S: Sync> FromRequestParts<S> for CallerRef {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get::<Arc<Caller>>().cloned().map(CallerRef).ok_or_else(|| {
            tracing::error!("a protected handler runs without its guard");
            Problem::new(Kind::Internal, "A fault in Herald: this route is not wired.")
        })
    }
}

/// The caller as handlers take it.
#[derive(Debug, Clone)]
pub struct CallerRef(pub Arc<Caller>);

impl std::ops::Deref for CallerRef {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.0
    }
}
