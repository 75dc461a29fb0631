//! Raw observations, apart from judgement: what was sent and what came back. The judge reads
//! nothing else, so that a saved report can be judged again offline.
//!
//! All times are milliseconds since the start of the run.

use crate::ground::icmp::IcmpKind;
use crate::stun::Change;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A server as the run knows it: one URI resolved to one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct ServerRecord {
    /// As the user gave it.
    pub uri: String,
    /// The address asked.
    pub address: SocketAddr,
    /// The server that sent us there (300 Try Alternate, RFC 8489 section 10); none for those that
    /// the user named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_by: Option<SocketAddr>,
    /// It is a TURN server, asked for relayed addresses to send and receive from; none for a STUN
    /// server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<RelayRecord>,
}

/// What a TURN server gave to observe from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct RelayRecord {
    /// The relayed addresses.
    pub relayed: Vec<SocketAddr>,
    /// It was reached over UDP, so that a filter may know its address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub udp: bool,
    /// Why it was of no use, safe to print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl ServerRecord {
    /// A server that the user named.
    #[must_use]
    pub const fn new(uri: String, address: SocketAddr) -> Self {
        Self { uri, address, sent_by: None, relay: None }
    }
}

/// A local socket: one socket, one mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct SocketRecord {
    /// Such as `s2`.
    pub id: String,
    /// Its local address; unspecified only when it could not be opened.
    pub local: SocketAddr,
    /// It has the port that the user fixed (`--bind ADDR:PORT`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixed: bool,
    /// Why it could not be opened, safe to print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// The system that it was opened on does not tell of ICMP errors about what it sends: that none
    /// was seen shows nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_icmp: bool,
}

impl SocketRecord {
    /// A socket on a port that the system chose.
    #[must_use]
    pub const fn new(id: String, local: SocketAddr) -> Self {
        Self { id, local, fixed: false, failed: None, no_icmp: false }
    }
}

/// The transport of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// UDP.
    #[default]
    Udp,
    /// TCP: only to learn whether the server lives.
    Tcp,
    /// UDP from the socket to a relayed address of ours: what came there is told by the relay.
    ToRelay,
    /// UDP from a relayed address of ours ([`Transaction::expected_from`]) to the socket's mapping.
    FromRelay,
}

/// One transaction: one id, sent once or more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Transaction {
    /// Such as `t7`.
    pub id: String,
    /// The socket it left by ([`SocketRecord::id`]; empty for TCP).
    pub socket: String,
    /// Which server of [`Record::servers`] it tests, by index.
    pub about: usize,
    /// Where it was sent.
    pub server: SocketAddr,
    /// Its transport.
    #[serde(default)]
    pub via: Via,
    /// CHANGE-REQUEST.
    #[serde(default)]
    pub change: Change,
    /// RESPONSE-PORT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_port: Option<u16>,
    /// The address that an honest answer comes from (differs from `server` under CHANGE-REQUEST).
    pub expected_from: SocketAddr,
    /// When each try left, in ms.
    pub sent: Vec<f64>,
    /// When listening for it ended, in ms (the end of the run while it is still open).
    pub closed: f64,
    /// The first answer that counted.
    pub received: Option<Reply>,
    /// Later answers that would have counted (duplicates, or answers to further tries), when, in ms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<f64>,
    /// Answers with the right id that did not count, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
    /// ICMP errors from the socket's error queue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icmp: Vec<IcmpError>,
    /// How it ended.
    pub outcome: Outcome,
}

/// An answer that counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Reply {
    /// When, in ms.
    pub at: f64,
    /// The address that it came from.
    pub from: SocketAddr,
    /// XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS.
    pub mapped: SocketAddr,
    /// MAPPED-ADDRESS, where sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapped_plain: Option<SocketAddr>,
    /// XOR-MAPPED-ADDRESS was present.
    #[serde(default)]
    pub xor: bool,
    /// RESPONSE-ORIGIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<SocketAddr>,
    /// OTHER-ADDRESS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<SocketAddr>,
    /// SOFTWARE, safe to print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// Optional attributes that could not be read, each a clause, safe to print.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defects: Vec<String>,
}

/// Why an answer with the right id did not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Rejected {
    /// When, in ms.
    pub at: f64,
    /// The address that it came from.
    pub from: SocketAddr,
    /// Why it does not count.
    pub why: RejectedWhy,
    /// The error code of an error response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// What it said besides, safe to print: the reason phrase of an error, or what cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// REALM of an error response, safe to print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// ALTERNATE-SERVER of an error response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternate: Option<SocketAddr>,
}

impl Rejected {
    /// One without an error code.
    #[must_use]
    pub const fn new(at: f64, from: SocketAddr, why: RejectedWhy) -> Self {
        Self { at, from, why, code: None, says: None, realm: None, alternate: None }
    }
}

/// Why an answer did not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RejectedWhy {
    /// It came from an address or port other than the one asked for.
    WrongSource,
    /// RESPONSE-ORIGIN names another address than it came from.
    WrongOrigin,
    /// An error response.
    Error,
    /// It carried no mapped address.
    NoMappedAddress,
    /// A request or indication.
    WrongClass,
    /// It arrived on another socket than expected.
    WrongSocket,
    /// It came from where the answer was to come from, and cannot be read.
    Malformed,
    /// Likewise, with a transaction id that is not the request's.
    WrongId,
    /// Its mapped address cannot be this host's, or something before the server explains it.
    UnusableMapped,
}

/// An ICMP error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct IcmpError {
    /// When, in ms.
    pub at: f64,
    /// Who sent it, where the kernel tells.
    pub offender: Option<IpAddr>,
    /// What it says.
    pub kind: IcmpKind,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A counting answer came.
    Answered,
    /// Only answers that do not count came.
    Rejected,
    /// ICMP said no.
    Refused,
    /// Nothing came.
    Silent,
    /// It could not be sent, or the run ended first.
    Unsent,
}

/// Everything one path (one address family) of a run observed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Record {
    /// The servers asked.
    pub servers: Vec<ServerRecord>,
    /// The sockets used.
    pub sockets: Vec<SocketRecord>,
    /// The transactions, in the order they were begun.
    pub transactions: Vec<Transaction>,
    /// Datagrams that belonged to no transaction (garbage, wrong ids).
    #[serde(default)]
    pub strays: u32,
    /// The run was ended before its plan was done (Ctrl-C, or the budget).
    #[serde(default)]
    pub cut_short: bool,
}
