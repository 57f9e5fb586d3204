//! The TLS identity a stand-in shows, and a ready one for `localhost` and `127.0.0.1`.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The authority that signed [`Identity::localhost`], PEM: what a client under test has to trust.
///
/// Its own key was thrown away, so nothing else can be signed with it. Made with `openssl req -x509` (P-256, 100 years).
pub const LOCALHOST_CA_PEM: &str = include_str!("../../fixtures/localhost-ca.pem");

/// A certificate chain and its private key, both PEM.
#[derive(Clone)]
pub struct Identity {
    /// Leaf first, then intermediates.
    pub certificate_pem: String,
    /// PKCS#8, SEC1 or PKCS#1.
    pub key_pem: String,
}

impl Identity {
    /// The identity for `localhost` and `127.0.0.1`, signed by [`LOCALHOST_CA_PEM`].
    pub fn localhost() -> Self {
        Self {
            certificate_pem: include_str!("../../fixtures/localhost-cert.pem").to_owned(),
            key_pem: include_str!("../../fixtures/localhost-key.pem").to_owned(),
        }
    }

    /// Errors when the PEM does not parse or the key does not fit the certificate.
    pub(super) fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let chain =
            CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(certificate and key)")
    }
}
