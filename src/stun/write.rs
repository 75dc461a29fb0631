//! Encoding, by stun-rs; the success that servers send all day is laid down.

use super::{Change, Class, TransactionId, Writer, types};
use std::net::SocketAddr;
use stun_rs::attributes::discovery::{
    ChangeRequest, ChangeRequestFlags, OtherAddress, Padding, ResponseOrigin, ResponsePort,
};
use stun_rs::attributes::stun::{
    ErrorCode, Fingerprint, MappedAddress, Software, UnknownAttributes, XorMappedAddress,
};
use stun_rs::methods::BINDING;
use stun_rs::{
    MessageClass, MessageEncoder, MessageEncoderBuilder, StunMessage, StunMessageBuilder,
};

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

/// Longest SOFTWARE written here, in bytes (RFC 8489 section 14.14: fewer than 128 characters).
const LONGEST_SOFTWARE: usize = 127;
/// Bytes enough for a header and every attribute but PADDING and a long SOFTWARE.
const SMALL: usize = 1500;

/// The bytes of a Binding request.
#[must_use]
pub fn encode_request(id: TransactionId, request: Request) -> Vec<u8> {
    let mut message =
        StunMessageBuilder::new(BINDING, MessageClass::Request).with_transaction_id(id.into());
    if request.change.any() {
        let wanted = [
            (request.change.ip, ChangeRequestFlags::ChangeIp),
            (request.change.port, ChangeRequestFlags::ChangePort),
        ];
        let flags = wanted.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag).collect();
        message = message.with_attribute(ChangeRequest::new(Some(flags)));
    }
    if let Some(port) = request.response_port {
        message = message.with_attribute(ResponsePort::from(port));
    }
    let mut out = Vec::new();
    encode(&message.build(), SMALL, &mut out);
    out
}

/// The bytes of a Binding success response, into `out` (cleared first; left empty when it cannot
/// be encoded).
pub fn encode_success(id: TransactionId, response: &Success<'_>, out: &mut Vec<u8>) {
    if let Some(word) = response.classic {
        return classic_success(word, id, response, out);
    }
    if quick_success(id, response, out) {
        return;
    }
    full_success(id, response, out);
}

/// The common success, laid down: built by stun-rs it costs a boxed attribute each and a zeroed
/// buffer. False when it is not one for here; a test holds the two equal byte for byte.
pub(super) fn quick_success(id: TransactionId, response: &Success<'_>, out: &mut Vec<u8>) -> bool {
    let software = response.software.unwrap_or_default();
    let plain = software.len() <= LONGEST_SOFTWARE && software.is_ascii();
    if response.padding.is_some() || response.classic.is_some() || !plain {
        return false;
    }
    out.clear();
    let mut write = Writer::new(Class::Success, super::BINDING, id, out);
    write.xor_address(types::XOR_MAPPED, response.mapped);
    write.address(types::MAPPED, response.mapped);
    if let Some(origin) = response.origin {
        write.address(types::ORIGIN, origin);
    }
    if let Some(other) = response.other {
        write.address(types::OTHER, other);
    }
    if response.software.is_some() {
        write.text(types::SOFTWARE, software);
    }
    if response.fingerprint {
        write.fingerprint();
    }
    true
}

/// Every success that has a cookie, by stun-rs.
pub(super) fn full_success(id: TransactionId, response: &Success<'_>, out: &mut Vec<u8>) {
    let split = |a: SocketAddr| (a.ip(), a.port());
    let (ip, port) = split(response.mapped);
    let mut message = StunMessageBuilder::new(BINDING, MessageClass::SuccessResponse)
        .with_transaction_id(id.into())
        .with_attribute(XorMappedAddress::from(response.mapped))
        .with_attribute(MappedAddress::new(ip, port));
    if let Some((ip, port)) = response.origin.map(split) {
        message = message.with_attribute(ResponseOrigin::new(ip, port));
    }
    if let Some((ip, port)) = response.other.map(split) {
        message = message.with_attribute(OtherAddress::new(ip, port));
    }
    if let Some(software) = response.software.and_then(|s| Software::new(s).ok()) {
        message = message.with_attribute(software);
    }
    let padding = response.padding.unwrap_or(0);
    if let Some(padding) = response.padding.and_then(|n| Padding::new("0".repeat(n)).ok()) {
        message = message.with_attribute(padding);
    }
    if response.fingerprint {
        message = message.with_attribute(Fingerprint::default());
    }
    encode(&message.build(), SMALL + padding, out);
}

/// The bytes of a Binding error response, into `out` (cleared first; left empty when it cannot be
/// encoded).
pub fn encode_error(id: TransactionId, response: &ErrorResponse<'_>, out: &mut Vec<u8>) {
    if let Some(word) = response.classic {
        return classic_error(word, id, response, out);
    }
    let mut message = StunMessageBuilder::new(BINDING, MessageClass::ErrorResponse)
        .with_transaction_id(id.into());
    if let Ok(code) = stun_rs::ErrorCode::new(response.code, response.reason) {
        message = message.with_attribute(ErrorCode::from(code));
    }
    if !response.unknown.is_empty() {
        message = message.with_attribute(UnknownAttributes::from(response.unknown));
    }
    if let Some(software) = response.software.and_then(|s| Software::new(s).ok()) {
        message = message.with_attribute(software);
    }
    if response.fingerprint {
        message = message.with_attribute(Fingerprint::default());
    }
    encode(&message.build(), SMALL, out);
}

fn encode(message: &StunMessage, room: usize, out: &mut Vec<u8>) {
    out.clear();
    out.resize(room, 0);
    let encoder: MessageEncoder = MessageEncoderBuilder::default().build();
    let length = encoder.encode(out, message).unwrap_or(0);
    out.truncate(length);
}

/// RFC 3489 section 11.2: no cookie, no XOR. stun-rs knows only messages with a cookie.
fn classic_success(word: u32, id: TransactionId, response: &Success<'_>, out: &mut Vec<u8>) {
    out.clear();
    let mut write = Writer::with_word(Class::Success, super::BINDING, word, id, out);
    write.address(types::MAPPED, response.mapped);
    if let Some(origin) = response.origin {
        write.address(types::SOURCE, origin);
    }
    if let Some(other) = response.other {
        write.address(types::CHANGED, other);
    }
}

fn classic_error(word: u32, id: TransactionId, response: &ErrorResponse<'_>, out: &mut Vec<u8>) {
    out.clear();
    let mut write = Writer::with_word(Class::Error, super::BINDING, word, id, out);
    let hundreds = u8::try_from(response.code / 100).unwrap_or(5);
    let rest = u8::try_from(response.code % 100).unwrap_or(0);
    // RFC 3489 section 11.2.9: the reason is a multiple of four bytes.
    let mut value = vec![0, 0, hundreds, rest];
    value.extend(response.reason.bytes().take(120));
    value.resize(value.len().next_multiple_of(4), b' ');
    write.attribute(types::ERROR_CODE, &value);
    if !response.unknown.is_empty() {
        // Section 11.2.10: an odd number is filled up by repeating one.
        let last = response.unknown.last().filter(|_| response.unknown.len() % 2 == 1);
        let unknown = response.unknown.iter().chain(last);
        let value: Vec<u8> = unknown.flat_map(|kind| kind.to_be_bytes()).collect();
        write.attribute(types::UNKNOWN_ATTRIBUTES, &value);
    }
}
