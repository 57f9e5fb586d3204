//! Signed calls that tell a tenant's own systems of events: the webhook driver's signature, guard and clients, without an account.

use std::sync::Arc;
use std::time::Duration;

use herald_shared::clock;
use reqwest::Client;
use url::Url;
use uuid::Uuid;

use crate::http::{self, Resolver};
use crate::webhook::{Key, of_error, of_status, signatures};
use crate::{FieldProblem, NetPolicy, tls};

/// Longest time of a call, connecting and answering together.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What makes the calls; cheap to clone.
#[derive(Clone)]
pub struct Hooks {
    secure: Client,
    clear: Client,
    net: Arc<NetPolicy>,
}

/// Why a call was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    /// Closed list, for counting: `refused` (an answer that is not 2xx), `no_answer`, `target_refused` (by the guard).
    pub outcome: &'static str,
    /// In words, for the subscription's owner.
    pub reason: String,
    /// When the receiver wants to be called again.
    pub retry_after: Option<Duration>,
    /// It wants no calls any more (410).
    pub is_gone: bool,
}

impl Hooks {
    /// Clients that follow no redirects and keep `calls` connections to a receiver.
    ///
    /// # Errors
    /// When the system has no certificate authorities.
    pub fn new(net: Arc<NetPolicy>, calls: u32) -> Result<Self, FieldProblem> {
        let tls = tls::client(None).map_err(|detail| FieldProblem::new("/url", detail))?;
        let build = |resolver| http::client(tls.clone(), resolver, TIMEOUT, calls);
        Ok(Hooks {
            secure: build(Resolver::public(net.clone()))?,
            clear: build(Resolver::allowed(net.clone()))?,
            net,
        })
    }

    /// Makes one call, signed with `secret` (`whsec_...`). 2xx is taken.
    ///
    /// # Errors
    /// Why it was not; it may have arrived all the same.
    pub async fn call(&self, url: &str, secret: &str, id: Uuid, body: Vec<u8>) -> Result<(), NotTaken> {
        let refused = |reason: String| NotTaken {
            outcome: "target_refused",
            reason,
            retry_after: None,
            is_gone: false,
        };
        let url = Url::parse(url).map_err(|error| refused(format!("the URL cannot be read: {error}")))?;
        self.net.check_literal(&url).map_err(|why| refused(why.to_string()))?;
        let key = Key::parse(secret).map_err(|why| refused(why.to_owned()))?;
        let now = u64::try_from(clock::now().as_second()).unwrap_or_default();
        let id = id.to_string();
        let client = if url.scheme() == "https" { &self.secure } else { &self.clear };
        let answer = client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-signature", signatures(&[key], &id, now, &body))
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .body(body)
            .send()
            .await;
        match answer {
            Ok(mut response) => {
                let (words, _) = http::body(&mut response).await;
                let status = response.status().as_u16();
                let failure = of_status(status, response.headers(), &words, clock::now());
                failure.map_or(Ok(()), |failure| {
                    Err(NotTaken {
                        outcome: "refused",
                        reason: format!("{}: {}", failure.code, failure.detail),
                        retry_after: failure.retry_after,
                        is_gone: status == 410,
                    })
                })
            }
            Err(error) => {
                let failure = of_error(&error);
                let outcome = if failure.code == "target_refused" { "target_refused" } else { "no_answer" };
                Err(NotTaken { outcome, reason: failure.detail, retry_after: None, is_gone: false })
            }
        }
    }
}
