//! What can go wrong with a TURN server, each with what an operator should do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why there is no allocation, permission or channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "failure")]
pub enum Failure {
    /// 401 again although credentials were sent: they are wrong, or have expired.
    Unauthorized {
        /// The realm that the server named; safe to print.
        realm: String,
        /// What the server said beside the code; safe to print.
        #[serde(default)]
        reason: String,
    },
    /// 403: the server forbids this, such as a relay to a private address.
    Forbidden {
        /// What the server said beside the code; safe to print.
        #[serde(default)]
        reason: String,
    },
    /// 437: the server has no such allocation, or one of an earlier run under the same address.
    Mismatch,
    /// 438 without end: the server never accepts the nonce that it gave.
    StaleNonce,
    /// 441: the allocation belongs to another user.
    WrongCredentials,
    /// 442: the server does not relay this transport.
    UnsupportedTransport,
    /// 440: the server does not relay this address family.
    FamilyNotSupported,
    /// 486: the user's quota is used up.
    QuotaReached,
    /// 508: the server is full.
    InsufficientCapacity,
    /// Another error code.
    Error {
        /// The code (RFC 8489 section 14.8).
        code: u16,
        /// The reason, safe to print.
        reason: String,
    },
    /// 300: it sent us to another server.
    TryAlternate {
        /// Where to; safe to print.
        to: String,
    },
    /// It answered a plain Binding request, but the Allocate request never: it is no TURN server.
    NotTurn,
    /// No answer at all.
    NoAnswer {
        /// Where, and what was tried.
        tried: String,
    },
    /// Nobody listens there: connection refused, or ICMP port unreachable.
    Refused {
        /// What the system said.
        why: String,
    },
    /// No connection could be made, or it broke.
    Connection {
        /// What the system said.
        why: String,
    },
    /// The TLS handshake failed.
    Tls {
        /// What rustls said; names the fault of the certificate.
        why: String,
    },
    /// It answered with something that is not TURN.
    Nonsense {
        /// What came; safe to print.
        what: String,
    },
    /// It stopped answering while the allocation was in use.
    Lost,
}

impl Failure {
    /// What an operator should do about it, in a sentence.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => {
                "check the user name and the password; with time-limited credentials, the expiry in the user name and the clocks"
            }
            Self::Forbidden { .. } => "ask who runs the server which peers it may relay to",
            Self::Mismatch => "try again: a fresh socket has a fresh allocation",
            Self::StaleNonce => "the server's clock or its nonce lifetime is broken: restart it",
            Self::WrongCredentials => "try again with one user's credentials only",
            Self::UnsupportedTransport => "ask for a relay over UDP",
            Self::FamilyNotSupported => {
                "give the server an address of this family, or use the other"
            }
            Self::QuotaReached => "end other sessions of this user, or raise the user's quota",
            Self::InsufficientCapacity => "the server has no ports left: widen its port range",
            Self::Error { .. } => "look the code up in RFC 8656 section 15 and in the server's log",
            Self::TryAlternate { .. } => "name that server with --turn instead",
            Self::NotTurn => "it is a STUN server: name a TURN server, or turn its relay on",
            Self::NoAnswer { .. } => {
                "check address and port; if a firewall drops UDP, try ?transport=tcp or turns:"
            }
            Self::Refused { .. } => "check the port, and that the server runs",
            Self::Connection { .. } => "check address and port, and whether a firewall is between",
            Self::Tls { .. } => {
                "check that the certificate is for this name, is not expired, and that its issuer is trusted (--ca FILE)"
            }
            Self::Nonsense { .. } => "another service answers on this port: check the port",
            Self::Lost => "see whether the server still runs; its log says why it ended",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized { realm, reason } => {
                write!(f, "401: the credentials were not accepted (realm `{realm}`)")?;
                more(f, reason, "Unauthorized")
            }
            Self::Forbidden { reason } => {
                write!(f, "403: the server forbids it")?;
                more(f, reason, "Forbidden")
            }
            Self::Mismatch => write!(f, "437: the server has no such allocation"),
            Self::StaleNonce => write!(f, "438: the server never accepts its own nonce"),
            Self::WrongCredentials => write!(f, "441: the allocation belongs to another user"),
            Self::UnsupportedTransport => {
                write!(f, "442: the server does not relay this transport")
            }
            Self::FamilyNotSupported => {
                write!(f, "440: the server does not relay this address family")
            }
            Self::QuotaReached => write!(f, "486: the user's quota is used up"),
            Self::InsufficientCapacity => write!(f, "508: the server has no capacity left"),
            Self::Error { code, reason } => write!(f, "{code}: {reason}"),
            Self::TryAlternate { to } => write!(f, "300: the server refers to {to}"),
            Self::NotTurn => write!(f, "it answers STUN, but not TURN"),
            Self::NoAnswer { tried } => write!(f, "no answer ({tried})"),
            Self::Refused { why } => write!(f, "nobody listens there: {why}"),
            Self::Connection { why } => write!(f, "no connection: {why}"),
            Self::Tls { why } => write!(f, "TLS: {why}"),
            Self::Nonsense { what } => write!(f, "the answer is not TURN: {what}"),
            Self::Lost => write!(f, "the server stopped answering"),
        }
    }
}

