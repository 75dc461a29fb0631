//! What became of the TURN servers that the user named.

mod explain;
#[cfg(test)]
mod tests;
mod weigh;

use super::prose::{milliseconds, paragraph};
use crate::ground::ms;
use crate::net::allocation::Attempt;
use crate::turn::{Failure, Over, Server};
use explain::Explained;
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
    /// Whether it relays.
    #[serde(default)]
    pub verdict: TurnVerdict,
    /// The address that it relays from (RFC 8656 section 7); null when it gave none.
    pub relayed: Option<SocketAddr>,
    /// What it saw as our address.
    pub mapped: Option<SocketAddr>,
    /// From the first packet until the address was there, in ms.
    pub allocated_ms: Option<f64>,
    /// The way of a packet to the relayed address and through the relay back to this machine, in
    /// ms; null when none came.
    pub through_ms: Option<f64>,
    /// Where that packet came from: `udp`, a socket of this machine; `second-allocation`, another
    /// allocation on the same server, where no packet came from here; null when none came.
    #[serde(default)]
    pub through_by: Option<String>,
    /// Why there is no address, or why no packet came; null when all is well.
    pub because: Option<String>,
    /// What an operator should do about it.
    pub advice: Option<String>,
    /// The failure of the allocation, by name.
    pub failure: Option<Failure>,
    /// What is wrong with it although it may relay, such as that it does so for everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Whether a TURN server relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TurnVerdict {
    /// A packet came through it.
    Works,
    /// It gives no address, or one that is of no use, or nothing comes through.
    Fails,
    /// It gives an address; whether it relays could not be told from here.
    #[default]
    Unknown,
}

impl TurnServer {
    /// From an attempt.
    #[must_use]
    pub fn new(server: &Server, attempt: Attempt) -> Self {
        let over = match server.over {
            Over::Udp => "udp",
            Over::Tcp => "tcp",
            Over::Tls => "tls",
        };
        let Explained { verdict, because, advice, warnings } = explain::explain(server, &attempt);
        let through = explain::through(&attempt);
        Self {
            uri: server.uri.clone(),
            address: server.address,
            over: over.to_owned(),
            verdict,
            relayed: attempt.relayed,
            mapped: attempt.mapped,
            allocated_ms: attempt.took.map(ms),
            through_ms: through.map(|(took, _)| ms(took)),
            through_by: through.map(|(_, by)| by.to_owned()),
            because,
            advice,
            failure: attempt.failure,
            warnings,
        }
    }

    /// What became of it, in a sentence; may hold text from the network.
    fn sentence(&self) -> String {
        let mut said = match (self.relayed, &self.failure) {
            (Some(_), Some(_)) => "no allocation that is of use".to_owned(),
            (Some(relayed), None) => {
                let took = self.allocated_ms.map(|ms| format!(" in {}", milliseconds(ms)));
                format!("relays from {relayed}{}", took.unwrap_or_default())
            }
            (None, _) => "no allocation".to_owned(),
        };
        if let Some(ms) = self.through_ms {
            let from = match self.through_by.as_deref() {
                Some(explain::SECOND) => " from a second allocation",
                _ => "",
            };
            let _ = write!(said, ", a packet came through{from} in {}", milliseconds(ms));
        }
        if let Some(because) = &self.because {
            let _ = write!(said, "; {because}");
        }
        said
    }

    /// That it does not relay, in a line for whoever runs this from a script.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let because = self.because.as_deref().unwrap_or("nothing came through");
        let (uri, over) = (&self.uri, self.over.to_uppercase());
        (self.verdict == TurnVerdict::Fails)
            .then(|| format!("TURN fails by {uri} ({}, {over}): {because}", self.address))
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
        for warning in &server.warnings {
            paragraph(out, "    ", &format!("warning: {warning}"));
        }
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
    let warnings =
        servers.iter().flat_map(|server| server.warnings.iter().map(move |w| (server, w)));
    for (server, warning) in warnings {
        let _ = writeln!(out, "\n- warning: {}: {}", safe(&server.uri), safe(warning));
    }
}
