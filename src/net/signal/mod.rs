//! Signalling over WebSocket (RFC 6455), with TLS or without: the rooms' server and a client.

mod client;
mod hall;
mod origin;
mod serve;
mod talk;
mod uri;

pub use client::{Client, Event, connect};
pub use serve::{Certificate, Config, Server};
pub use uri::Uri;

use crate::net::NetError;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection that a `WebSocket` is spoken over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What went wrong between us and a signalling server, or as one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The name has no address, or a socket could not be opened.
    #[error(transparent)]
    Net(#[from] NetError),
    /// No connection could be made.
    #[error(
        "cannot connect to {uri} ({at}): {why}; check the address, the port, and that `natscope serve --signal` runs there"
    )]
    Connect {
        /// The server's URI, as it was given.
        uri: String,
        /// The address tried last.
        at: SocketAddr,
        /// What the system said.
        why: io::Error,
    },
    /// Nothing came back in time.
    #[error("{uri} does not answer: check the address, and whether a firewall is between")]
    Silent {
        /// The server's URI, as it was given.
        uri: String,
    },
    /// The TLS handshake failed.
    #[error(
        "{uri}: TLS: {why}; check that the certificate is for this name, is not expired, and that its issuer is trusted (--ca FILE)"
    )]
    Tls {
        /// The server's URI, as it was given.
        uri: String,
        /// What rustls said.
        why: String,
    },
    /// The other end does not speak WebSocket.
    #[error("{uri}: {why}; is this a signalling server, and is it {other} there?")]
    Handshake {
        /// The server's URI, as it was given.
        uri: String,
        /// What the library said; safe to print.
        why: String,
        /// The other scheme.
        other: &'static str,
    },
    /// A certificate or key file cannot be used.
    #[error("{}: {why}", .file.display())]
    File {
        /// The file that cannot be used.
        file: PathBuf,
        /// Why it cannot be used.
        why: String,
    },
}

/// The configuration of a TLS server: this chain of certificates and its key, both PEM.
///
/// # Errors
/// [`SignalError::File`] names the file that cannot be used.
pub fn acceptor(cert: &Path, key: &Path) -> Result<tokio_rustls::TlsAcceptor, SignalError> {
    use rustls_pki_types::pem::PemObject as _;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    let fail = |file: &Path, why: String| SignalError::File { file: file.to_owned(), why };
    let read =
        |file: &Path| std::fs::read(file).map_err(|e| fail(file, format!("cannot read: {e}")));
    let chain = CertificateDer::pem_slice_iter(&read(cert)?).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|e| fail(cert, format!("no certificate in PEM: {e}")))?;
    if chain.is_empty() {
        return Err(fail(
            cert,
            "it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)".into(),
        ));
    }
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| {
        fail(key, "it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)".into())
    })?;
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|e| fail(cert, e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|e| fail(key, format!("it does not belong to the certificate: {e}")))?;
    Ok(tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config)))
}
