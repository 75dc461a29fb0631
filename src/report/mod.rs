//! Renders the results of everything below, a room for each document, and reads saved ones.
//!
//! [`Report`] is the document `natscope-report/1`: raw observations (`sockets`, `transactions`) and
//! judgement (`servers`, `paths`, `traversal`, `findings`) stay apart, so that a saved report can
//! be judged again ([`Report::judged_again`]).

mod answer;
mod build;
mod certify;
pub mod connect;
mod cost;
#[cfg(target_os = "linux")]
pub mod doctor;
mod escape;
mod explain;
pub mod json;
mod markdown;
pub mod matrix;
pub mod nats;
mod prose;
mod read;
mod scenario;
pub mod sdp;
mod table;
mod text;
mod traversal;
mod turn;
mod view;

pub use escape::{markdown as escape_markdown, terminal as escape_terminal};
pub use explain::explain;
pub use markdown::markdown;
pub use read::{ReadError, read};
pub use text::text;
pub use traversal::{Forecast, PeerForecast, PeerKind, Sender, Traversal};
pub use turn::{TurnServer, TurnVerdict};
pub use view::{Axis, FactView, Status};

use crate::ground::finding::Finding;
use crate::nat::Facts;
use crate::probe::judge::Standing;
use crate::probe::record::{RelayRecord, SocketRecord, Transaction};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The schema that this version writes.
pub const SCHEMA: &str = "natscope-report/1";

/// A run of `natscope probe`. See `docs/report.md`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Report {
    /// `natscope-report/1`. A new major version changes the meaning of a field; new fields do not.
    pub schema: String,
    /// The program that measured.
    pub tool: Tool,
    /// When the run began, RFC 3339, UTC.
    pub started: String,
    /// How long it took, in ms.
    pub duration_ms: u64,
    /// The machine that measured.
    pub host: Host,
    /// The servers asked: those over IPv4 first, each address once a URI.
    pub servers: Vec<Server>,
    /// One path for each address family that had servers: IPv4 first.
    pub paths: Vec<Path>,
    /// What connects, by the facts of the paths.
    pub traversal: Traversal,
    /// The TURN servers that were tried (`--turn`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turn: Vec<TurnServer>,
    /// What was noticed beside the facts.
    pub findings: Vec<Finding>,
    /// The local sockets, by id: one socket, one mapping.
    pub sockets: Vec<SocketRecord>,
    /// Everything that was sent and what came back. `about` is an index into `servers`.
    pub transactions: Vec<Transaction>,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Tool {
    /// `natscope`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Default for Tool {
    fn default() -> Self {
        Self { name: "natscope".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// A machine. Its name is left out: reports are pasted into public tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Host {
    /// Such as `linux`.
    pub os: String,
    /// Such as `x86_64`.
    pub arch: String,
}

impl Default for Host {
    fn default() -> Self {
        Self { os: std::env::consts::OS.to_owned(), arch: std::env::consts::ARCH.to_owned() }
    }
}

/// A server as one path saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Server {
    /// As the user gave it.
    pub uri: String,
    /// The address asked.
    pub address: SocketAddr,
    /// The server that sent us there (300 Try Alternate); none for those that the user named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_by: Option<SocketAddr>,
    /// It is a TURN server that the NAT was seen from; none for a STUN server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<RelayRecord>,
    /// What became of the questions to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// The same in one clause, where it is not `answers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The smallest round-trip time, in ms; null when it never answered.
    pub rtt_ms: Option<f64>,
    /// OTHER-ADDRESS (RFC 5780 section 7.4) as advertised.
    pub other_address: Option<SocketAddr>,
    /// The mapped address that it reported first.
    pub mapped: Option<SocketAddr>,
    /// What was noticed about it.
    pub findings: Vec<Finding>,
}

/// An address family.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: &SocketAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
    /// Its name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }
}

/// One way from this machine to the servers: one address family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Path {
    /// Its address family.
    pub family: Family,
    /// A local socket's address; null when none could be opened.
    pub local: Option<SocketAddr>,
    /// What the first answering server saw that socket as; null when none answered.
    pub mapped: Option<SocketAddr>,
    /// What was found.
    #[serde(flatten)]
    pub facts: Facts,
    /// Datagrams that belonged to no transaction.
    #[serde(default)]
    pub strays: u32,
    /// The run was ended before its plan was done (Ctrl-C, or the budget).
    #[serde(default)]
    pub cut_short: bool,
}

impl Server {
    /// How it answered, for a list of servers: its round-trip time, or what became of the questions.
    fn answer(&self) -> String {
        let counts = self.standing.is_none_or(|standing| standing == Standing::Answers);
        match (self.rtt_ms.filter(|_| counts), &self.summary) {
            (Some(rtt), _) => prose::milliseconds(rtt),
            (None, Some(summary)) => summary.clone(),
            (None, None) => "did not answer".to_owned(),
        }
    }
}

impl Report {
    /// Whether anything definite was told: some path's mapping or filtering is known, or that the
    /// mapping depends on the destination, or UDP is known to be blocked there, or that a relay over
    /// TCP or TLS is what connects.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        let by_facts = self.paths.iter().map(|p| &p.facts).any(|f| {
            let fixed = crate::nat::Mapping::EndpointIndependent;
            f.mapping.value().is_some()
                || !f.mapping.possible().contains(&fixed)
                || f.filtering.value().is_some()
                || f.classic.value().is_some()
        });
        by_facts || self.only_relayed().is_some()
    }
}

/// What can be shown in every format.
pub trait Document: Serialize {
    /// For a terminal; with `colour`, ANSI colours.
    fn text(&self, colour: bool) -> String;
    /// To paste into a ticket.
    fn markdown(&self) -> String;
    /// For programs, with a final newline.
    ///
    /// # Errors
    /// Never for a document built by this program: all map keys are text.
    fn json(&self) -> Result<String, serde_json::Error> {
        json::document(self)
    }
    /// For a continuous integration.
    ///
    /// # Errors
    /// There is no such form of this document, or it holds what XML cannot.
    fn junit(&self) -> Result<String, String> {
        Err("it has no form in JUnit".to_owned())
    }
}

impl Document for Report {
    fn text(&self, colour: bool) -> String {
        text(self, colour)
    }
    fn markdown(&self) -> String {
        markdown(self)
    }
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
