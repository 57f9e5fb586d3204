//! Signed HTTP calls to the recipient's URL (Standard Webhooks).
//!
//! One call: `body` serialises once, `sign` signs that buffer, reqwest posts it, `answer` says what came of it.
//! The guard sits in the resolver that the connector dials from (`crate::http`), literals are checked before. Two clients
//! per account: one for `https://`, one for `http://`, whose resolver gives only addresses the allow-list names.
//!
//! The gate is entered before reqwest is asked, so also before it may have to connect: reqwest owns its connections. A
//! failure to connect is still told apart (nothing was sent); only a worker killed in that moment leaves an unknown.

mod answer;
mod body;
mod settings;
mod sign;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_shared::clock;
use herald_shared::domain::{Channel, Class, Failure, Reason, Verdict};
use reqwest::{Client, Response};
use url::Url;
use uuid::Uuid;

pub(crate) use self::answer::{of_error, of_status};
use self::settings::Settings;
pub(crate) use self::sign::{Key, signatures};
use crate::http::{self, Resolver};
use crate::{Account, Call, Deps, Driver, FieldProblem, Gate, NetPolicy, Proves, Provider, Spec, Target};

/// The deadline is the longest `timeout_ms` and a little for what surrounds the call.
static SPEC: Spec = Spec {
    provider: "webhook",
    channel: Channel::Webhook,
    batch: 1,
    personal: 1,
    concurrency: 64,
    deadline: Duration::from_secs(65),
    proves: Proves::Sent,
    one_provider: false,
    per_recipient: &[],
    recall: None,
};

/// The provider `webhook`.
pub(crate) struct Webhook;

impl Provider for Webhook {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, account: &Account, _net: &NetPolicy) -> Vec<FieldProblem> {
        Settings::read(account).err().unwrap_or_default()
    }

    fn open(&self, account: Account, deps: &Deps) -> Result<Arc<dyn Driver>, FieldProblem> {
        let settings = Settings::read(&account).map_err(|mut problems| problems.swap_remove(0))?;
        let calls = account.concurrency.unwrap_or(SPEC.concurrency);
        let build = |resolver| http::client(settings.tls_client.clone(), resolver, settings.timeout, calls);
        Ok(Arc::new(WebhookDriver {
            secure: build(Resolver::public(deps.net.clone()))?,
            clear: build(Resolver::allowed(deps.net.clone()))?,
            net: deps.net.clone(),
            settings,
        }))
    }
}

struct WebhookDriver {
    settings: Settings,
    net: Arc<NetPolicy>,
    secure: Client,
    clear: Client,
}

#[async_trait]
impl Driver for WebhookDriver {
    /// Nothing to ask: the target is each recipient's own.
    async fn verify(&self) -> Result<(), FieldProblem> {
        Ok(())
    }

    async fn send(&self, call: &Call, gate: &dyn Gate) -> Verdict {
        let Some(target) = call.to.first() else {
            return Verdict::Failed(permanent("call", "the call has no recipient", Reason::Rejected));
        };
        let prepared = self.prepare(call, target);
        let (url, id, body) = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => return Verdict::Failed(failure),
        };
        if !gate.enter().await {
            return Verdict::NotStarted;
        }
        match self.post(url, id, body).await {
            Ok(response) => conclude(response).await,
            Err(error) => Verdict::Failed(answer::of_error(&error)),
        }
    }
}

impl WebhookDriver {
    fn prepare(&self, call: &Call, target: &Target) -> Result<(Url, Uuid, Vec<u8>), Failure> {
        let url = Url::parse(&target.address)
            .map_err(|error| permanent("url", &format!("is not a URL: {error}"), Reason::InvalidAddress))?;
        self.net
            .check_literal(&url)
            .map_err(|refused| permanent("target_refused", &refused.to_string(), Reason::TargetRefused))?;
        let body = body::serialise(call, target, clock::now()).map_err(|detail| Failure {
            class: Class::PermanentRequest,
            ..permanent("content", &detail, Reason::Rejected)
        })?;
        Ok((url, call.delivery(target), body))
    }

    async fn post(&self, url: Url, id: Uuid, body: Vec<u8>) -> reqwest::Result<Response> {
        let now = u64::try_from(clock::now().as_second()).unwrap_or_default();
        let id = id.to_string();
        let signature = sign::signatures(&self.settings.keys, &id, now, &body);
        let client = if url.scheme() == "https" { &self.secure } else { &self.clear };
        client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await
    }
}

/// The status decides; the body is only read for its words, and so that the connection can be used again.
async fn conclude(mut response: Response) -> Verdict {
    let (body, _) = http::body(&mut response).await;
    match answer::of_status(response.status().as_u16(), response.headers(), &body, clock::now()) {
        None => Verdict::sent(None),
        Some(failure) => Verdict::Failed(failure),
    }
}

fn permanent(code: &str, detail: &str, reason: Reason) -> Failure {
    answer::failure(Class::PermanentRecipient, code, detail, reason)
}
