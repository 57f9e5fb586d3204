//! Idempotency of the routes that write by themselves (plans keep theirs while they are accepted).
//!
//! Kept answers may show a key once, so they are sealed like every secret; replays open them.

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deadpool_postgres::{GenericClient, Transaction};
use herald_shared::db;
use herald_shared::db::idempotency::{self, Kept as Row, Scope};

use super::json_text;
use super::plans::{key_reused, replayed};
use crate::auth::CallerRef;
use crate::error::{Kind, Problem, Result};
use crate::json::Document;
use crate::{App, digest};

/// One request's Idempotency-Key; without one nothing is kept.
pub(super) struct Keep {
    key_id: i64,
    route: &'static str,
    key: Option<(String, [u8; 32])>,
}

/// Whether the key was free.
pub(super) enum Kept {
    /// The work is still to be done.
    Not,
    /// It was done; this is the answer.
    Already(Result<Response>),
}

impl Keep {
    pub(super) fn new(
        caller: &CallerRef,
        route: &'static str,
        key: Option<String>,
        document: &Document<'_>,
    ) -> Self {
        let key = key.map(|key| (key, digest::of(document.text())));
        Keep { key_id: caller.key_id, route, key }
    }

    /// The first answer, if there was one. Ask before anything slow is done.
    pub(super) async fn find(&self, app: &App) -> Result<Option<Result<Response>>> {
        let Some((scope, hash)) = self.scope() else { return Ok(None) };
        let row = idempotency::find(&app.db().await?, scope).await?;
        Ok(row.map(|row| self.repeat(app, hash, row)))
    }

    /// Takes the key in the transaction that does the work; waits for a parallel request with the same key.
    pub(super) async fn reserve(&self, app: &App, db: &impl GenericClient) -> Result<Kept> {
        let Some((scope, hash)) = self.scope() else { return Ok(Kept::Not) };
        if idempotency::reserve(db, scope, hash).await? {
            return Ok(Kept::Not);
        }
        let row = idempotency::find(db, scope).await?;
        let row = row.ok_or_else(|| Problem::new(Kind::InProgress, "Try again.").retry_after(1))?;
        Ok(Kept::Already(self.repeat(app, hash, row)))
    }

    /// Keeps the answer.
    pub(super) async fn complete(
        &self,
        app: &App,
        db: &impl GenericClient,
        status: i16,
        location: Option<&str>,
        body: &str,
    ) -> Result<()> {
        let Some((scope, _)) = self.scope() else { return Ok(()) };
        let sealed = STANDARD.encode(app.ring.seal(body.as_bytes(), &self.aad()));
        idempotency::complete(db, scope, (status, location, &sealed)).await?;
        Ok(())
    }

    /// The 201 of what was made in `transaction`: kept and committed with it.
    pub(super) async fn created(
        &self,
        app: &App,
        transaction: Transaction<'_>,
        location: &str,
        body: String,
    ) -> Result<Response> {
        self.complete(app, &transaction, 201, Some(location), &body).await?;
        transaction.commit().await.map_err(db::Error::from)?;
        let location = HeaderValue::from_str(location).expect("a path with a UUID is a header value");
        Ok((StatusCode::CREATED, [(LOCATION, location)], json_text(body)).into_response())
    }

    fn repeat(&self, app: &App, hash: &[u8; 32], row: Row) -> Result<Response> {
        if row.hash != hash {
            return Err(key_reused());
        }
        let sealed = STANDARD.decode(&row.body).ok();
        let plain = sealed.and_then(|sealed| app.ring.open(&sealed, &self.aad()).ok());
        let body = plain.and_then(|plain| String::from_utf8(plain).ok());
        // Only after the master key was changed and the old one taken away within the 24 h.
        let body = body.ok_or_else(key_reused)?;
        replayed(row.status, row.location.as_deref(), body)
    }

    fn scope(&self) -> Option<(Scope<'_>, &[u8; 32])> {
        let (key, hash) = self.key.as_ref()?;
        Some((Scope { api_key_id: self.key_id, route: self.route, key }, hash))
    }

    fn aad(&self) -> String {
        let key = self.key.as_ref().map_or("", |(key, _)| key);
        format!("idempotency|{}|{}|{key}", self.key_id, self.route)
    }
}
