//! What is wrong with a TLS handshake, each with what an operator should do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of a TLS failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsFault {
    /// Its time is over.
    Expired,
    /// Its time has not come, by this machine's clock.
    NotValidYet,
    /// It is for other names.
    WrongName,
    /// It vouches for itself.
    SelfSigned,
    /// It comes alone, and nobody trusted has issued it: an intermediate is missing, or the
    /// authority is a private one.
    NoIntermediate,
    /// Its chain ends at nobody trusted.
    UnknownAuthority,
    /// The certificate is broken or of a kind that is no longer accepted.
    BadCertificate,
    /// No version or cipher in common.
    NothingInCommon,
    /// What answers does not speak TLS, or nothing answers the handshake.
    NotTls,
    /// The port speaks TURN without TLS.
    PlainPort,
    /// The port speaks TLS, and was asked without.
    TlsPort,
    /// Something else.
    #[default]
    Other,
}

impl TlsFault {
    /// What an operator should do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Expired => {
                "renew the certificate and let the server read it again (coturn: restart it, or SIGUSR2); if the date is in the future after all, set this machine's clock"
            }
            Self::NotValidYet => {
                "look at this machine's clock first, then at the certificate's dates"
            }
            Self::WrongName => {
                "write the name that the certificate is for after turns:, or get a certificate for this name"
            }
            Self::SelfSigned => {
                "browsers refuse it: get a certificate of a public authority; to trust it here only, name its file with --ca FILE"
            }
            Self::NoIntermediate => {
                "give the server the whole chain, its own certificate first (coturn: cert=fullchain.pem, not cert.pem); if an authority of your own has issued it, name that one's certificate with --ca FILE"
            }
            Self::UnknownAuthority => {
                "if this authority is your own, name its certificate with --ca FILE (browsers need it in their store); otherwise something on the way opens TLS, or the server has a test certificate"
            }
            Self::BadCertificate => "replace the certificate by one that browsers accept",
            Self::NothingInCommon => {
                "let the server speak TLS 1.2 or 1.3 with ciphers of today (coturn: no no-tlsv1_2, no old cipher-list)"
            }
            Self::NotTls => {
                "check that this is the server's TLS port (5349, often 443) and that it has its certificate and key (coturn: cert, pkey, without no-tls; its log says when it cannot read them)"
            }
            Self::PlainPort => {
                "write turn:HOST:PORT?transport=tcp for this port, or let the server speak TLS (coturn: cert, pkey, without no-tls; its log says when it cannot read them)"
            }
            Self::TlsPort => "write turns: for this port",
            Self::Other => {
                "check that the certificate is for this name, is not expired, and that its issuer is trusted (--ca FILE)"
            }
        }
    }
}
