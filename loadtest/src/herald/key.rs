//! A key for one measurement that is not held back by the rate of the given one.

use anyhow::Context;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::Herald;

/// More requests a second than a machine that also runs Herald can make; the highest the API allows.
const RATE: u32 = 100_000;

/// A key made for one measurement.
pub(crate) struct FastKey {
    owner: Herald,
    id: String,
}

#[derive(Deserialize)]
struct Fresh {
    id: String,
    key: String,
}

impl Herald {
    /// The same Herald with a fresh key of a high rate; it must be revoked at the end.
    ///
    /// # Errors
    ///
    /// The given key may not make keys.
    pub(crate) async fn with_fast_key(&self) -> anyhow::Result<(Self, FastKey)> {
        let wanted = json!({
            "name": format!("loadtest {:08x}", fastrand::u32(..)),
            "scopes": ["plans:read", "plans:write", "inbox:read"], "rate_per_second": RATE,
        });
        let fresh: Fresh = self
            .call(Method::POST, "/v1/keys", Some(&wanted))
            .await
            .context("cannot make a key with a higher rate: HERALD_API_KEY needs the scope keys:write")?;
        let herald = Self { key: fresh.key, ..self.clone() };
        Ok((herald, FastKey { owner: self.clone(), id: fresh.id }))
    }
}

impl FastKey {
    /// Ends its life.
    pub(crate) async fn revoke(self) -> anyhow::Result<()> {
        self.owner.expect(Method::DELETE, &format!("/v1/keys/{}", self.id), None).await?;
        Ok(())
    }
}
