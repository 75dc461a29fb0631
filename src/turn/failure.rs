//! What can go wrong with a TURN server, each with what an operator should do.

use super::TlsFault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// Why there is no allocation, permission or channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "failure")]
#[non_exhaustive]
pub enum Failure {
    /// 401 again although credentials were sent: they are wrong, or have expired.
    Unauthorized {
        /// The realm that the server named; safe to print.
        realm: String,
        /// What the server said beside the code; safe to print.
        #[serde(default)]
        reason: String,
    },
    /// 401, and no user was named.
    CredentialsWanted {
        /// The realm that the server named; safe to print.
        realm: String,
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
    /// It asked for credentials, got them, and then said nothing.
    SilentOnceAsked {
        /// Where, and for how long.
        tried: String,
    },
    /// Its relayed address is one that nobody, or nobody outside, can send to.
    RelayedAddress {
        /// The address.
        relayed: SocketAddr,
        /// What is wrong with it, one clause.
        why: String,
    },
    /// Its relayed address is of another family than was asked for.
    OtherFamily {
        /// The address.
        relayed: SocketAddr,
    },
    /// Its success has a MESSAGE-INTEGRITY that does not fit.
    Unverified,
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
        /// What is wrong, in plain words; safe to print.
        why: String,
        /// The kind of it.
        #[serde(default)]
        fault: TlsFault,
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
                "check the user name and the password against the server's list; a server with a shared secret (coturn: use-auth-secret) wants the user name EXPIRY:NAME and as password base64(HMAC-SHA1(secret, user name))"
            }
            Self::CredentialsWanted { .. } => {
                "name a user of that server with --user and --password-file"
            }
            Self::Forbidden { .. } => {
                "let the server relay there (coturn: allowed-peer-ip, or take the range out of denied-peer-ip)"
            }
            Self::Mismatch => "try again: a fresh socket has a fresh allocation",
            Self::StaleNonce => {
                "see whether several servers stand behind this address that do not know each other's nonces (a load balancer): send each client to one of them; else restart the server, its clock or its nonce lifetime (coturn: stale-nonce) is broken"
            }
            Self::WrongCredentials => "try again with one user's credentials only",
            Self::UnsupportedTransport => {
                "the server's relay over UDP is switched off (coturn: no-udp-relay): switch it on"
            }
            Self::FamilyNotSupported => {
                "give the server an address of this family (coturn: relay-ip), or use the other"
            }
            Self::QuotaReached => {
                "end other sessions of this user, or raise the quota (coturn: user-quota, total-quota)"
            }
            Self::InsufficientCapacity => {
                "the server has no ports left, or relays from an address that its host does not have: widen its port range (coturn: min-port, max-port), check its relay-ip"
            }
            Self::Error { .. } => "look the code up in RFC 8656 section 15 and in the server's log",
            Self::TryAlternate { .. } => "name that server with --turn instead",
            Self::NotTurn => "it is a STUN server: name a TURN server, or turn its relay on",
            Self::SilentOnceAsked { .. } => {
                "look in the server's log: it may wait for a database of users that does not answer, or a load balancer sent the second request to another server"
            }
            Self::RelayedAddress { .. } => {
                "tell the server its public address and restart it (coturn: external-ip=PUBLIC, behind a NAT or in a container external-ip=PUBLIC/PRIVATE)"
            }
            Self::OtherFamily { .. } => {
                "give the server an external address of each family that it relays for (coturn: external-ip, relay-ip, once a family)"
            }
            Self::Unverified => {
                "something on the way rewrites STUN messages (an application-level gateway: switch it off, or use turns:), or the server signs with another password"
            }
            Self::NoAnswer { .. } => {
                "check address and port; if a firewall drops UDP, try ?transport=tcp or turns:"
            }
            Self::Refused { .. } => "check the port, and that the server runs",
            Self::Connection { .. } => "check address and port, and whether a firewall is between",
            Self::Tls { fault, .. } => fault.advice(),
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
            Self::CredentialsWanted { realm } => {
                write!(f, "401: the server wants credentials (realm `{realm}`)")
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
            Self::SilentOnceAsked { tried } => {
                write!(
                    f,
                    "it asked for credentials, was sent them, and then said nothing ({tried})"
                )
            }
            Self::RelayedAddress { relayed, why } => {
                write!(
                    f,
                    "external-ip of the server is wrong: its relayed address is {relayed}, and {why}"
                )
            }
            Self::OtherFamily { relayed } => {
                let [asked, given] =
                    if relayed.is_ipv4() { ["IPv6", "IPv4"] } else { ["IPv4", "IPv6"] };
                write!(
                    f,
                    "external-ip of the server is wrong: asked for an {asked} address it gave an {given} one, {relayed}"
                )
            }
            Self::Unverified => {
                write!(f, "a success whose MESSAGE-INTEGRITY does not fit the password")
            }
            Self::NoAnswer { tried } => write!(f, "no answer ({tried})"),
            Self::Refused { why } => write!(f, "nobody listens there: {why}"),
            Self::Connection { why } => write!(f, "no connection: {why}"),
            Self::Tls { why, .. } => write!(f, "TLS: {why}"),
            Self::Nonsense { what } => write!(f, "the answer is not TURN: {what}"),
            Self::Lost => write!(f, "the server stopped answering"),
        }
    }
}

/// What a server's reason says beyond the name of its code.
fn more(f: &mut fmt::Formatter<'_>, reason: &str, name: &str) -> fmt::Result {
    let said = match reason.strip_prefix(name) {
        Some(rest) if rest.is_empty() || rest.starts_with(':') => rest,
        _ => reason,
    };
    let said = said.trim_start_matches([':', ' ']);
    if said.is_empty() { Ok(()) } else { write!(f, ": {said}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_in_the_documentation_with_its_advice() {
        let text = String::new;
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let all = [
            Failure::Unauthorized { realm: text(), reason: text() },
            Failure::CredentialsWanted { realm: text() },
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
            Failure::SilentOnceAsked { tried: text() },
            Failure::RelayedAddress { relayed: nowhere, why: text() },
            Failure::OtherFamily { relayed: nowhere },
            Failure::Unverified,
            Failure::NoAnswer { tried: text() },
            Failure::Refused { why: text() },
            Failure::Connection { why: text() },
            Failure::Tls { why: text(), fault: TlsFault::Other },
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
        let coturn = Failure::Forbidden { reason: "Forbidden IP".to_owned() };
        assert_eq!(coturn.to_string(), "403: the server forbids it: Forbidden IP");
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
