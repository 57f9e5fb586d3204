//! `/healthz`, `/readyz` and `/metrics`, served by every process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use deadpool_postgres::Pool;
use prometheus::{Encoder as _, Registry, TextEncoder};
use serde_json::{Value, json};

use crate::db::{self, Client};

/// How long a dependency may take to answer.
const CHECKED: Duration = Duration::from_secs(4);

/// Asks one dependency; `Err` holds a sentence for the operator.
pub type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What a process tells about itself.
#[derive(Clone)]
pub struct Ops {
    /// Its metrics.
    pub registry: Registry,
    /// Its dependencies: name, whether it is ready without it, how to ask.
    pub checks: Vec<(&'static str, Needed, Check)>,
}

/// Whether a process can do its work without a dependency.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// Without it `/readyz` answers 503.
    Required,
    /// Reported only.
    Optional,
}

impl Ops {
    /// A registry with the process's own metrics (CPU, memory, files) and `herald_build_info`.
    ///
    /// # Panics
    /// Never: the names are fixed and registered once.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let process = prometheus::process_collector::ProcessCollector::for_self();
        registry.register(Box::new(process)).expect("registered once");
        let build = prometheus::IntGaugeVec::new(
            prometheus::Opts::new("herald_build_info", "Constant 1; the labels say which build runs."),
            &["version", "commit"],
        )
        .expect("fixed names are valid");
        let commit = option_env!("HERALD_COMMIT").unwrap_or("unknown");
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), commit]).set(1);
        registry.register(Box::new(build)).expect("registered once");
        Ops { registry, checks: Vec::new() }
    }

    /// Adds a dependency.
    #[must_use]
    pub fn check(mut self, name: &'static str, needed: Needed, check: Check) -> Self {
        self.checks.push((name, needed, check));
        self
    }

    /// Adds the database: a connection can be had and every migration of this build is applied.
    #[must_use]
    pub fn database(self, pool: Pool) -> Self {
        let check: Check = Arc::new(move || {
            let pool = pool.clone();
            Box::pin(async move {
                let look = async |client: &mut Client| db::migrate::is_current(client).await;
                match db::ask(&pool, CHECKED, look).await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err("is not migrated: run herald-api migrate".to_owned()),
                    Err(db::Error::Pool(_)) => Err("cannot be reached".to_owned()),
                    Err(_) => Err("does not answer".to_owned()),
                }
            })
        });
        self.check("database", Needed::Required, check)
    }

    /// The three routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(Arc::new(self))
    }
}

impl Default for Ops {
    fn default() -> Self {
        Self::new()
    }
}

async fn ready(State(ops): State<Arc<Ops>>) -> Response {
    let mut answer = serde_json::Map::new();
    let mut all = true;
    for (name, needed, check) in &ops.checks {
        let result = tokio::time::timeout(CHECKED, check()).await;
        let (ok, words) = match result {
            Ok(Ok(())) => (true, "ok".to_owned()),
            Ok(Err(words)) => (false, words),
            Err(_) => (false, "does not answer within 4 s".to_owned()),
        };
        all &= ok || *needed == Needed::Optional;
        answer.insert((*name).to_owned(), Value::String(words));
    }
    let status = if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": all, "dependencies": answer }))).into_response()
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&ops.registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
