//! The common success response laid down by hand.
//!
//! A server sends this one message for all but every request. Built by stun-rs it costs a boxed
//! attribute each and a zeroed buffer; laid down it is some hundred bytes of copying. A test holds
//! the two equal byte for byte; whatever is not handled here is left to stun-rs.

use super::{MAGIC_COOKIE, Success, TransactionId, types};
use std::net::{IpAddr, SocketAddr};

/// Longest SOFTWARE written here, in bytes (RFC 8489 section 14.14: fewer than 128 characters).
const LONGEST_SOFTWARE: usize = 127;

/// Writes the response to `out` (cleared first); false when it is not one for here.
pub(super) fn success(id: TransactionId, response: &Success<'_>, out: &mut Vec<u8>) -> bool {
    let software = response.software.unwrap_or_default();
    let plain = software.len() <= LONGEST_SOFTWARE && software.is_ascii();
    if response.padding.is_some() || response.classic.is_some() || !plain {
        return false;
    }
    let mut key = [0; 16];
    key[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    key[4..].copy_from_slice(&id);
    out.clear();
    out.extend([0x01, 0x01, 0, 0]);
    out.extend(key);
    address(types::XOR_MAPPED, response.mapped, &key, out);
    address(types::MAPPED, response.mapped, &[0; 16], out);
    if let Some(origin) = response.origin {
        address(types::ORIGIN, origin, &[0; 16], out);
    }
    if let Some(other) = response.other {
        address(types::OTHER, other, &[0; 16], out);
    }
    if response.software.is_some() {
        attribute(types::SOFTWARE, software.as_bytes(), out);
    }
    // FINGERPRINT is computed over a header that counts it already (RFC 8489 section 14.7).
    set_length(out, if response.fingerprint { 8 } else { 0 });
    if response.fingerprint {
        let value = crc32fast::hash(out) ^ 0x5354_554e;
        attribute(types::FINGERPRINT, &value.to_be_bytes(), out);
    }
    true
}

/// MAPPED-ADDRESS, or with the cookie and the id for a key XOR-MAPPED-ADDRESS (RFC 8489 sections
/// 14.1 and 14.2).
fn address(kind: u16, address: SocketAddr, key: &[u8; 16], out: &mut Vec<u8>) {
    let port = address.port() ^ u16::from_be_bytes([key[0], key[1]]);
    let [high, low] = port.to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => {
            let mut value = [0, 1, high, low, 0, 0, 0, 0];
            fill(&mut value[4..], ip.octets(), key);
            attribute(kind, &value, out);
        }
        IpAddr::V6(ip) => {
            let mut value = [0; 20];
            value[..4].copy_from_slice(&[0, 2, high, low]);
            fill(&mut value[4..], ip.octets(), key);
            attribute(kind, &value, out);
        }
    }
}

fn fill<const N: usize>(value: &mut [u8], octets: [u8; N], key: &[u8; 16]) {
    for ((byte, octet), k) in value.iter_mut().zip(octets).zip(key) {
        *byte = octet ^ k;
    }
}

fn attribute(kind: u16, value: &[u8], out: &mut Vec<u8>) {
    let [k, ind] = kind.to_be_bytes();
    let [high, low] = u16::try_from(value.len()).unwrap_or(0).to_be_bytes();
    out.extend([k, ind, high, low]);
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Counts what follows the header, and `more` bytes still to come.
fn set_length(out: &mut [u8], more: usize) {
    let length = (out.len() + more).saturating_sub(20);
    if let Some(slot) = out.get_mut(2..4) {
        slot.copy_from_slice(&u16::try_from(length).unwrap_or(0).to_be_bytes());
    }
}
