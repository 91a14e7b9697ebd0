//! What the server must prove before anything is told to it. Encryption alone keeps listeners out; only a certificate that is checked
//! keeps out someone who stands in between.

use domain::{Error, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Any certificate will do.
    None,
    /// The certificate comes from an authority that is trusted.
    Chain,
    /// And it names the host.
    Full,
}

/// `root` holds the trusted authorities as PEM; none means those of the system.
pub(super) fn config(proof: Proof, root: Option<&Path>) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let cannot = |e| Error::bug("TLS cannot be set up").because(e);
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(cannot)?;
    let checks: Arc<dyn ServerCertVerifier> = match proof {
        Proof::None => Arc::new(Lenient { chain: None, provider }),
        Proof::Chain | Proof::Full => {
            let full = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(root)?), provider.clone()).build().map_err(|e| {
                Error::stop("no certificate authority is trusted", "name a PEM file with `sslrootcert`, or install ca-certificates")
                    .because(e)
            })?;
            if proof == Proof::Full { full } else { Arc::new(Lenient { chain: Some(full), provider }) }
        }
    };
    Ok(builder.dangerous().with_custom_certificate_verifier(checks).with_no_client_auth())
}

fn roots(file: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let unreadable = |e: &dyn std::fmt::Display| {
        Error::stop(format!("cannot read the certificates in {}: {e}", file.display()), "check `sslrootcert` in the store's address")
    };
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| unreadable(&e))? {
        roots.add(certificate.map_err(|e| unreadable(&e))?).map_err(|e| unreadable(&e))?;
    }
    Ok(roots)
}

/// Checks less than everything: the chain without the name, or only that the server holds its certificate's key.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
