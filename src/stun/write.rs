//! What a server answers to a Binding request.

use super::{BINDING, Class, TransactionId, Writer, types};
use std::net::SocketAddr;

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

/// Longest SOFTWARE written here, in bytes (RFC 8489 section 14.14).
const LONGEST_SOFTWARE: usize = 509;

/// The bytes of a Binding success response, into `out` (cleared first).
pub fn encode_success(id: TransactionId, response: &Success<'_>, out: &mut Vec<u8>) {
    out.clear();
    if let Some(word) = response.classic {
        return classic_success(word, id, response, out);
    }
    let mut write = Writer::new(Class::Success, BINDING, id, out);
    write.xor_address(types::XOR_MAPPED, response.mapped);
    write.address(types::MAPPED, response.mapped);
    if let Some(origin) = response.origin {
        write.address(types::ORIGIN, origin);
    }
    if let Some(other) = response.other {
        write.address(types::OTHER, other);
    }
    add_software(&mut write, response.software);
    if let Some(padding) = response.padding {
        write.attribute(types::PADDING, "0".repeat(padding).as_bytes());
    }
    if response.fingerprint {
        write.fingerprint();
    }
}

/// The bytes of a Binding error response, into `out` (cleared first).
pub fn encode_error(id: TransactionId, response: &ErrorResponse<'_>, out: &mut Vec<u8>) {
    out.clear();
    if let Some(word) = response.classic {
        return classic_error(word, id, response, out);
    }
    let mut write = Writer::new(Class::Error, BINDING, id, out);
    write.error(None, response.code, response.reason);
    if !response.unknown.is_empty() {
        let first = |(n, kind): &(usize, &u16)| !response.unknown[..*n].contains(kind);
        write.unknown(response.unknown.iter().enumerate().filter(first).map(|(_, kind)| kind));
    }
    add_software(&mut write, response.software);
    if response.fingerprint {
        write.fingerprint();
    }
}

fn add_software(write: &mut Writer<'_>, software: Option<&str>) {
    if let Some(software) = software.filter(|software| software.len() <= LONGEST_SOFTWARE) {
        write.text(types::SOFTWARE, software);
    }
}

/// RFC 3489 section 11.2: no cookie, no XOR.
fn classic_success(word: u32, id: TransactionId, response: &Success<'_>, out: &mut Vec<u8>) {
    let mut write = Writer::with_word(Class::Success, BINDING, word, id, out);
    write.address(types::MAPPED, response.mapped);
    if let Some(origin) = response.origin {
        write.address(types::SOURCE, origin);
    }
    if let Some(other) = response.other {
        write.address(types::CHANGED, other);
    }
}

fn classic_error(word: u32, id: TransactionId, response: &ErrorResponse<'_>, out: &mut Vec<u8>) {
    let mut write = Writer::with_word(Class::Error, BINDING, word, id, out);
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
        write.unknown(response.unknown.iter().chain(last));
    }
}
