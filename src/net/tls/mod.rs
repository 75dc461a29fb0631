//! TLS towards servers: rustls, the system's roots, and a file of one's own.

mod certificate;
mod explain;
mod verify;

use crate::stun::text;
use crate::turn::{Failure, TlsFault};
use explain::Handshake;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use verify::Verifier;

/// Whom to trust.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    extra: Vec<CertificateDer<'static>>,
}

/// Why a `--ca` file is of no use.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is no file of certificates in PEM: {why}", file.display())]
pub struct CaError {
    file: PathBuf,
    why: String,
}

impl Tls {
    /// Trusts the system's roots, and the certificates in this PEM file.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no certificate.
    pub fn new(ca: Option<&Path>) -> Result<Self, CaError> {
        let Some(file) = ca else { return Ok(Self::default()) };
        let fail = |why: String| CaError { file: file.to_owned(), why };
        let bytes = super::file::read(file, super::file::CERTIFICATES)
            .map_err(|error| fail(error.to_string()))?;
        let extra = CertificateDer::pem_slice_iter(&bytes)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| fail(text::safe(error.to_string().as_bytes())))?;
        if extra.is_empty() {
            return Err(fail("there is no certificate in it".to_owned()));
        }
        Ok(Self { extra })
    }

    /// The configuration of a client. The system's roots are read here, when they are needed.
    ///
    /// # Errors
    /// When nothing can be trusted, or the library refuses.
    pub fn config(&self) -> Result<Arc<ClientConfig>, Failure> {
        self.verified().map(|(config, _)| config)
    }

    fn verified(&self) -> Result<(Arc<ClientConfig>, Arc<Verifier>), Failure> {
        let other = |why: String| Failure::Tls { why, fault: TlsFault::Other };
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(self.extra.iter().cloned());
        if roots.is_empty() {
            let why = "this system has no root certificates: install ca-certificates, or name a \
                       file with --ca";
            return Err(other(why.to_owned()));
        }
        let provider = Arc::new(ring::default_provider());
        let inner =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| other(error.to_string()))?;
        let verifier = Arc::new(Verifier::new(inner, self.extra.clone()));
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| other(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        Ok((Arc::new(config), verifier))
    }

    /// Shakes hands with the server of this name.
    ///
    /// # Errors
    /// [`Failure::Tls`] with what is wrong, in plain words.
    pub async fn connect(
        &self,
        name: &str,
        tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let Ok(server) = ServerName::try_from(name.to_owned()) else {
            let shown = text::safe(name.as_bytes());
            let why = format!("`{shown}` is no name that a certificate can be for");
            return Err(Failure::Tls { why, fault: TlsFault::WrongName });
        };
        let (config, verifier) = self.verified()?;
        let connected = TlsConnector::from(config).connect(server, tcp).await;
        connected.map_err(|error| {
            let chain = verifier.chain();
            let now_s = UnixTime::now().as_secs();
            Handshake { name, chain: &chain, now_s }.failure(&error)
        })
    }
}
