//! The common success response laid down by hand.
//!
//! A server sends this one message for all but every request. Built by stun-rs it costs a boxed
//! attribute each and a zeroed buffer; laid down it is some hundred bytes of copying. A test holds
//! the two equal byte for byte; whatever is not handled here is left to stun-rs.

use super::{BINDING, Class, Success, TransactionId, Writer, types};

/// Longest SOFTWARE written here, in bytes (RFC 8489 section 14.14: fewer than 128 characters).
const LONGEST_SOFTWARE: usize = 127;

/// Writes the response to `out` (cleared first); false when it is not one for here.
pub(super) fn success(id: TransactionId, response: &Success<'_>, out: &mut Vec<u8>) -> bool {
    let software = response.software.unwrap_or_default();
    let plain = software.len() <= LONGEST_SOFTWARE && software.is_ascii();
    if response.padding.is_some() || response.classic.is_some() || !plain {
        return false;
    }
    out.clear();
    let mut write = Writer::new(Class::Success, BINDING, id, out);
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
