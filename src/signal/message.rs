//! What peers and server say: one JSON object a message, its kind in the field `type`.

use crate::stun::text::safe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// Which of the two sides offers, and which answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Makes the offer, as soon as there is a peer.
    Offer,
    /// Waits for it.
    Answer,
}

impl Role {
    /// As in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Offer => Self::Answer,
            Self::Answer => Self::Offer,
        }
    }
}

/// Why the server refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The room has its two peers.
    RoomFull,
    /// The server has no more rooms.
    TooManyRooms,
    /// The server has no more connections.
    TooManyClients,
    /// The room's name is not 1 to 64 letters, digits, `.`, `_` or `-`.
    BadRoom,
    /// Not JSON, or without a `type`.
    BadMessage,
    /// The message is too long.
    TooLong,
    /// Too many messages a second.
    TooFast,
    /// No room was joined in time, or the room was silent for too long.
    Idle,
    /// Something was said before a room was joined, or a second room was.
    NotJoined,
    /// There is nobody in the room to hear it.
    NoPeer,
    /// The client speaks a version that the server does not.
    Version,
    /// A code of a later version.
    #[serde(other)]
    Unknown,
}

/// A message, in either direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Message {
    /// Client: the first thing to say.
    Join {
        /// The room's name.
        room: String,
        /// [`VERSION`].
        version: u32,
    },
    /// Server: you are in, alone or as the second.
    Joined {
        /// Whether to offer or to answer.
        role: Role,
        /// Whether the other is there already.
        peer: bool,
    },
    /// Server: the other has come.
    PeerJoined,
    /// Server: the other has gone. The room stays open.
    PeerLeft,
    /// Server: refused. After all but `no-peer` it closes the connection.
    Error {
        /// Why, for programs.
        code: Code,
        /// Why, for people.
        message: String,
    },
    /// Peer: an offer.
    Offer {
        /// The description, as SDP.
        sdp: String,
    },
    /// Peer: the answer to it.
    Answer {
        /// The description, as SDP.
        sdp: String,
    },
    /// Peer: one more candidate (RFC 8838).
    Candidate {
        /// `candidate:…` (RFC 8839 section 5.1).
        candidate: String,
    },
    /// Peer: there will be no more candidates.
    EndOfCandidates,
    /// Peer: what it knows of its own side, for the report of the other.
    Facts {
        /// See `docs/signalling.md`.
        facts: Value,
    },
    /// Of a later version: to be ignored.
    #[serde(other)]
    Unknown,
}

/// The types that only the server may say, and `join`, which is said to it.
const OF_SERVER: [&str; 5] = ["join", "joined", "peer-joined", "peer-left", "error"];

impl Message {
    /// The message as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // all keys are text, so this does not fail
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// What is wrong with it, safe to print.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| safe(error.to_string().as_bytes()))
    }

    /// The message that refuses something.
    #[must_use]
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::Error { code, message: message.into() }
    }
}

/// What a server needs to know of a message.
pub(super) enum Said {
    Join {
        room: String,
        version: u32,
    },
    /// Anything else, also of later versions, is for the other peer.
    ForPeer,
}

/// Reads what a client said.
pub(super) fn said(text: &str) -> Result<Said, String> {
    #[derive(Deserialize)]
    struct Header<'a> {
        #[serde(borrow, rename = "type")]
        kind: std::borrow::Cow<'a, str>,
    }
    let bad = |error: &serde_json::Error| safe(error.to_string().as_bytes());
    let header: Header<'_> = serde_json::from_str(text).map_err(|error| bad(&error))?;
    if header.kind == "join" {
        return match Message::parse(text)? {
            Message::Join { room, version } => Ok(Said::Join { room, version }),
            _ => Err("not a join".to_owned()),
        };
    }
    if OF_SERVER.contains(&header.kind.as_ref()) {
        return Err(format!("only the server says `{}`", safe(header.kind.as_bytes())));
    }
    Ok(Said::ForPeer)
}

/// Whether a room may be called so: 1 to 64 letters, digits, `.`, `_` or `-`.
#[must_use]
pub fn is_room_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=64).contains(&name.len()) && name.chars().all(fits)
}
