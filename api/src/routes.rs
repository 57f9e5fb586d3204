//! Every route, in one table: method, path, the scope it needs. The OpenAPI document is tested against it.

mod accounts;
mod approvals;
mod bin;
mod control;
mod copies;
mod dead_letters;
mod deliveries;
mod drafts;
mod dry_run;
mod events;
mod exports;
mod files;
mod inbox;
mod keep;
mod keys;
mod plans;
mod policies;
mod preview;
mod qr;
mod recall;
mod recipients;
mod remind;
mod resolve;
mod settings;
mod subscriptions;
mod templates;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{HeaderValue, Method};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use herald_shared::ops::Ops;

use crate::App;
use crate::auth::{Scope, guard};
use crate::docs;
use crate::error::{Kind, Problem};
use crate::observe::observe;
use crate::pages;

/// One method of one path.
pub struct Route {
    /// HTTP method.
    pub method: Method,
    /// Path template, as in `OpenAPI`.
    pub path: &'static str,
    /// What the key must be allowed to do; `None`: open to everybody.
    pub scope: Option<Scope>,
    handler: MethodRouter<App>,
}

impl Route {
    /// A route that needs `scope`.
    fn new<H, T>(method: Method, path: &'static str, scope: Scope, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("routes use the standard methods");
        Route { method, path, scope: Some(scope), handler: on(filter, handler) }
    }

    /// A route for everybody.
    pub(crate) fn open<H, T>(path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        Route::open_to(Method::GET, path, handler)
    }

    /// A route for everybody, by another method.
    pub(crate) fn open_to<H, T>(method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("routes use the standard methods");
        Route { method, path, scope: None, handler: on(filter, handler) }
    }

    /// With another limit of the body.
    pub(crate) fn layer(self, limit: DefaultBodyLimit) -> Self {
        Route { handler: self.handler.layer(limit), ..self }
    }
}

pub(crate) use approvals::MAX_COMMENT;
/// The route whose body may take longer than any other's answer.
pub(crate) use copies::COPY;
pub(crate) use drafts::UPLOAD;
pub(crate) use plans::PLAN;
pub(crate) use recall::RECALL;
pub(crate) use recipients::mask;

/// Routes of `ops`, which are the same on every process.
pub const OPS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// All routes but [`OPS`].
#[must_use]
pub fn table() -> Vec<Route> {
    let mut table = vec![Route::open("/openapi.json", docs::openapi), Route::open("/docs", docs::page)];
    table.extend(plans::routes());
    table.extend(bin::routes());
    table.extend(control::routes());
    table.extend(qr::routes());
    table.extend(approvals::routes());
    table.extend(copies::routes());
    table.extend(recall::routes());
    table.extend(recipients::routes());
    table.extend(remind::routes());
    table.extend(drafts::routes());
    table.extend(preview::routes());
    table.extend(dry_run::routes());
    table.extend(deliveries::routes());
    table.extend(events::routes());
    table.extend(exports::routes());
    table.extend(files::routes());
    table.extend(resolve::routes());
    table.extend(dead_letters::routes());
    table.extend(accounts::routes());
    table.extend(templates::routes());
    table.extend(policies::routes());
    table.extend(inbox::routes());
    table.extend(keys::routes());
    table.extend(settings::routes());
    table.extend(subscriptions::routes());
    table.extend(pages::routes());
    table
}

/// The whole API.
pub fn router(app: App, ops: Ops) -> Router {
    let mut router = Router::new();
    for route in table() {
        let handler = match route.scope {
            Some(scope) => route.handler.route_layer(from_fn_with_state((app.clone(), scope), guard)),
            None => route.handler,
        };
        router = router.route(route.path, handler);
    }
    router
        .merge(ops.router().with_state(()))
        .fallback(async || Problem::new(Kind::NotFound, "There is no such path; see /docs."))
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

/// JSON answers by handlers that have the text already.
fn json_text(text: String) -> ([(axum::http::HeaderName, HeaderValue); 1], String) {
    ([(axum::http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text)
}
