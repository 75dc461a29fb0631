//! The bytes that a relay moves all day, laid down and picked up by hand: ChannelData, the Send
//! indication and the Data indication. Tests hold them equal to what the
//! library's types make.

use crate::stun::{Class, MAGIC_COOKIE, TransactionId, Writer, address, method, types};
use std::net::SocketAddr;
use std::ops::Range;

/// Longest message over a stream: ChannelData of 65,535 bytes with its header, padded.
pub const LONGEST: usize = 4 + 65_536;

/// A Send indication: the method under the class.
const SEND_INDICATION: u16 = method::SEND | 0x0010;

/// What the first bytes say a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// ChannelData for this channel with this much data.
    Channel(u16, usize),
    /// A Send indication.
    Send,
    /// A request that a relay answers.
    Request,
    /// Nothing for a relay.
    Other,
}

/// Channel numbers: RFC 8656 section 12 has 0x4000 to 0x4fff, RFC 5766 went to 0x7fff, and older
/// clients still do.
pub(super) const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7fff;

/// Looks at the first bytes.
pub(super) fn kind(bytes: &[u8]) -> Kind {
    let Some((&[a, b, c, d], _)) = bytes.split_first_chunk() else { return Kind::Other };
    let (first, length) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    match first {
        0x4000..=0x7fff => Kind::Channel(first, usize::from(length)),
        SEND_INDICATION => Kind::Send,
        method::ALLOCATE | method::REFRESH | method::CREATE_PERMISSION | method::CHANNEL_BIND => {
            Kind::Request
        }
        _ => Kind::Other,
    }
}

/// Whether a relay has anything to say to this message; a STUN server may have the others.
#[must_use]
pub fn is_turn(bytes: &[u8]) -> bool {
    kind(bytes) != Kind::Other
}

/// The stream holds something that is neither STUN nor ChannelData: its framing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither STUN nor ChannelData")]
pub struct NotTurn;

/// How many bytes the first message in a stream has (RFC 8656 section 12.5: ChannelData is padded
/// to four bytes there); `None` when that cannot be told yet. It may be more than have arrived.
///
/// # Errors
/// The bytes are no such stream.
pub fn frame(stream: &[u8]) -> Result<Option<usize>, NotTurn> {
    if let Some(&first) = stream.first()
        && first >= 0x80
    {
        return Err(NotTurn);
    }
    let Some((&[a, _, c, d], _)) = stream.split_first_chunk() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([c, d]));
    match a {
        0x40..=0x7f => Ok(Some(4 + length.next_multiple_of(4))),
        0x00..=0x3f if length % 4 == 0 => Ok(Some(20 + length)),
        _ => Err(NotTurn),
    }
}

/// The data in a ChannelData message; `None` when there is less of it than it says.
pub(super) fn channel_data(bytes: &[u8], length: usize) -> Option<Range<usize>> {
    (bytes.len() >= 4 + length).then_some(4..4 + length)
}

/// ChannelData to a client; over a stream it is padded.
pub(super) fn write_channel(number: u16, payload: &[u8], pad: bool, out: &mut Vec<u8>) {
    let Ok(length) = u16::try_from(payload.len()) else { return };
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(payload);
    if pad {
        out.resize(out.len().next_multiple_of(4), 0);
    }
}

/// What a Send indication asks for: the peer, and where its DATA is.
///
/// `None`: it is malformed, or holds an attribute that must be understood and is not
/// (DONT-FRAGMENT among them), and is dropped (RFC 8656 section 11.2).
pub(super) fn read_send(bytes: &[u8]) -> Option<(SocketAddr, Range<usize>)> {
    let (header, body) = bytes.split_first_chunk::<20>()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if length != body.len() || header[4..8] != MAGIC_COOKIE.to_be_bytes() {
        return None;
    }
    let key: [u8; 16] = header.get(4..)?.try_into().ok()?;
    let (mut peer, mut data) = (None, None);
    let mut at = 20;
    while let Some((head, _)) = bytes.get(at..)?.split_first_chunk::<4>() {
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let range = at + 4..at + 4 + length;
        let value = bytes.get(range.clone())?;
        match kind {
            types::XOR_PEER if peer.is_none() => peer = Some(address::read(value, &key).ok()?),
            types::DATA if data.is_none() => data = Some(range),
            types::XOR_PEER | types::DATA | 0x8000.. => {}
            _ => return None,
        }
        at += 4 + length.next_multiple_of(4);
    }
    peer.zip(data)
}

/// A Data indication to a client (RFC 8656 section 11.4).
pub(super) fn write_data(id: TransactionId, peer: SocketAddr, payload: &[u8], out: &mut Vec<u8>) {
    let address = if peer.is_ipv4() { 12 } else { 24 };
    if address + 4 + payload.len().next_multiple_of(4) > usize::from(u16::MAX) {
        return;
    }
    let mut write = Writer::new(Class::Indication, method::DATA, id, out);
    write.xor_address(types::XOR_PEER, peer);
    write.attribute(types::DATA, payload);
}
