//! Who is trusted: rustls's verifier, which also takes a certificate of the `--ca` file itself, and
//! remembers what the server has shown.

use super::certificate;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// See the module.
#[derive(Debug)]
pub(super) struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
    seen: Mutex<Vec<Vec<u8>>>,
}

impl Verifier {
    pub fn new(inner: Arc<WebPkiServerVerifier>, named: Vec<CertificateDer<'static>>) -> Self {
        Self { inner, named, seen: Mutex::default() }
    }

    /// The certificates that the server has shown, its own first; empty before it has.
    pub fn chain(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A self-signed certificate that the user named is its own authority. rustls takes none that
    /// may also issue others, which is how `openssl req -x509` makes them.
    fn named(
        &self,
        own: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Result<(), Error>> {
        self.named.iter().find(|named| named.as_ref() == own.as_ref())?;
        let read = certificate::read(own)?;
        let fault = |error| Some(Err(Error::InvalidCertificate(error)));
        if now.as_secs() < read.not_before {
            return fault(CertificateError::NotValidYet);
        }
        if now.as_secs() > read.not_after {
            return fault(CertificateError::Expired);
        }
        let parsed = ParsedCertificate::try_from(own);
        Some(parsed.and_then(|parsed| verify_server_name(&parsed, name)))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(own).chain(others).map(|one| one.to_vec()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        let verified = self.inner.verify_server_cert(own, others, name, ocsp, now);
        match verified {
            Err(error) => match self.named(own, name, now) {
                Some(named) => named.map(|()| ServerCertVerified::assertion()),
                None => Err(error),
            },
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
