//! Secrets at rest: sealed under a versioned master key (ChaCha20-Poly1305), and keyed hashes for API keys.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

/// What can go wrong with a sealed value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The key ring text is not `id:base64,...`.
    #[error("{0}")]
    BadKeys(String),
    /// The value names a key that is not in the ring.
    #[error(
        "this value is sealed under master key \"{0}\", which HERALD_MASTER_KEY does not hold: append the old key to it"
    )]
    UnknownKey(String),
    /// Damaged, swapped with another row's, or sealed under another key of the same id.
    #[error(
        "this sealed value cannot be opened: it was damaged, moved between rows, or the master key with this id was replaced"
    )]
    Damaged,
}

/// The master keys: the first seals, all of them open. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<[(String, LessSafeKey)]>,
    random: SystemRandom,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

impl KeyRing {
    /// Reads `id:base64(32 bytes)[,id:base64...]`; ids are 1..=16 letters, digits, `-` or `_`.
    ///
    /// # Errors
    /// [`Error::BadKeys`] says which entry is wrong and how to make one; it never repeats key material.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut keys: Vec<(String, LessSafeKey)> = Vec::new();
        for (index, entry) in text.split(',').map(str::trim).enumerate() {
            let bad = |what: &str| {
                Error::BadKeys(format!(
                    "master key number {}: {what}; write id:base64 of 32 random bytes, e.g. \"k1:$(head -c32 /dev/urandom | base64)\"",
                    index + 1
                ))
            };
            let (id, encoded) = entry.split_once(':').ok_or_else(|| bad("has no id"))?;
            let good_id = (1..=16).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if !good_id || keys.iter().any(|(other, _)| other == id) {
                return Err(bad(
                    "its id is empty, too long, repeated or has other characters than a-z 0-9 - _",
                ));
            }
            let bytes = STANDARD.decode(encoded).map_err(|_| bad("is not base64"))?;
            let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| bad("is not 32 bytes long"))?;
            keys.push((id.to_owned(), LessSafeKey::new(key)));
        }
        Ok(KeyRing { keys: keys.into(), random: SystemRandom::new() })
    }

    /// A fresh ring's text, for a file only its owner can read.
    #[must_use]
    pub fn generate() -> String {
        format!("k1:{}", STANDARD.encode(random_bytes::<32>()))
    }

    /// Seals `plain`. `aad` binds it to its place (`table|row|column`): moved elsewhere it does not open.
    ///
    /// Shape: 1 byte length of the key id, key id, 12-byte random nonce, ciphertext with tag.
    #[must_use]
    pub fn seal(&self, plain: &[u8], aad: &str) -> Vec<u8> {
        let (id, key) = &self.keys[0];
        let mut nonce = [0u8; NONCE_LEN];
        self.random.fill(&mut nonce).expect("the operating system has randomness");
        let mut sealed = plain.to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad.as_bytes()),
            &mut sealed,
        )
        .expect("secrets are far below the cipher's limit of 256 GiB");
        let mut out = Vec::with_capacity(1 + id.len() + NONCE_LEN + sealed.len());
        out.push(u8::try_from(id.len()).expect("ids have at most 16 characters"));
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Opens what [`KeyRing::seal`] made with the same `aad`.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] or [`Error::Damaged`]; both need the operator.
    pub fn open(&self, sealed: &[u8], aad: &str) -> Result<Vec<u8>, Error> {
        let (id, rest) = split_id(sealed)?;
        let (_, key) =
            self.keys.iter().find(|(own, _)| own == id).ok_or_else(|| Error::UnknownKey(id.to_owned()))?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN).ok_or(Error::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Damaged)?;
        let mut plain = ciphertext.to_vec();
        let length = key
            .open_in_place(nonce, Aad::from(aad.as_bytes()), &mut plain)
            .map_err(|_| Error::Damaged)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    /// Whether `sealed` is under another key than the first, so that `rekey` should seal it again.
    #[must_use]
    pub fn needs_rewrap(&self, sealed: &[u8]) -> bool {
        split_id(sealed).is_ok_and(|(id, _)| id != self.keys[0].0)
    }
}

fn split_id(sealed: &[u8]) -> Result<(&str, &[u8]), Error> {
    let (&length, rest) = sealed.split_first().ok_or(Error::Damaged)?;
    let (id, rest) = rest.split_at_checked(length.into()).ok_or(Error::Damaged)?;
    Ok((std::str::from_utf8(id).map_err(|_| Error::Damaged)?, rest))
}

/// HMAC-SHA-256 of `text` under `pepper`: how API keys are stored. They are 256 random bits, so a slow hash would only
/// make every request expensive.
#[must_use]
pub fn keyed_hash(pepper: &[u8], text: &str) -> [u8; 32] {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, pepper);
    let tag = ring::hmac::sign(&key, text.as_bytes());
    let mut hash = [0u8; 32];
    hash.copy_from_slice(tag.as_ref());
    hash
}

/// `N` random bytes from the operating system.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_only_in_its_place_and_with_its_key() {
        let old = KeyRing::generate();
        let ring = KeyRing::parse(&old).unwrap();
        let sealed = ring.seal(b"password", "account|1");
        assert_eq!(ring.open(&sealed, "account|1").unwrap(), b"password");
        assert_eq!(ring.open(&sealed, "account|2"), Err(Error::Damaged));
        assert_ne!(sealed, ring.seal(b"password", "account|1"), "the nonce is random");
        let other = KeyRing::parse(&KeyRing::generate().replace("k1", "k2")).unwrap();
        assert_eq!(other.open(&sealed, "account|1"), Err(Error::UnknownKey("k1".into())));
    }

    #[test]
    fn rotation_opens_the_old_and_seals_with_the_new() {
        let old_text = KeyRing::generate();
        let sealed = KeyRing::parse(&old_text).unwrap().seal(b"x", "a");
        let both =
            KeyRing::parse(&format!("{},{old_text}", KeyRing::generate().replace("k1", "k2"))).unwrap();
        assert!(both.needs_rewrap(&sealed));
        let again = both.seal(&both.open(&sealed, "a").unwrap(), "a");
        assert!(!both.needs_rewrap(&again));
    }

    #[test]
    fn bad_rings_are_refused_without_showing_keys() {
        for bad in ["", "x", "k1:", "k1:AAAA", ":AAAA", "k 1:AAAA"] {
            let error = KeyRing::parse(bad).unwrap_err().to_string();
            assert!(!error.contains("AAAA"), "{error}");
        }
    }

    #[test]
    fn damage_is_noticed() {
        let ring = KeyRing::parse(&KeyRing::generate()).unwrap();
        let mut sealed = ring.seal(b"x", "a");
        *sealed.last_mut().unwrap() ^= 1;
        assert_eq!(ring.open(&sealed, "a"), Err(Error::Damaged));
        assert_eq!(ring.open(&[], "a"), Err(Error::Damaged));
        assert_eq!(ring.open(&[200, 1], "a"), Err(Error::Damaged));
    }
}
