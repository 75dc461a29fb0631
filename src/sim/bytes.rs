//! Editing STUN messages attribute by attribute, as liars and ALGs do.

use std::net::{IpAddr, SocketAddr};

/// MAPPED-ADDRESS (RFC 8489 section 14.1).
pub const MAPPED_ADDRESS: u16 = 0x0001;
/// UNKNOWN-ATTRIBUTES (RFC 8489 section 14.9).
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
/// XOR-MAPPED-ADDRESS (RFC 8489 section 14.2).
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// SOFTWARE (RFC 8489 section 14.14).
pub const SOFTWARE: u16 = 0x8022;
/// ALTERNATE-SERVER (RFC 8489 section 14.15).
pub const ALTERNATE_SERVER: u16 = 0x8023;
/// RESPONSE-ORIGIN (RFC 5780 section 7.3).
pub const RESPONSE_ORIGIN: u16 = 0x802b;
/// OTHER-ADDRESS (RFC 5780 section 7.4).
pub const OTHER_ADDRESS: u16 = 0x802c;

/// Replaces the value of every attribute of this type by what `edit` makes of it; `None` takes the
/// attribute out. A message that cannot be walked stays as it is.
pub fn edit(message: &mut Vec<u8>, kind: u16, mut edit: impl FnMut(&[u8]) -> Option<Vec<u8>>) {
    let Some(mut out) = message.get(..20).map(<[u8]>::to_vec) else { return };
    let mut rest = message.get(20..).unwrap_or_default();
    while let [t0, t1, l0, l1, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let Some(value) = tail.get(..length) else { return };
        let value =
            if u16::from_be_bytes([*t0, *t1]) == kind { edit(value) } else { Some(value.to_vec()) };
        if let Some(value) = value {
            out.extend([*t0, *t1]);
            out.extend(u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
            out.extend(&value);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        rest = tail.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    count(&mut out);
    *message = out;
}

/// Writes the length of what follows the header into it.
pub fn count(message: &mut Vec<u8>) {
    if let Some(length) = message.len().checked_sub(20) {
        message.splice(2..4, u16::try_from(length).unwrap_or(0).to_be_bytes());
    }
}

/// Adds an attribute at the end, with its padding or without.
pub fn append(message: &mut Vec<u8>, kind: u16, value: &[u8], padded: bool) {
    message.extend(kind.to_be_bytes());
    message.extend(u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
    message.extend(value);
    if padded {
        message.resize(message.len().next_multiple_of(4), 0);
    }
    count(message);
}

/// The value of a MAPPED-ADDRESS, RESPONSE-ORIGIN or OTHER-ADDRESS.
#[must_use]
pub fn address(value: SocketAddr) -> Vec<u8> {
    let mut out = vec![0, if value.is_ipv4() { 1 } else { 2 }];
    out.extend(value.port().to_be_bytes());
    match value.ip() {
        IpAddr::V4(v4) => out.extend(v4.octets()),
        IpAddr::V6(v6) => out.extend(v6.octets()),
    }
    out
}

/// The value of an XOR-MAPPED-ADDRESS; `key` is the cookie and the transaction id.
#[must_use]
pub fn xored(value: SocketAddr, key: &[u8]) -> Vec<u8> {
    let mut out = address(value);
    let (port, ip) = out.split_at_mut(4);
    for part in [&mut port[2..], ip] {
        part.iter_mut().zip(key).for_each(|(byte, k)| *byte ^= k);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_replaced_and_the_length_follows() {
        let other: SocketAddr = "192.0.2.1:7".parse().expect("literal");
        let six: SocketAddr = "[2001:db8::1]:7".parse().expect("literal");
        let mut message = vec![1, 1, 0, 16];
        message.extend([0; 16]);
        message.extend([0x80, 0x2c, 0, 8]);
        message.extend(address(other));
        message.extend([0x80, 0x22, 0, 0]);
        edit(&mut message, OTHER_ADDRESS, |old| {
            assert_eq!(old, address(other));
            Some(address(six))
        });
        assert_eq!(message.len(), 20 + 24 + 4);
        assert_eq!(message[2..4], [0, 28]);
        edit(&mut message, OTHER_ADDRESS, |_| None);
        assert_eq!(message.len(), 24);
    }
}
