//! Encoding, by stun-rs.

use super::{Change, TransactionId};
use std::net::SocketAddr;

/// A Binding request to encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// CHANGE-REQUEST, left out when it asks for nothing.
    pub change: Change,
    /// RESPONSE-PORT.
    pub response_port: Option<u16>,
}

/// A Binding success response to encode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success<'a> {
    /// Where the request came from: XOR-MAPPED-ADDRESS and MAPPED-ADDRESS.
    pub mapped: SocketAddr,
    /// RESPONSE-ORIGIN.
    pub origin: Option<SocketAddr>,
    /// OTHER-ADDRESS.
    pub other: Option<SocketAddr>,
    /// SOFTWARE.
    pub software: Option<&'a str>,
    /// Length of PADDING in bytes.
    pub padding: Option<usize>,
    /// Whether to end with FINGERPRINT.
    pub fingerprint: bool,
    /// `Some(cookie word)`: the peer speaks RFC 3489; answer with MAPPED-ADDRESS, SOURCE-ADDRESS,
    /// CHANGED-ADDRESS only, and its 128-bit id.
    pub classic: Option<u32>,
}

/// A Binding error response to encode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorResponse<'a> {
    /// ERROR-CODE, 300 to 699.
    pub code: u16,
    /// Its reason phrase.
    pub reason: &'a str,
    /// UNKNOWN-ATTRIBUTES of a 420.
    pub unknown: &'a [u16],
    /// SOFTWARE.
    pub software: Option<&'a str>,
    /// Whether to end with FINGERPRINT.
    pub fingerprint: bool,
    /// As in [`Success::classic`].
    pub classic: Option<u32>,
}

/// The bytes of a Binding request.
#[must_use]
pub fn encode_request(_id: TransactionId, _request: Request) -> Vec<u8> {
    todo!()
}

/// The bytes of a Binding success response, into `out` (cleared first).
pub fn encode_success(_id: TransactionId, _response: &Success<'_>, _out: &mut Vec<u8>) {
    todo!()
}

/// The bytes of a Binding error response, into `out` (cleared first).
pub fn encode_error(_id: TransactionId, _response: &ErrorResponse<'_>, _out: &mut Vec<u8>) {
    todo!()
}