/// What a server's reason says beyond the name of its code.
fn more(f: &mut fmt::Formatter<'_>, reason: &str, name: &str) -> fmt::Result {
    let said = reason.strip_prefix(name).unwrap_or(reason).trim_start_matches([':', ' ']);
    if said.is_empty() { Ok(()) } else { write!(f, ": {said}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_in_the_documentation_with_its_advice() {
        let text = String::new;
        let all = [
            Failure::Unauthorized { realm: text(), reason: text() },
            Failure::Forbidden { reason: text() },
            Failure::Mismatch,
            Failure::StaleNonce,
            Failure::WrongCredentials,
            Failure::UnsupportedTransport,
            Failure::FamilyNotSupported,
            Failure::QuotaReached,
            Failure::InsufficientCapacity,
            Failure::Error { code: 500, reason: text() },
            Failure::TryAlternate { to: text() },
            Failure::NotTurn,
            Failure::NoAnswer { tried: text() },
            Failure::Refused { why: text() },
            Failure::Connection { why: text() },
            Failure::Tls { why: text() },
            Failure::Nonsense { what: text() },
            Failure::Lost,
        ];
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.md");
        let document = std::fs::read_to_string(file).expect("docs/report.md");
        for failure in all {
            let json = serde_json::to_value(&failure).expect("JSON");
            let name = json["failure"].as_str().expect("a name").to_owned();
            let row = document.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/report.md has no `{name}`"));
            assert!(row.ends_with(&format!("| {} |", failure.advice())), "{row}");
        }
    }

    #[test]
    fn a_reason_is_shown_when_it_says_more_than_its_code() {
        let unauthorized = |reason: &str| {
            let (realm, reason) = ("r".to_owned(), reason.to_owned());
            Failure::Unauthorized { realm, reason }.to_string()
        };
        let plain = "401: the credentials were not accepted (realm `r`)";
        assert_eq!(unauthorized(""), plain);
        assert_eq!(unauthorized("Unauthorized"), plain);
        let expired = unauthorized("Unauthorized: these credentials have expired");
        assert_eq!(expired, format!("{plain}: these credentials have expired"));
        let forbidden = Failure::Forbidden { reason: "Forbidden: a private address".to_owned() };
        assert_eq!(forbidden.to_string(), "403: the server forbids it: a private address");
    }

    #[test]
    fn a_failure_saved_before_reasons_were_kept_is_read() {
        let old = r#"{"failure":"unauthorized","realm":"r"}"#;
        let read: Failure = serde_json::from_str(old).unwrap();
        assert_eq!(read, Failure::Unauthorized { realm: "r".into(), reason: String::new() });
        let read: Failure = serde_json::from_str(r#"{"failure":"forbidden"}"#).unwrap();
        assert_eq!(read, Failure::Forbidden { reason: String::new() });
    }
}
