//! An account of the measurement's own, and other accounts of its channel out of the way.

use std::time::Duration;

use anyhow::ensure;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Herald, Page};
use crate::interrupt::interruptible;

#[derive(Clone, Debug, Deserialize)]
struct Account {
    id: String,
    name: String,
    channel: String,
    enabled: bool,
}

/// An account made for one measurement.
pub(crate) struct Borrowed {
    herald: Herald,
    id: String,
    set_aside: Vec<Account>,
}

impl Borrowed {
    /// Makes an account of `channel` and `provider`.
    ///
    /// # Errors
    ///
    /// The tenant has another enabled account of that channel, which would take a share of the load, and `set_aside`
    /// does not allow to disable it for the time being.
    pub(crate) async fn create(
        herald: &Herald,
        channel: &str,
        provider: &str,
        details: Value,
        set_aside: bool,
    ) -> anyhow::Result<Self> {
        let all: Page<Account> = herald.call(Method::GET, "/v1/accounts?limit=500", None).await?;
        let others: Vec<Account> =
            all.items.into_iter().filter(|account| account.channel == channel && account.enabled).collect();
        let names: Vec<&str> = others.iter().map(|account| account.name.as_str()).collect();
        ensure!(
            others.is_empty() || set_aside,
            "the tenant has other {channel} accounts ({}) that would take part of the load: use the key of a fresh \
             tenant (herald-api tenant create NAME), or add --set-aside to disable them for the time of the measurement",
            names.join(", ")
        );
        let mut body = json!({
            "name": format!("loadtest {channel} {:08x}", fastrand::u32(..)),
            "channel": channel, "provider": provider, "settings": {}, "enabled": true,
        });
        if let (Some(body), Value::Object(details)) = (body.as_object_mut(), details) {
            body.extend(details);
        }
        let own: Account = herald.call(Method::POST, "/v1/accounts", Some(&body)).await?;
        let borrowed = Self { herald: herald.clone(), id: own.id, set_aside: others };
        for account in &borrowed.set_aside {
            eprintln!("account {} ({}) is disabled until the measurement ends", account.name, account.id);
        }
        match borrowed.enable_others(false).await {
            Ok(()) => Ok(borrowed),
            Err(error) => {
                borrowed.give_back().await?;
                Err(error)
            }
        }
    }

    async fn enable_others(&self, enabled: bool) -> anyhow::Result<()> {
        for account in &self.set_aside {
            let path = format!("/v1/accounts/{}", account.id);
            let _changed: Account =
                self.herald.call(Method::PATCH, &path, Some(&json!({"enabled": enabled}))).await?;
        }
        Ok(())
    }

    /// Enables the other accounts again and removes the own one; where it is still in use, disables it.
    pub(crate) async fn give_back(self) -> anyhow::Result<()> {
        self.enable_others(true).await?;
        let path = format!("/v1/accounts/{}", self.id);
        if self.herald.expect(Method::DELETE, &path, None).await.is_err() {
            let _disabled: Account =
                self.herald.call(Method::PATCH, &path, Some(&json!({"enabled": false}))).await?;
        }
        Ok(())
    }

    /// Runs `work` (or stops it when the user wants to end) and gives the account back in either case.
    pub(crate) async fn during<T>(self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let result = interruptible(work).await;
        let given_back = tokio::time::timeout(GIVE_BACK, self.give_back()).await;
        let value = result?;
        given_back??;
        Ok(value)
    }
}

/// Long enough for a verification of each account, short enough for somebody who pressed Ctrl-C.
const GIVE_BACK: Duration = Duration::from_secs(60);
