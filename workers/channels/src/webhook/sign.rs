//! Signatures per Standard Webhooks, scheme v1 (HMAC-SHA-256).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// A symmetric signing key.
#[derive(Clone)]
pub(crate) struct Key(hmac::Key);

impl Key {
    /// Reads `whsec_` and base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// What it should look like; never the key.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        text.strip_prefix("whsec_")
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .filter(|bytes| (24..=64).contains(&bytes.len()))
            .map(|bytes| Key(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
            .ok_or("must be whsec_ followed by 24 to 64 random bytes in base64; several keys are separated by a space")
    }
}

/// The value of `webhook-signature`: one entry per key. `timestamp` is in Unix seconds.
pub(crate) fn signatures(keys: &[Key], id: &str, timestamp: u64, body: &[u8]) -> String {
    let head = format!("{id}.{timestamp}.");
    let sign = |key: &Key| {
        let mut context = hmac::Context::with_key(&key.0);
        context.update(head.as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    };
    keys.iter().map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn signatures_equal_the_published_vectors() {
        let rows: Vec<Value> =
            serde_json::from_str(include_str!("../../tests/vectors/standard_webhooks.json")).unwrap();
        assert_eq!(rows.len(), 2);
        for row in rows {
            let text = |name: &str| row["inputs"][name].as_str().unwrap().to_owned();
            let key = Key::parse(&text("secret")).ok().unwrap();
            let timestamp = row["inputs"]["webhook_timestamp"].as_u64().unwrap();
            let signed =
                signatures(&[key.clone(), key], &text("webhook_id"), timestamp, text("body").as_bytes());
            let expected = row["expected"]["webhook_signature"].as_str().unwrap();
            assert_eq!(signed, format!("{expected} {expected}"), "{}", row["name"]);
        }
    }
}
