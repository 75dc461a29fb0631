//! A candidate: a transport address that a peer may be reached at (RFC 8445 section 5.1).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// How an address was learnt (RFC 8445 section 5.1.1); the names are those of SDP.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Kind {
    /// An address of the host itself.
    #[serde(rename = "host")]
    Host,
    /// What a STUN server saw.
    #[serde(rename = "srflx")]
    ServerReflexive,
    /// What the peer saw in a check.
    #[serde(rename = "prflx")]
    PeerReflexive,
    /// An address of a TURN server.
    #[serde(rename = "relay")]
    Relayed,
}

impl Kind {
    /// The name in SDP (RFC 8839 section 5.1) and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The transport of a candidate (RFC 8839 section 5.1, RFC 6544 section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP; this end opens the connection.
    TcpActive,
    /// TCP; this end listens.
    TcpPassive,
    /// TCP; both ends open at once.
    TcpSimultaneousOpen,
}

/// One candidate, as it is told to the peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Candidate {
    /// Alike for candidates of one kind, base and server (RFC 8445 section 5.1.1.3); 1 to 32
    /// characters.
    pub foundation: String,
    /// 1 to 256; natscope uses 1.
    pub component: u16,
    /// Its transport.
    pub transport: Transport,
    /// RFC 8445 section 5.1.2: the higher, the earlier.
    pub priority: u32,
    /// Where the peer sends to.
    pub address: SocketAddr,
    /// How it was learnt.
    pub kind: Kind,
    /// The base of a reflexive candidate, the mapped address of a relayed one (RFC 8839 section
    /// 5.1, `raddr` and `rport`).
    pub related: Option<SocketAddr>,
}
