//! STUN bytes (RFC 8489, RFC 5780, and what RFC 3489 servers still send). The only place that
//! names the crates for them.

pub mod address;
#[cfg(test)]
mod damage_tests;
mod layout;
mod patience;
mod read;
mod request;
pub mod responder;
mod strict;
#[cfg(test)]
mod tests;
pub mod text;
pub mod uri;
mod write;
mod writer;

pub use method::BINDING;
pub use patience::Patience;
pub use read::{Defect, ReadError, read, read_damaged};
pub use request::{Request, encode_indication, encode_request};
pub use strict::{Key, Login, Strict, random_id};
/// What rice-proto and turn-client-proto are given packets in.
pub(crate) use turn_client_proto::api::Transmit;
pub use write::{ErrorResponse, Success, encode_error, encode_success};
pub use writer::Writer;

use std::net::SocketAddr;

/// Attribute types by their names in the IANA registry "STUN Attributes", without -ADDRESS.
#[allow(missing_docs)] // the names say it
pub mod types {
    pub const MAPPED: u16 = 0x0001;
    pub const CHANGE_REQUEST: u16 = 0x0003;
    /// SOURCE-ADDRESS of RFC 3489.
    pub const SOURCE: u16 = 0x0004;
    /// CHANGED-ADDRESS of RFC 3489.
    pub const CHANGED: u16 = 0x0005;
    pub const USERNAME: u16 = 0x0006;
    pub const INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub const CHANNEL_NUMBER: u16 = 0x000c;
    pub const LIFETIME: u16 = 0x000d;
    pub const XOR_PEER: u16 = 0x0012;
    pub const DATA: u16 = 0x0013;
    pub const REALM: u16 = 0x0014;
    pub const NONCE: u16 = 0x0015;
    pub const XOR_RELAYED: u16 = 0x0016;
    pub const REQUESTED_FAMILY: u16 = 0x0017;
    pub const EVEN_PORT: u16 = 0x0018;
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub const DONT_FRAGMENT: u16 = 0x001a;
    pub const INTEGRITY_SHA256: u16 = 0x001c;
    pub const PASSWORD_ALGORITHM: u16 = 0x001d;
    pub const USERHASH: u16 = 0x001e;
    pub const XOR_MAPPED: u16 = 0x0020;
    pub const RESERVATION_TOKEN: u16 = 0x0022;
    pub const PRIORITY: u16 = 0x0024;
    pub const USE_CANDIDATE: u16 = 0x0025;
    pub const PADDING: u16 = 0x0026;
    pub const RESPONSE_PORT: u16 = 0x0027;
    pub const ADDITIONAL_FAMILY: u16 = 0x8000;
    pub const ADDRESS_ERROR_CODE: u16 = 0x8001;
    pub const PASSWORD_ALGORITHMS: u16 = 0x8002;
    /// XOR-MAPPED-ADDRESS before it had a number of its own.
    pub const XOR_MAPPED_OLD: u16 = 0x8020;
    pub const SOFTWARE: u16 = 0x8022;
    pub const ALTERNATE_SERVER: u16 = 0x8023;
    pub const FINGERPRINT: u16 = 0x8028;
    pub const ICE_CONTROLLED: u16 = 0x8029;
    pub const ICE_CONTROLLING: u16 = 0x802a;
    pub const ORIGIN: u16 = 0x802b;
    pub const OTHER: u16 = 0x802c;
}

/// Methods (RFC 8489 section 18.2, RFC 8656 section 17).
#[allow(missing_docs)] // as above
pub mod method {
    pub const BINDING: u16 = 0x001;
    pub const ALLOCATE: u16 = 0x003;
    pub const REFRESH: u16 = 0x004;
    pub const SEND: u16 = 0x006;
    pub const DATA: u16 = 0x007;
    pub const CREATE_PERMISSION: u16 = 0x008;
    pub const CHANNEL_BIND: u16 = 0x009;
}

