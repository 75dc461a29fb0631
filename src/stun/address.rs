//! The value of MAPPED-ADDRESS and its like, and under a key that of XOR-MAPPED-ADDRESS and its
//! like (RFC 8489 sections 14.1 and 14.2).

use super::{MAGIC_COOKIE, TransactionId};
use std::net::{IpAddr, SocketAddr};

/// What is laid over an address: the cookie and the id. Zeros leave it as it is.
pub type Key = [u8; 16];

/// The key of an address that stands there plainly.
pub const PLAIN: Key = [0; 16];

/// The key of the addresses in a message with this id.
#[must_use]
pub fn key(id: TransactionId) -> Key {
    let mut key = PLAIN;
    key[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    key[4..].copy_from_slice(&id);
    key
}

/// Reads a value.
///
/// # Errors
/// What is wrong with it, one clause.
pub fn read(value: &[u8], key: &Key) -> Result<SocketAddr, String> {
    let (&[_, family, high, low], ip) = value.split_first_chunk().ok_or("fewer than 8 bytes")?;
    let port = u16::from_be_bytes([high ^ key[0], low ^ key[1]]);
    let ip = match (family, ip.len()) {
        (1, 4) => IpAddr::from(xor::<4>(ip, key)),
        (2, 16) => IpAddr::from(xor::<16>(ip, key)),
        (1 | 2, length) => {
            return Err(format!("an address of family {family} with {length} bytes"));
        }
        _ => return Err(format!("address family {family}")),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Writes a value: 8 bytes, or 20.
pub fn write(address: SocketAddr, key: &Key, out: &mut Vec<u8>) {
    let [high, low] = address.port().to_be_bytes();
    out.extend([0, if address.is_ipv4() { 1 } else { 2 }, high ^ key[0], low ^ key[1]]);
    match address.ip() {
        IpAddr::V4(ip) => out.extend(xor::<4>(&ip.octets(), key)),
        IpAddr::V6(ip) => out.extend(xor::<16>(&ip.octets(), key)),
    }
}

fn xor<const N: usize>(bytes: &[u8], key: &Key) -> [u8; N] {
    let mut octets = [0; N];
    for ((octet, byte), k) in octets.iter_mut().zip(bytes).zip(key) {
        *octet = byte ^ k;
    }
    octets
}
