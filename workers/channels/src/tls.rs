//! The TLS client: rustls with ring, the system's certificate authorities, and an account's own ones.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use herald_shared::clock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};

/// Read once: some hundred certificates, about 10 ms.
static SYSTEM_ROOTS: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "Some of the system's certificate authorities could not be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
});

/// A client that trusts the system's authorities and those in `ca_pem`.
///
/// # Errors
/// What is wrong with `ca_pem`, in words for the account's owner.
pub(crate) fn client(ca_pem: Option<&str>) -> Result<ClientConfig, String> {
    let mut roots = SYSTEM_ROOTS.clone();
    for certificate in ca_pem.map(authorities).transpose()?.into_iter().flatten() {
        roots.add(certificate).map_err(|error| format!("holds an unusable certificate: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(Now))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Certificates are judged by the database's time: this machine's clock may be wrong.
#[derive(Debug)]
struct Now;

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(clock::now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// The certificates in a PEM text, at least one.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn authorities(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err("must hold certificates in PEM form (-----BEGIN CERTIFICATE-----)".to_owned()),
    }
}
