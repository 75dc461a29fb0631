//! What became of the TURN servers that the user named.

use super::prose::{milliseconds, paragraph};
use crate::net::allocation::{Attempt, Through};
use crate::turn::{Failure, Over, Server};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::net::SocketAddr;

/// A TURN server that was tried: an allocation, and a packet through it. No credentials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct TurnServer {
    /// As the user gave it.
    pub uri: String,
    /// The address tried.
    pub address: SocketAddr,
    /// How it was reached: `udp`, `tcp`, `tls`.
    pub over: String,
    /// The address that it relays from (RFC 8656 section 7); null when it gave none.
    pub relayed: Option<SocketAddr>,
    /// What it saw as our address.
    pub mapped: Option<SocketAddr>,
    /// From the first packet until the address was there, in ms.
    pub allocated_ms: Option<f64>,
    /// The way of a packet from this machine to the relayed address and through the relay back, in
    /// ms; null when none came.
    pub through_ms: Option<f64>,
    /// Why there is no address, or why no packet came; null when all is well.
    pub because: Option<String>,
    /// What an operator should do about it.
    pub advice: Option<String>,
    /// The failure of the allocation, by name.
    pub failure: Option<Failure>,
}

/// What to do when packets to the relayed address do not come.
const OPEN_PORTS: &str = "open the server's relay ports (coturn: min-port to max-port) for UDP in every firewall before it, and behind a NAT tell it its public address (coturn: external-ip)";

impl TurnServer {
    /// From an attempt.
    #[must_use]
    pub fn new(server: &Server, attempt: Attempt) -> Self {
        let over = match server.over {
            Over::Udp => "udp",
            Over::Tcp => "tcp",
            Over::Tls => "tls",
        };
        let (because, advice) = match (&attempt.failure, &attempt.through, attempt.relayed) {
            (Some(failure), ..) => (Some(failure.to_string()), Some(failure.advice().to_owned())),
            (None, Through::Lost, Some(relayed)) => (
                Some(format!("there is an address, but no packet sent to {relayed} came through")),
                Some(OPEN_PORTS.to_owned()),
            ),
            (None, Through::NoUdp, Some(relayed)) => (
                Some(format!(
                    "there is an address, but whether packets sent to {relayed} come through could not be told: no UDP from {} reached this machine",
                    server.address
                )),
                None,
            ),
            (None, Through::Refused(peer, failure), _) => (
                Some(format!("there is an address, but no permission for {peer}: {failure}")),
                Some(failure.advice().to_owned()),
            ),
            _ => (None, None),
        };
        let through_ms = match attempt.through {
            Through::Came(ms) => Some(ms),
            _ => None,
        };
        Self {
            uri: server.uri.clone(),
            address: server.address,
            over: over.to_owned(),
            relayed: attempt.relayed,
            mapped: attempt.mapped,
            allocated_ms: attempt.ms,
            through_ms,
            because,
            advice,
            failure: attempt.failure,
        }
    }

    /// What became of it, in a sentence; may hold text from the network.
    fn sentence(&self) -> String {
        let mut said = match (self.relayed, self.allocated_ms) {
            (Some(relayed), ms) => {
                let took = ms.map(|ms| format!(" in {}", milliseconds(ms))).unwrap_or_default();
                let through = self
                    .through_ms
                    .map(|ms| format!(", a packet came through in {}", milliseconds(ms)))
                    .unwrap_or_default();
                format!("relays from {relayed}{took}{through}")
            }
            (None, _) => "no allocation".to_owned(),
        };
        if let Some(because) = &self.because {
            let _ = write!(said, "; {because}");
        }
        said
    }
}

/// For a terminal.
pub(super) fn text(out: &mut String, servers: &[TurnServer]) {
    if servers.is_empty() {
        return;
    }
    out.push_str("\nTURN servers\n");
    for server in servers {
        let (uri, address, over) = (&server.uri, server.address, server.over.to_uppercase());
        let line = format!("{uri} ({address}, {over}): {}", server.sentence());
        paragraph(out, "  ", &line);
        if let Some(advice) = &server.advice {
            paragraph(out, "    ", &format!("what to do: {advice}"));
        }
    }
}

/// For a ticket.
pub(super) fn markdown(out: &mut String, servers: &[TurnServer]) {
    use super::escape::markdown as safe;
    if servers.is_empty() {
        return;
    }
    out.push_str(
        "\n| TURN server | address | over | result | what to do |\n|---|---|---|---|---|\n",
    );
    for server in servers {
        let _ = writeln!(
            out,
            "| {} | `{}` | {} | {} | {} |",
            safe(&server.uri),
            server.address,
            safe(&server.over.to_uppercase()),
            safe(&server.sentence()),
            safe(server.advice.as_deref().unwrap_or("nothing"))
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(failure: Option<Failure>, through: Through) -> TurnServer {
        let server = Server {
            uri: "turn:relay.example".to_owned(),
            name: "relay.example".to_owned(),
            address: "198.51.100.1:3478".parse().unwrap(),
            over: Over::Udp,
            user: "somebody".to_owned(),
            password: "hunter2".to_owned(),
        };
        let works = failure.is_none();
        let relayed = works.then(|| "198.51.100.1:50000".parse().unwrap());
        let ms = works.then_some(51.2);
        TurnServer::new(&server, Attempt { relayed, mapped: None, ms, failure, through })
    }

    fn shown(server: TurnServer) -> String {
        let mut out = String::new();
        text(&mut out, std::slice::from_ref(&server));
        markdown(&mut out, &[server]);
        out
    }

    #[test]
    fn a_working_server_needs_nothing() {
        let server = tried(None, Through::Came(1.25));
        assert_eq!((server.because.as_ref(), server.advice.as_ref()), (None, None));
        let shown = shown(server);
        assert!(shown.contains("relays from 198.51.100.1:50000"), "{shown}");
        assert!(shown.contains("a packet came through in 1.2 ms"), "{shown}");
    }

    #[test]
    fn every_failure_comes_with_advice_and_without_credentials() {
        let realm = "<b>|\u{1b}[31m".to_owned();
        let server =
            tried(Some(Failure::Unauthorized { realm, reason: String::new() }), Through::NotTried);
        let shown = shown(server.clone());
        assert!(shown.contains("401") && shown.contains("check the user name"), "{shown}");
        assert!(!shown.contains('\u{1b}') && shown.contains("&lt;b&gt;"), "{shown}");
        let json = serde_json::to_string(&server).unwrap();
        for text in [&shown, &json] {
            assert!(!text.contains("hunter2") && !text.contains("somebody"), "{text}");
        }
    }

    #[test]
    fn without_udp_here_nothing_is_said_of_the_relays_ports() {
        let server = tried(None, Through::NoUdp);
        assert_eq!(server.advice, None);
        assert!(shown(server).contains("could not be told"));
    }

    #[test]
    fn a_firewall_before_the_relay_ports_is_suspected() {
        let server = tried(None, Through::Lost);
        assert!(server.failure.is_none());
        let shown = shown(server);
        assert!(shown.contains("no packet sent to 198.51.100.1:50000 came"), "{shown}");
        assert!(shown.contains("open the server's relay ports"), "{shown}");
    }
}
