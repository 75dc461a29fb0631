//! The lenient reader: a TLV walk over what came from the field.

use super::Message;

/// What was wrong with an optional part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The attribute's type.
    pub attribute: u16,
    /// One clause, such as `address family 0`.
    pub what: String,
}

/// Why bytes are not a STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Fewer than 20 bytes, or fewer than the header says.
    #[error("too short for a STUN message")]
    Short,
    /// The two leading bits are not zero (RTP, TURN channel data, DTLS, anything).
    #[error("not a STUN message")]
    NotStun,
    /// The length is not a multiple of four or runs past the datagram.
    #[error("the length in the header does not fit the datagram")]
    Length,
}

/// Reads one datagram.
///
/// # Errors
/// When it is not a STUN message at all; everything else is a [`Defect`].
pub fn read(_bytes: &[u8]) -> Result<Message, ReadError> {
    todo!()
}
