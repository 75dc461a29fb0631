//! Editing STUN messages attribute by attribute, as liars and ALGs do.

use crate::stun::address::{self, Key};
use std::net::SocketAddr;

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

/// The value of an address: plain, or under the key of XOR-MAPPED-ADDRESS.
#[must_use]
pub fn address(address: SocketAddr, key: &Key) -> Vec<u8> {
    let mut out = Vec::new();
    address::write(address, key, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::{address::PLAIN, types::OTHER};

    #[test]
    fn an_attribute_is_replaced_and_the_length_follows() {
        let other: SocketAddr = "192.0.2.1:7".parse().expect("literal");
        let six: SocketAddr = "[2001:db8::1]:7".parse().expect("literal");
        let mut message = vec![1, 1, 0, 16];
        message.extend([0; 16]);
        message.extend([0x80, 0x2c, 0, 8]);
        message.extend(address(other, &PLAIN));
        message.extend([0x80, 0x22, 0, 0]);
        edit(&mut message, OTHER, |old| {
            assert_eq!(old, address(other, &PLAIN));
            Some(address(six, &PLAIN))
        });
        assert_eq!(message.len(), 20 + 24 + 4);
        assert_eq!(message[2..4], [0, 28]);
        edit(&mut message, OTHER, |_| None);
        assert_eq!(message.len(), 24);
    }
}
