//! The listener's certificate and key. Clients are not asked for certificates: they say who they are by SASL.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::error::{Error, Result};

/// What a listener shows its clients. TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor);

impl Tls {
    /// Reads PEM files: the certificate, followed by those that lead to its authority, and its private key.
    pub fn from_pem_files(certificate: &Path, key: &Path) -> Result<Tls> {
        let wrong = |path: &Path, why: &dyn fmt::Display| Error::Security(format!("cannot use {}: {why}", path.display()));
        let certificates: std::result::Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(certificate).and_then(|certificates| certificates.collect());
        let certificates = certificates.map_err(|e| wrong(certificate, &e))?;
        if certificates.is_empty() {
            return Err(wrong(certificate, &"it holds no certificate in PEM form"));
        }
        let private = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(key, &e))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::Security(e.to_string()))?
            .with_no_client_auth()
            .with_single_cert(certificates, private)
            .map_err(|e| wrong(key, &format!("it does not fit {}: {e}", certificate.display())))?;
        Ok(Tls(TlsAcceptor::from(Arc::new(config))))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
