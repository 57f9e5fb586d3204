//! A WeCom app's settings and secret.
//!
//! Settings: `corp_id`, `agent_id` (the app's number), `base_url` (default `https://qyapi.weixin.qq.com`; a proxy or a private
//! deployment), `timeout_ms` (one request, default 10 s) and `ca_pem` (authorities trusted besides the system's). Secret:
//! `corp_secret`, the app's.

use std::time::Duration;

use rustls::ClientConfig;
use url::Url;

use crate::fields::Fields;
use crate::{Account, FieldProblem, NetPolicy, tls};

/// The public service. Source: PROVIDERS 2.
const HOST: &str = "https://qyapi.weixin.qq.com";

/// A checked account. No `Debug`: it holds the secret.
pub(super) struct Settings {
    pub(super) corp_id: String,
    pub(super) corp_secret: String,
    pub(super) agent_id: u64,
    /// Ends in a slash.
    pub(super) base: Url,
    pub(super) timeout: Duration,
    pub(super) tls_client: ClientConfig,
}

impl Settings {
    /// Reads settings and secret.
    ///
    /// # Errors
    /// Every problem, at least one.
    pub(super) fn read(account: &Account, net: &NetPolicy) -> Result<Self, Vec<FieldProblem>> {
        let mut fields = Fields::new("/settings", &account.settings);
        let corp_id = fields.text("corp_id").to_owned();
        let agent_id = fields.integer("agent_id", 1..=u64::from(u32::MAX));
        if agent_id.is_none() && account.settings.get("agent_id").is_none_or(serde_json::Value::is_null) {
            fields.problem("agent_id", "is required: the app's AgentId, a number");
        }
        let base = base(fields.optional_text("base_url").unwrap_or(HOST), net)
            .map_err(|detail| fields.problem("base_url", detail))
            .ok();
        let timeout_ms = fields.integer("timeout_ms", 100..=15_000).unwrap_or(10_000);
        let tls_client =
            tls::client(fields.pem("ca_pem")).map_err(|detail| fields.problem("ca_pem", detail)).ok();
        let mut secret = Fields::new("/secret", &account.secret);
        let corp_secret = secret.text("corp_secret").to_owned();
        let mut problems = fields.finish();
        problems.extend(secret.finish());
        let timeout = Duration::from_millis(timeout_ms);
        match (agent_id, base, tls_client) {
            (Some(agent_id), Some(base), Some(tls_client)) if problems.is_empty() => {
                Ok(Settings { corp_id, corp_secret, agent_id, base, timeout, tls_client })
            }
            _ => Err(problems),
        }
    }

    /// The URL of a call.
    pub(super) fn url(&self, path: &str) -> Url {
        self.base.join(path).expect("a fixed relative path joins any http URL")
    }
}

/// The address that paths are appended to.
fn base(text: &str, net: &NetPolicy) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    net.check_literal(&url).map_err(|refused| refused.to_string())?;
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err("must be a plain address: no user, query or fragment".to_owned());
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(settings: Value, secret: Value) -> Result<Settings, Vec<String>> {
        let net = NetPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let (name, concurrency) = ("app".to_owned(), None);
        let account = Account { id: 1, version: 1, tenant_id: 1, name, settings, secret, concurrency };
        Settings::read(&account, &net).map_err(|all| all.into_iter().map(|problem| problem.pointer).collect())
    }

    #[test]
    fn problems_name_their_fields() {
        let secret = json!({"corp_secret": "s"});
        let with = |base: &str| json!({"corp_id": "ww1", "agent_id": 1_000_002, "base_url": base});
        assert!(read(json!({"corp_id": "ww1", "agent_id": 1_000_002}), secret.clone()).is_ok());
        assert!(read(with("http://127.0.0.1:8080"), secret.clone()).is_ok());
        assert_eq!(
            read(json!({"x": 1}), json!(null)).err().unwrap(),
            ["/settings/corp_id", "/settings/agent_id", "/settings/x", "/secret/corp_secret"]
        );
        for bad in ["http://1.1.1.1", "https://10.0.0.1", "ftp://x", "x", "https://u:p@x", "https://x?y"] {
            assert_eq!(read(with(bad), secret.clone()).err().unwrap(), ["/settings/base_url"], "{bad}");
        }
        let text = read(json!({"corp_id": "ww1", "agent_id": "1000002"}), secret).err().unwrap();
        assert_eq!(text, ["/settings/agent_id"]);
    }

    #[test]
    fn paths_are_appended_to_the_base() {
        let settings = json!({"corp_id": "ww1", "agent_id": 1, "base_url": "https://proxy.example/wecom"});
        let read = read(settings, json!({"corp_secret": "s"})).ok().unwrap();
        assert_eq!(read.url("cgi-bin/gettoken").as_str(), "https://proxy.example/wecom/cgi-bin/gettoken");
    }
}