/// The magic cookie of RFC 8489 section 5.
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// The 96 random bits that tie an answer to its request. For an RFC 3489 message (no cookie) the
/// leading 32 bits of its 128-bit id are in [`Message::cookie`].
pub type TransactionId = [u8; 12];

/// FINGERPRINT of the bytes before it (RFC 8489 section 14.7).
fn fingerprint(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes) ^ 0x5354_554e
}

/// The class of a message (RFC 8489 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// An indication: it wants no answer.
    Indication,
    /// A success response.
    Success,
    /// An error response.
    Error,
}

/// CHANGE-REQUEST (RFC 5780 section 7.2).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
pub struct Change {
    /// Answer from the other address.
    pub ip: bool,
    /// Answer from the other port.
    pub port: bool,
}

impl Change {
    /// Ask for nothing.
    pub const NONE: Self = Self { ip: false, port: false };
    /// Answer from the other port of the same address.
    pub const PORT: Self = Self { ip: false, port: true };
    /// Answer from the other port of the other address.
    pub const BOTH: Self = Self { ip: true, port: true };
    /// Whether anything is asked for.
    #[must_use]
    pub const fn any(self) -> bool {
        self.ip || self.port
    }
}

/// What a lenient reading found in a message. Unreadable optional attributes are `None` here and
/// named in `defects`: they cost a finding, never the mapped address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its class.
    pub class: Class,
    /// The method, 12 bits; [`BINDING`] is 1.
    pub method: u16,
    /// [`MAGIC_COOKIE`], or what an RFC 3489 peer sent in its place.
    pub cookie: u32,
    /// Its transaction id.
    pub id: TransactionId,
    /// XOR-MAPPED-ADDRESS, already un-XORed (also the pre-standard 0x8020 of some servers).
    pub xor_mapped: Option<SocketAddr>,
    /// MAPPED-ADDRESS.
    pub mapped: Option<SocketAddr>,
    /// RESPONSE-ORIGIN, or SOURCE-ADDRESS of RFC 3489.
    pub origin: Option<SocketAddr>,
    /// OTHER-ADDRESS, or CHANGED-ADDRESS of RFC 3489.
    pub other: Option<SocketAddr>,
    /// CHANGE-REQUEST.
    pub change: Option<Change>,
    /// RESPONSE-PORT.
    pub response_port: Option<u16>,
    /// Length of PADDING in bytes.
    pub padding: Option<usize>,
    /// SOFTWARE, made safe to print: control characters replaced, at most 128 characters.
    pub software: Option<String>,
    /// ERROR-CODE and its reason, made safe to print.
    pub error: Option<(u16, String)>,
    /// REALM, made safe to print.
    pub realm: Option<String>,
    /// ALTERNATE-SERVER of a 300.
    pub alternate_server: Option<SocketAddr>,
    /// UNKNOWN-ATTRIBUTES of a 420.
    pub unknown_attributes: Vec<u16>,
    /// Comprehension-required attributes in this message that we do not know.
    pub unknown_required: Vec<u16>,
    /// `Some(true)`: FINGERPRINT is present and right.
    pub fingerprint: Option<bool>,
    /// MESSAGE-INTEGRITY is present (not checked here).
    pub integrity: bool,
    /// What was wrong with optional parts.
    pub defects: Vec<Defect>,
}

impl Message {
    /// The mapped address: XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS.
    #[must_use]
    pub fn reflexive(&self) -> Option<SocketAddr> {
        self.xor_mapped.or(self.mapped)
    }
    /// Whether the peer speaks RFC 3489 (no magic cookie).
    #[must_use]
    pub const fn is_classic(&self) -> bool {
        self.cookie != MAGIC_COOKIE
    }

    /// The word in the cookie's place for an RFC 3489 peer; `None` for a modern one.
    #[must_use]
    pub const fn classic_word(&self) -> Option<u32> {
        if self.is_classic() { Some(self.cookie) } else { None }
    }
}
