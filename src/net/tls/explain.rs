//! What a failed handshake means, in plain words.

use super::certificate::{self, Certificate};
use crate::stun::text::safe;
use crate::turn::expiry::{date, span};
use crate::turn::{Failure, TlsFault};
use std::io;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// What is known of a handshake that failed.
#[derive(Debug)]
pub(super) struct Handshake<'a> {
    /// The name that was asked for.
    pub name: &'a str,
    /// The certificates that came, the server's own first.
    pub chain: &'a [Vec<u8>],
    /// Seconds since 1970, by this machine's clock.
    pub now_s: u64,
}

impl Handshake<'_> {
    /// The failure that an error stands for.
    pub fn failure(&self, error: &io::Error) -> Failure {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        let (fault, why) = match inner {
            Some(Error::InvalidCertificate(error)) => self.certificate(error),
            Some(error) => protocol(error),
            None if cut(error) => {
                (TlsFault::NotTls, "the server closed the connection in the handshake".to_owned())
            }
            None => (TlsFault::Other, safe(error.to_string().as_bytes())),
        };
        // what comes from the network in it was made safe name by name: the whole is not cut
        Failure::Tls { why, fault }
    }

    fn certificate(&self, error: &CertificateError) -> (TlsFault, String) {
        let read: Vec<Certificate<'_>> =
            self.chain.iter().filter_map(|der| certificate::read(der)).collect();
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                (TlsFault::Expired, self.expired(&read))
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                (TlsFault::NotValidYet, self.early(&read))
            }
            CertificateError::NotValidForName => (TlsFault::WrongName, self.name(&[])),
            CertificateError::NotValidForNameContext { presented, .. } => {
                (TlsFault::WrongName, self.name(presented))
            }
            CertificateError::UnknownIssuer => issuer(&read),
            error => {
                let text = format!("{error:?}");
                if text.contains("CaUsedAsEndEntity") {
                    return self_signed(read.first());
                }
                (TlsFault::BadCertificate, broken(&text))
            }
        }
    }

    fn expired(&self, chain: &[Certificate<'_>]) -> String {
        let over = chain.iter().enumerate().find(|(_, one)| one.not_after < self.now_s);
        let Some((index, one)) = over else { return "the certificate has expired".to_owned() };
        format!(
            "the certificate of {} expired on {}, {} ago by this machine's clock ({})",
            whose(index, one),
            date(one.not_after),
            span(self.now_s - one.not_after),
            date(self.now_s)
        )
    }

    fn early(&self, chain: &[Certificate<'_>]) -> String {
        let early = chain.iter().enumerate().find(|(_, one)| one.not_before > self.now_s);
        let Some((index, one)) = early else {
            return "the certificate is not valid yet".to_owned();
        };
        format!(
            "the certificate of {} is valid from {} only, which is {} from now by this machine's clock ({}): look at this clock",
            whose(index, one),
            date(one.not_before),
            span(one.not_before - self.now_s),
            date(self.now_s)
        )
    }

    fn name(&self, presented: &[String]) -> String {
        let asked = safe(self.name.as_bytes());
        let names: Vec<String> =
            presented.iter().map(|name| safe(plain(name).as_bytes())).take(8).collect();
        if names.is_empty() {
            return format!(
                "the certificate is not for `{asked}`: it has no list of names (subject alternative names), without which no client of today takes it"
            );
        }
        let more = if presented.len() > names.len() { " and others" } else { "" };
        format!("the certificate is for {}{more}, not for `{asked}`", names.join(", "))
    }
}

/// The server itself, or an authority in its chain.
fn whose(index: usize, one: &Certificate<'_>) -> String {
    let name = certificate::name(one.subject);
    if index == 0 { format!("the server (`{name}`)") } else { format!("the authority `{name}`") }
}

/// A name inside what rustls prints of it: `DnsName("turn.example")`, `IpAddress(192.0.2.1)`.
fn plain(presented: &str) -> &str {
    let inner = presented.split_once('(').map_or(presented, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"')
}

/// Nobody trusted has signed the last certificate.
fn issuer(chain: &[Certificate<'_>]) -> (TlsFault, String) {
    let Some(own) = chain.first() else {
        return (
            TlsFault::UnknownAuthority,
            "nobody trusted has issued the certificate".to_owned(),
        );
    };
    if own.issuer == own.subject {
        return self_signed(Some(own));
    }
    let by = certificate::name(own.issuer);
    let remark = remark(&by);
    if chain.len() == 1 {
        let why = format!(
            "the server sends its own certificate only, without the intermediate one of its issuer `{by}`, who is not trusted here by itself{remark}"
        );
        return (TlsFault::NoIntermediate, why);
    }
    if !chain.iter().skip(1).any(|one| one.subject == own.issuer) {
        let why = format!(
            "the certificates that the server sends do not belong together: that of `{by}`, who issued its own, is not among them"
        );
        return (TlsFault::NoIntermediate, why);
    }
    let last = chain.last().map_or(by, |last| certificate::name(last.issuer));
    let why = format!("the certificate's chain ends at `{last}`, who is not trusted here{remark}");
    (TlsFault::UnknownAuthority, why)
}

fn self_signed(own: Option<&Certificate<'_>>) -> (TlsFault, String) {
    let name = own.map_or_else(String::new, |own| certificate::name(own.subject));
    let why = format!(
        "the certificate is self-signed (`{name}`): nobody else vouches for it{}",
        remark(&name)
    );
    (TlsFault::SelfSigned, why)
}

/// Issuers that an operator has seen before.
fn remark(issuer: &str) -> &'static str {
    let has = |text: &str| issuer.to_ascii_uppercase().contains(text);
    if has("STAGING") || has("FAKE LE") {
        "; it is from Let's Encrypt's staging, for tests only"
    } else if has("TRAEFIK DEFAULT") || has("INGRESS CONTROLLER FAKE") {
        "; it is the reverse proxy's default: the proxy has no certificate for this name, or does not pass the connection through"
    } else if has("SNAKEOIL") || has("UBUNTU") || has("DEBIAN") {
        "; it looks like the one that a system makes for itself when it is installed"
    } else {
        ""
    }
}

fn broken(text: &str) -> String {
    let has = |part: &str| text.contains(part);
    let what = if has("Revoked") {
        "it was revoked"
    } else if has("UnsupportedCertVersion") {
        "it is of X.509 version 1, which has no list of names"
    } else if has("UnsupportedSignature") {
        "it is signed in a way that is no longer taken (such as SHA-1)"
    } else if has("BadSignature") {
        "its signature does not fit: the certificate or its chain is damaged or mixed up"
    } else if has("InvalidPurpose") || has("ExtKeyUsage") {
        "it is not for servers (extended key usage)"
    } else if has("PathLen") || has("EndEntityUsedAsCa") {
        "one of its chain may not issue certificates"
    } else {
        "it cannot be read or holds what no client of today takes"
    };
    format!("the certificate is of no use: {what}")
}

fn protocol(error: &Error) -> (TlsFault, String) {
    match error {
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerSentOversizedRecord => {
            (TlsFault::NotTls, "what answered does not speak TLS".to_owned())
        }
        Error::PeerIncompatible(_) => (
            TlsFault::NothingInCommon,
            "no TLS version or cipher in common with the server".to_owned(),
        ),
        Error::NoCertificatesPresented => {
            (TlsFault::BadCertificate, "the server shows no certificate".to_owned())
        }
        Error::AlertReceived(alert) => alert_received(*alert),
        error => (TlsFault::Other, safe(error.to_string().as_bytes())),
    }
}

fn alert_received(alert: AlertDescription) -> (TlsFault, String) {
    use AlertDescription as Alert;
    match alert {
        Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity => (
            TlsFault::NothingInCommon,
            "the server found no TLS version or cipher in common, or has no certificate".to_owned(),
        ),
        Alert::UnrecognisedName => {
            (TlsFault::WrongName, "the server has no certificate for this name".to_owned())
        }
        Alert::InternalError => (
            TlsFault::Other,
            "the server broke off with an internal error: its log says why, often no certificate or key".to_owned(),
        ),
        alert => {
            let words = format!("{alert:?}").chars().fold(String::new(), |mut words, letter| {
                if letter.is_ascii_uppercase() && !words.is_empty() {
                    words.push(' ');
                }
                words.push(letter.to_ascii_lowercase());
                words
            });
            (TlsFault::Other, format!("the server broke off the handshake: {words}"))
        }
    }
}

fn cut(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::UnexpectedEof | Kind::ConnectionReset | Kind::BrokenPipe | Kind::ConnectionAborted
    )
}
