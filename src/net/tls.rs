//! TLS towards servers: rustls, the system's roots, and a file of one's own.

use crate::stun::text;
use crate::turn::Failure;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

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
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(self.extra.iter().cloned());
        if roots.is_empty() {
            let why = "this system has no root certificates: install ca-certificates, or name a \
                       file with --ca";
            return Err(Failure::Tls { why: why.to_owned() });
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::Tls { why: error.to_string() })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// Shakes hands with the server of this name.
    ///
    /// # Errors
    /// [`Failure::Tls`] with what rustls says of the certificate.
    pub async fn connect(
        &self,
        name: &str,
        tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let fail = |why: String| Failure::Tls { why: text::safe(why.as_bytes()) };
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| fail(format!("`{name}` is no name that a certificate can be for")))?;
        let connector = TlsConnector::from(self.config()?);
        connector.connect(name, tcp).await.map_err(|error| fail(error.to_string()))
    }
}
