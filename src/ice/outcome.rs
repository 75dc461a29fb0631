//! What a connection attempt came to, and every check that was made on the way: plain data.

use super::{Candidate, Kind, Transport};
use crate::turn::Failure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Who nominates (RFC 8445 section 6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The side that made the offer.
    Controlling,
    /// The side that answered.
    Controlled,
}

/// How the peers are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// Both by addresses of their own: no STUN server was needed.
    DirectHost,
    /// At least one by an address that only STUN could show; no relay.
    DirectReflexive,
    /// One side by its relay.
    RelayOneSide,
    /// Both sides by relays.
    RelayBoth,
    /// Not at all.
    Failed,
}

impl Connection {
    /// Whether packets pass from peer to peer without a relay.
    #[must_use]
    pub const fn direct(self) -> bool {
        matches!(self, Self::DirectHost | Self::DirectReflexive)
    }

    /// Whether a relay carries them.
    #[must_use]
    pub const fn relayed(self) -> bool {
        matches!(self, Self::RelayOneSide | Self::RelayBoth)
    }
}

/// One end of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct PairEnd {
    /// How the address was learnt. For the local end the kind by which the peer knows it: a check
    /// from a host candidate that a NAT translated counts as reflexive.
    pub kind: Kind,
    /// The address; for the local end its base, where packets leave this host or its relay.
    pub address: SocketAddr,
}

/// Two candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Pair {
    /// The candidate of this side.
    pub local: PairEnd,
    /// The candidate of the peer.
    pub remote: PairEnd,
    /// The transport between the two.
    pub transport: Transport,
}

/// What became of a check that we sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum CheckResult {
    /// Still under way when the run ended.
    InProgress,
    /// Answered with success.
    Succeeded,
    /// Every try went without an answer.
    Unanswered,
    /// The peer answered with an error (RFC 8489 section 14.8; 487 is a role conflict).
    Error {
        /// Its code.
        code: u16,
    },
    /// The network said that nobody is there (ICMP), or this host cannot send there.
    Unreachable {
        /// What the system said.
        why: String,
    },
    /// The relay did not let it through.
    NotRelayed {
        /// Why the relay refused.
        failure: Failure,
    },
    /// The answer came from another address than the check went to (RFC 8445 section 7.2.5.2.1).
    NotSymmetric {
        /// Where it came from.
        from: SocketAddr,
    },
}

/// All checks on one pair, in both directions. Times are in ms from the start of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
// serde cannot deny unknown fields beside a flattened enum
pub struct Check {
    /// The pair.
    pub pair: Pair,
    /// When requests were sent, retransmissions included.
    pub sent_ms: Vec<f64>,
    /// When the success response came.
    pub answered_ms: Option<f64>,
    /// Requests of the peer that came in here.
    pub received_ms: Vec<f64>,
    /// What the peer saw as our address (XOR-MAPPED-ADDRESS of its answer).
    pub mapped: Option<SocketAddr>,
    /// What became of ours.
    #[serde(flatten)]
    pub result: CheckResult,
    /// USE-CANDIDATE was in ours or in the peer's.
    pub nominated: bool,
}

/// What one STUN server said of one local address while candidates were gathered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Gathered {
    /// The server, as the user gave it.
    pub server: String,
    /// The local address.
    pub base: SocketAddr,
    /// What the server saw; null when it did not answer.
    pub mapped: Option<SocketAddr>,
    /// The round-trip time in ms.
    pub rtt_ms: Option<f64>,
    /// Why there is none, in a sentence.
    pub because: Option<String>,
}

/// What one TURN server gave.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Allocation {
    /// The server, as the user gave it.
    pub server: String,
    /// The relayed address; null when there is none.
    pub relayed: Option<SocketAddr>,
    /// What the server saw as our address.
    pub mapped: Option<SocketAddr>,
    /// How long it took, in ms.
    pub ms: Option<f64>,
    /// Why there is none, or why it was lost during the run.
    pub failure: Option<Failure>,
}

/// What an attempt came to, as one side saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Outcome {
    /// How the peers are connected.
    pub connection: Connection,
    /// Why, in one sentence; for a failure what was missing, with addresses.
    pub because: String,
    /// This side's role at the end.
    pub role: Role,
    /// The selected pair.
    pub selected: Option<Pair>,
    /// From the first check to the selected pair, in ms.
    pub connected_ms: Option<f64>,
    /// From the first packet of gathering to the end of it, in ms.
    pub gathered_ms: f64,
    /// Our candidates.
    pub local: Vec<Candidate>,
    /// The peer's, peer-reflexive ones included.
    pub remote: Vec<Candidate>,
    /// What the STUN servers said.
    pub stun: Vec<Gathered>,
    /// What the TURN servers gave.
    pub turn: Vec<Allocation>,
    /// Every pair that was checked, by priority.
    pub checks: Vec<Check>,
    /// The connection was lost after it had been made: why.
    pub lost: Option<String>,
    /// Addresses of the peer's that no check was sent to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub avoided: Vec<Avoided>,
}

/// An address that a peer named or sent from, and that no check was sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Avoided {
    /// The address.
    pub address: SocketAddr,
    /// Why none was.
    pub why: String,
}
