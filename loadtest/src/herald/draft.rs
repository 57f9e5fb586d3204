//! Large audiences: a draft, people streamed into it, and the orders to a plan on its way.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::{Body, Method, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Herald, Plan, shortened};

/// The API's own limit for one upload.
const UPLOAD_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// The answer to an upload.
#[derive(Debug, Deserialize)]
struct Uploaded {
    added: u64,
    refused: u64,
    errors: Vec<Value>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

impl Herald {
    /// A draft of `plan`; its id.
    pub(crate) async fn draft(&self, mut plan: Value) -> anyhow::Result<String> {
        plan["draft"] = json!(true);
        let made: Id = self.call(Method::POST, "/v1/plans", Some(&plan)).await?;
        Ok(made.id)
    }

    /// Streams `people` lines of CSV into a draft.
    ///
    /// # Errors
    ///
    /// Some were not taken.
    pub(crate) async fn upload(&self, plan: &str, csv: Body, people: u64) -> anyhow::Result<()> {
        let path = format!("/v1/plans/{plan}/recipients");
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.key);
        let request = request.timeout(UPLOAD_DEADLINE).header(header::CONTENT_TYPE, "text/csv").body(csv);
        let answer = request.send().await.with_context(|| format!("POST {path}"))?;
        let status = answer.status();
        let text = answer.bytes().await.with_context(|| format!("reading the answer to POST {path}"))?;
        if !status.is_success() {
            bail!("POST {path} answered {status}: {}", shortened(&text));
        }
        let uploaded: Uploaded = serde_json::from_slice(&text).context("the answer to the upload")?;
        ensure!(
            uploaded.added == people,
            "{} of {people} rows were taken, {} refused: {:?}",
            uploaded.added,
            uploaded.refused,
            uploaded.errors.first()
        );
        Ok(())
    }

    /// `send`, `pause`, `resume`, `recall` or `stop`.
    pub(crate) async fn order(&self, plan: &str, order: &str) -> anyhow::Result<Plan> {
        self.call(Method::POST, &format!("/v1/plans/{plan}/{order}"), None).await
    }
}
