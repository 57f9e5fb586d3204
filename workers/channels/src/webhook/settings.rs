//! A webhook account's settings and secret.
//!
//! Settings: `timeout_ms` (connecting and answering together, default 10 s) and `ca_pem` (authorities trusted besides
//! the system's). Secret: `signing_key`, one or several (separated by a space, for rotation) keys like `whsec_...`.

use std::time::Duration;

use rustls::ClientConfig;

use super::sign::Key;
use crate::fields::Fields;
use crate::{Account, FieldProblem, tls};

/// A checked account.
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) tls_client: ClientConfig,
    /// At least one.
    pub(super) keys: Vec<Key>,
}

impl Settings {
    /// Reads settings and secret.
    ///
    /// # Errors
    /// Every problem, at least one.
    pub(super) fn read(account: &Account) -> Result<Self, Vec<FieldProblem>> {
        let mut fields = Fields::new("/settings", &account.settings);
        let timeout_ms = fields.integer("timeout_ms", 100..=60_000).unwrap_or(10_000);
        let tls_client =
            tls::client(fields.pem("ca_pem")).map_err(|detail| fields.problem("ca_pem", detail)).ok();
        let mut secret = Fields::new("/secret", &account.secret);
        let keys =
            secret.text("signing_key").split_whitespace().map(Key::parse).collect::<Result<Vec<_>, _>>();
        if let Err(detail) = &keys {
            secret.problem("signing_key", *detail);
        }
        let mut problems = fields.finish();
        problems.extend(secret.finish());
        match (tls_client, keys) {
            (Some(tls_client), Ok(keys)) if problems.is_empty() => {
                Ok(Settings { timeout: Duration::from_millis(timeout_ms), tls_client, keys })
            }
            _ => Err(problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pointers(settings: Value, secret: Value) -> Vec<String> {
        let account = Account {
            id: 1,
            version: 1,
            tenant_id: 1,
            name: "hooks".to_owned(),
            settings,
            secret,
            concurrency: None,
        };
        let problems = Settings::read(&account).err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn problems_name_their_fields() {
        let good = json!({"signing_key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
        assert!(pointers(json!({}), good.clone()).is_empty());
        assert!(pointers(json!({"timeout_ms": 500}), good.clone()).is_empty());
        assert_eq!(
            pointers(json!({"timeout_ms": 5, "url": "x"}), good),
            ["/settings/timeout_ms", "/settings/url"]
        );
        assert_eq!(
            pointers(json!({"ca_pem": "x"}), json!(null)),
            ["/settings/ca_pem", "/secret/signing_key"]
        );
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!"] {
            assert_eq!(pointers(json!({}), json!({"signing_key": bad}))[0], "/secret/signing_key", "{bad}");
        }
    }
}
