//! A client of Herald's public HTTP contract (HTTP_API.md), as small as the measurements need.

pub(crate) mod account;
mod draft;
pub(crate) mod finished;
mod key;
mod tenant;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::env::Env;

/// No call of this contract takes longer; `POST` of 10,000 recipients included.
const DEADLINE: Duration = Duration::from_secs(60);

/// One keep-alive connection pool to one Herald, with one API key.
#[derive(Clone)]
pub(crate) struct Herald {
    http: reqwest::Client,
    base: String,
    key: String,
}

/// What became of a `POST /v1/plans`.
#[derive(Debug)]
pub(crate) enum Posted {
    /// 202; the plan's id.
    Accepted(String),
    /// 429: over the key's rate; come back after so long.
    Throttled(Duration),
}

/// The parts of a plan that are looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) deliveries: Deliveries,
    #[serde(default)]
    pub(crate) recipients: People,
}

/// Counts of people by result.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct People {
    /// Without a result yet.
    pub(crate) pending: u64,
}

/// Counts by status.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Deliveries {
    pub(crate) total: u64,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    #[serde(default)]
    pending: u64,
    #[serde(default)]
    queued: u64,
    #[serde(default)]
    sending: u64,
}

impl Deliveries {
    /// Those without an outcome.
    pub(crate) fn open(&self) -> u64 {
        self.pending + self.queued + self.sending
    }
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where the next page starts; a page may be empty and not the last.
    pub(crate) next_cursor: Option<String>,
}

impl Herald {
    /// From `HERALD_URL` and `HERALD_API_KEY`.
    pub(crate) fn open(env: &Env) -> anyhow::Result<Self> {
        let base = env.required("HERALD_URL")?.trim_end_matches('/').to_owned();
        let http = crate::servers::http(DEADLINE)?;
        Ok(Self { http, base, key: env.required("HERALD_API_KEY")? })
    }

    /// Accepts a plan under a fresh Idempotency-Key.
    pub(crate) async fn post_plan(&self, body: Vec<u8>) -> anyhow::Result<Posted> {
        let answer = self.send(Method::POST, "/v1/plans", Some(body)).await?;
        let (status, retry) = (answer.status(), retry_after(&answer));
        let text = answer.bytes().await.context("reading the answer to POST /v1/plans")?;
        match status {
            StatusCode::ACCEPTED => {
                #[derive(Deserialize)]
                struct Id {
                    id: String,
                }
                let plan: Id = serde_json::from_slice(&text).context("POST /v1/plans: 202 without an id")?;
                Ok(Posted::Accepted(plan.id))
            }
            StatusCode::TOO_MANY_REQUESTS => Ok(Posted::Throttled(retry)),
            other => bail!("POST /v1/plans answered {other}: {}", shortened(&text)),
        }
    }

    /// The same; a throttle is an error.
    pub(crate) async fn accept_plan(&self, body: Vec<u8>) -> anyhow::Result<String> {
        match self.post_plan(body).await? {
            Posted::Accepted(id) => Ok(id),
            Posted::Throttled(_) => bail!(
                "POST /v1/plans answered 429: the rate is above the key's; use a key with a higher rate_per_second"
            ),
        }
    }

    pub(crate) async fn plan(&self, id: &str) -> anyhow::Result<Plan> {
        self.call(Method::GET, &format!("/v1/plans/{id}"), None).await
    }

    /// Id of the newest message of an inbox.
    pub(crate) async fn inbox(&self, path: &str) -> anyhow::Result<Option<String>> {
        #[derive(Deserialize)]
        struct Message {
            id: String,
        }
        let page: Page<Message> = self.call(Method::GET, &format!("{path}?limit=1"), None).await?;
        Ok(page.items.into_iter().next().map(|message| message.id))
    }

    /// Confirms that somebody has read a message.
    pub(crate) async fn read(&self, path: &str) -> anyhow::Result<()> {
        self.expect(Method::POST, path, None).await.map(drop)
    }

    /// Sends and expects 2xx with JSON.
    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<T> {
        let body = body.map(serde_json::to_vec).transpose()?;
        let text = self.expect(method.clone(), path, body).await?;
        serde_json::from_slice(&text).with_context(|| format!("{method} {path}: {}", shortened(&text)))
    }

    /// Sends and expects 2xx.
    async fn expect(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> anyhow::Result<Vec<u8>> {
        let answer = self.send(method.clone(), path, body).await?;
        let status = answer.status();
        let text = answer.bytes().await.with_context(|| format!("reading the answer to {method} {path}"))?;
        if !status.is_success() {
            bail!("{method} {path} answered {status}: {}", shortened(&text));
        }
        Ok(text.to_vec())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> anyhow::Result<reqwest::Response> {
        let mut request =
            self.http.request(method.clone(), format!("{}{path}", self.base)).bearer_auth(&self.key);
        if method == Method::POST {
            request = request.header("idempotency-key", uuid::Uuid::now_v7().to_string());
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        request.send().await.with_context(|| format!("{method} {path} at HERALD_URL {}", self.base))
    }
}

fn retry_after(answer: &reqwest::Response) -> Duration {
    let value = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    Duration::from_secs(value.and_then(|seconds| seconds.parse().ok()).unwrap_or(1))
}

/// An answer's body for a message to people.
fn shortened(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(500).collect()
}

/// A text of some 300 letters that is never the same.
pub(crate) fn text() -> String {
    let mut text = String::with_capacity(320);
    while text.len() < 300 {
        // Writing to a String cannot fail.
        let _written: std::fmt::Result = write!(text, "{:016x} ", fastrand::u64(..));
    }
    text
}
