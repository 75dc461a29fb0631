//! The bytes that a relay moves all day, laid down and picked up by hand: ChannelData, the Send
//! indication and the Data indication. Everything else goes through the library's types; tests hold
//! the two equal.

use crate::stun::MAGIC_COOKIE;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Longest message over a stream: ChannelData of 65,535 bytes with its header, padded.
pub const LONGEST: usize = 4 + 65_536;

const SEND_INDICATION: u16 = 0x0016;
const DATA_INDICATION: u16 = 0x0017;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA: u16 = 0x0013;

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
        // Allocate, Refresh, CreatePermission, ChannelBind
        0x0003 | 0x0004 | 0x0008 | 0x0009 => Kind::Request,
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
            XOR_PEER_ADDRESS if peer.is_none() => peer = Some(read_address(value, key)?),
            DATA if data.is_none() => data = Some(range),
            XOR_PEER_ADDRESS | DATA | 0x8000.. => {}
            _ => return None,
        }
        at += 4 + length.next_multiple_of(4);
    }
    peer.zip(data)
}

/// An address under the cookie and the id (RFC 8489 section 14.2).
pub(super) fn read_address(value: &[u8], key: [u8; 16]) -> Option<SocketAddr> {
    let (&[_, family, high, low], ip) = value.split_first_chunk()?;
    let port = u16::from_be_bytes([high ^ key[0], low ^ key[1]]);
    let ip = match family {
        1 => {
            let octets: [u8; 4] = ip.try_into().ok()?;
            IpAddr::from(std::array::from_fn::<u8, 4, _>(|n| octets[n] ^ key[n]))
        }
        2 => {
            let octets: [u8; 16] = ip.try_into().ok()?;
            IpAddr::from(std::array::from_fn::<u8, 16, _>(|n| octets[n] ^ key[n]))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// A Data indication to a client (RFC 8656 section 11.4).
pub(super) fn write_data(id: [u8; 12], peer: SocketAddr, payload: &[u8], out: &mut Vec<u8>) {
    let ip = if peer.is_ipv4() { 4 } else { 16 };
    let padded = payload.len().next_multiple_of(4);
    let total = 8 + ip + 4 + padded;
    let (Ok(total), Ok(length)) = (u16::try_from(total), u16::try_from(payload.len())) else {
        return;
    };
    let mut key = [0; 16];
    key[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    key[4..].copy_from_slice(&id);
    out.extend_from_slice(&DATA_INDICATION.to_be_bytes());
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&key);
    let [high, low] = peer.port().to_be_bytes();
    let (family, length_of_address) = if ip == 4 { (1, 8) } else { (2, 20) };
    out.extend_from_slice(&XOR_PEER_ADDRESS.to_be_bytes());
    out.extend_from_slice(&[0, length_of_address, 0, family, high ^ key[0], low ^ key[1]]);
    match peer.ip() {
        IpAddr::V4(v4) => out.extend(v4.octets().iter().zip(key).map(|(octet, k)| octet ^ k)),
        IpAddr::V6(v6) => out.extend(v6.octets().iter().zip(key).map(|(octet, k)| octet ^ k)),
    }
    out.extend_from_slice(&DATA.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(payload);
    out.resize(out.len() + padded - payload.len(), 0);
}
