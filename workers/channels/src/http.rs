//! HTTP as drivers use it: a client whose resolver is guarded, so that the address that is checked is the one that is dialled,
//! and what its errors say.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response};
use rustls::ClientConfig;

use crate::{FieldProblem, NetPolicy, Refused, ResolveError};

/// Shorter than the 5 s after which common servers (Node) close an idle connection: fewer calls race with that.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
/// Of an answer's body; more is not read. Source: ENGINEERING F.2.
const MAX_ANSWER: usize = 64 * 1024;

/// Resolves names under a policy.
pub(crate) struct Resolver {
    net: Arc<NetPolicy>,
    only_allowed: bool,
}

impl Resolver {
    /// Gives addresses that may be called.
    pub(crate) fn public(net: Arc<NetPolicy>) -> Self {
        Resolver { net, only_allowed: false }
    }

    /// Gives only addresses that the operator's allow-list names.
    pub(crate) fn allowed(net: Arc<NetPolicy>) -> Self {
        Resolver { net, only_allowed: true }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let net = self.net.clone();
        let only_allowed = self.only_allowed;
        Box::pin(async move {
            // Port 0: reqwest puts in the URL's.
            let found = if only_allowed {
                net.resolve_allowed(name.as_str(), 0).await
            } else {
                net.resolve(name.as_str(), 0).await
            };
            Ok(Box::new(found?.into_iter()) as Addrs)
        })
    }
}

/// A client that follows no redirects, repeats nothing, and keeps `calls` connections. `timeout` bounds a whole request.
///
/// # Errors
/// In words for the account's owner.
pub(crate) fn client(
    tls: ClientConfig,
    resolver: Resolver,
    timeout: Duration,
    calls: u32,
) -> Result<Client, FieldProblem> {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(resolver))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .tcp_nodelay(true)
        .user_agent(concat!("Herald/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timeout.min(Duration::from_secs(10)) / 2)
        .timeout(timeout)
        .pool_idle_timeout(IDLE_LIMIT)
        .pool_max_idle_per_host(usize::try_from(calls.max(1)).unwrap_or(usize::MAX))
        .build()
        .map_err(|error| {
            FieldProblem::new("/settings", format!("no HTTP client can be made of them: {error}"))
        })
}

/// An answer's body as far as it is read, and whether that is all of it.
pub(crate) async fn body(response: &mut Response) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return (body, true),
            Err(_) => return (body, false),
        }
        if body.len() > MAX_ANSWER {
            return (body, false);
        }
    }
}

/// Why the guard refused, if that is what happened.
pub(crate) fn refusal(error: &(dyn Error + 'static)) -> Option<Refused> {
    chain(error).find_map(|error| match error.downcast_ref::<ResolveError>() {
        Some(ResolveError::Refused(refused)) => Some(refused.clone()),
        _ => None,
    })
}

/// The last cause says it best ("connection refused"); it does not hold the URL, as the outer ones do.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}
