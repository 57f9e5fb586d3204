//! API keys: `hk_` and 256 random bits in base64url.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use herald_shared::secrets;

const PREFIX: &str = "hk_";
/// Characters of 32 bytes in base64url without padding.
const BODY: usize = 43;
/// Characters shown in lists: the prefix and 30 bits, enough to recognise a key and useless for guessing it.
const SHOWN: usize = 8;

/// A key in clear. It has no `Debug` and no `Display`, so that it cannot end in a log.
pub struct Secret(String);

impl Secret {
    /// Reads a key; `None` for what cannot be one, so that garbage costs no query.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(PREFIX)?;
        let fits =
            body.len() == BODY && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fits.then(|| Secret(text.to_owned()))
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self, pepper: &[u8]) -> [u8; 32] {
        secrets::keyed_hash(pepper, &self.0)
    }
}

/// A key just made: the only moment its text exists.
pub struct FreshKey {
    /// The whole key, to be shown once.
    pub text: String,
    /// Its first characters.
    pub prefix: String,
    /// What is stored of it.
    pub hash: [u8; 32],
}

impl FreshKey {
    /// Makes a key.
    #[must_use]
    pub fn generate(pepper: &[u8]) -> Self {
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secrets::random_bytes::<32>()));
        let prefix = text[..SHOWN].to_owned();
        let hash = secrets::keyed_hash(pepper, &text);
        FreshKey { text, prefix, hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_key_is_found_by_the_hash_of_its_text() {
        let fresh = FreshKey::generate(b"pepper");
        assert!(fresh.text.starts_with(&fresh.prefix));
        assert_eq!(Secret::parse(&fresh.text).unwrap().hash(b"pepper"), fresh.hash);
        assert_ne!(Secret::parse(&fresh.text).unwrap().hash(b"other"), fresh.hash);
        assert_ne!(FreshKey::generate(b"pepper").text, fresh.text);
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_unasked() {
        for bad in ["", "hk_", "sk_live", "hk_short", &format!("hk_{}", " ".repeat(43)), &"hk_".repeat(20)] {
            assert!(Secret::parse(bad).is_none(), "{bad}");
        }
    }
}
