//! The lenient reader: a TLV walk over what came from the field (RFC 8489 section 5 and 14).
//!
//! stun-rs rejects a whole message for one malformed optional attribute, the mapped address
//! included; here it costs a [`Defect`].

use super::{Change, Class, Message, address, layout, text, types};

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
#[non_exhaustive]
pub enum ReadError {
    /// Fewer than 20 bytes.
    #[error("too short for a STUN message")]
    Short,
    /// The two leading bits are not zero (RTP, TURN channel data, DTLS, anything).
    #[error("not a STUN message")]
    NotStun,
    /// The length is not a multiple of four or does not fit the datagram.
    #[error("the header says that {says} bytes follow, and {has} do")]
    Length {
        /// In the header.
        says: usize,
        /// In the datagram.
        has: usize,
    },
}

/// Attributes a message may hold before the rest is left unread: no honest one has so many.
pub(super) const MOST_ATTRIBUTES: usize = 64;

/// Reads one datagram.
///
/// # Errors
/// When it is not a STUN message at all; everything else is a [`Defect`].
pub fn read(bytes: &[u8]) -> Result<Message, ReadError> {
    let (mut message, length, body) = begin(bytes)?;
    if length % 4 != 0 || length != body.len() {
        return Err(ReadError::Length { says: length, has: body.len() });
    }
    walk(bytes, body, &mut message);
    Ok(message)
}

/// Reads one datagram whose framing may be damaged where no doubt about its content follows: bytes
/// after the message, attributes that are not padded, a length that counts the padding otherwise
/// than the sender did, or the header too. What is in order reads as by [`read`]; what is not is a
/// [`Defect`] of attribute 0.
///
/// # Errors
/// As [`read`], when the attributes cannot be told apart either.
pub fn read_damaged(bytes: &[u8]) -> Result<Message, ReadError> {
    let (mut message, says, body) = begin(bytes)?;
    let wrong = ReadError::Length { says, has: body.len() };
    let Some((used, places)) = layout::of(body, says) else {
        return if says == body.len() { read(bytes) } else { Err(wrong) };
    };
    if used < body.len() {
        let after = body.len() - used;
        defect(&mut message, 0, format!("{after} more bytes after the message"));
    } else if says != used {
        defect(&mut message, 0, wrong.to_string());
    }
    if let Some(place) = places.iter().find(|place| !place.padded) {
        let what = format!("no padding behind its {} bytes", place.length);
        defect(&mut message, place.kind(body), what);
    } else if used % 4 != 0 && says == used {
        defect(&mut message, 0, format!("its length of {used} bytes is not a multiple of four"));
    }
    let whole = &bytes[..20 + used];
    for place in places {
        let (kind, value) = (place.kind(body), place.value(body));
        if let Err(what) = attribute(whole, 20 + place.at, kind, value, &mut message) {
            defect(&mut message, kind, what);
        }
    }
    Ok(message)
}

/// What the header says: an empty message, the length of what follows, and what follows.
fn begin(bytes: &[u8]) -> Result<(Message, usize, &[u8]), ReadError> {
    let (header, body) = bytes.split_first_chunk::<20>().ok_or(ReadError::Short)?;
    let kind = be16(header, 0);
    if kind & 0xc000 != 0 {
        return Err(ReadError::NotStun);
    }
    Ok((empty(kind, header), usize::from(be16(header, 2)), body))
}

fn empty(kind: u16, header: &[u8; 20]) -> Message {
    let mut id = [0; 12];
    id.copy_from_slice(&header[8..20]);
    Message {
        class: match kind & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        },
        method: (kind & 0x000f) | (kind & 0x00e0) >> 1 | (kind & 0x3e00) >> 2,
        cookie: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        id,
        xor_mapped: None,
        mapped: None,
        origin: None,
        other: None,
        change: None,
        response_port: None,
        padding: None,
        software: None,
        error: None,
        realm: None,
        alternate_server: None,
        unknown_attributes: Vec::new(),
        unknown_required: Vec::new(),
        fingerprint: None,
        integrity: false,
        defects: Vec::new(),
    }
}

fn walk(whole: &[u8], body: &[u8], message: &mut Message) {
    let mut rest = body;
    for _ in 0..MOST_ATTRIBUTES {
        let Some((head, tail)) = rest.split_first_chunk::<4>() else { return };
        let (kind, length) = (be16(head, 0), usize::from(be16(head, 2)));
        let Some(value) = tail.get(..length) else {
            defect(message, kind, format!("it says {length} bytes, {} are left", tail.len()));
            return;
        };
        if let Err(what) = attribute(whole, whole.len() - rest.len(), kind, value, message) {
            defect(message, kind, what);
        }
        // RFC 3489 has no padding: its attributes are multiples of four by definition.
        rest = tail.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

fn defect(message: &mut Message, attribute: u16, what: String) {
    message.defects.push(Defect { attribute, what });
}

/// Takes one attribute; of two of one type the first counts (RFC 8489 section 14).
fn attribute(
    whole: &[u8],
    offset: usize,
    kind: u16,
    value: &[u8],
    message: &mut Message,
) -> Result<(), String> {
    // Whatever follows the integrity is not covered by it and not believed (section 14.5), but
    // for the fingerprint.
    if message.integrity && kind != types::FINGERPRINT && kind != types::INTEGRITY_SHA256 {
        return Ok(());
    }
    match kind {
        types::MAPPED
        | types::XOR_MAPPED
        | types::XOR_MAPPED_OLD
        | types::SOURCE
        | types::CHANGED
        | types::ORIGIN
        | types::OTHER
        | types::ALTERNATE_SERVER => addresses(whole, kind, value, message)?,
        types::CHANGE_REQUEST => {
            let flags = fixed::<4>(value)?[3];
            let change = Change { ip: flags & 4 != 0, port: flags & 2 != 0 };
            message.change.get_or_insert(change);
        }
        types::RESPONSE_PORT => {
            let port = value.first_chunk::<2>().ok_or("fewer than 2 bytes")?;
            message.response_port.get_or_insert(u16::from_be_bytes(*port));
        }
        types::PADDING => {
            message.padding.get_or_insert(value.len());
        }
        types::SOFTWARE => {
            message.software.get_or_insert_with(|| text::safe(value));
            if std::str::from_utf8(value).is_err() {
                return Err("SOFTWARE is not UTF-8".to_owned());
            }
        }
        types::ERROR_CODE => error_code(value, message)?,
        types::UNKNOWN_ATTRIBUTES => {
            let pairs = value.chunks_exact(2);
            message.unknown_attributes = pairs.map(|pair| be16(pair, 0)).collect();
        }
        types::FINGERPRINT => {
            // One that cannot be read is not right.
            message.fingerprint = Some(false);
            let right = whole.len() == offset + 8
                && u32::from_be_bytes(fixed::<4>(value)?) == super::fingerprint(&whole[..offset]);
            message.fingerprint = Some(right);
        }
        types::INTEGRITY | types::INTEGRITY_SHA256 => message.integrity = true,
        // RESPONSE-ADDRESS, CHANGED... of RFC 3489 and the credentials: known, of no use here.
        types::REALM => {
            message.realm.get_or_insert_with(|| text::safe(value));
        }
        types::USERNAME | types::NONCE => {}
        kind if kind < 0x8000 => message.unknown_required.push(kind),
        _ => {}
    }
    Ok(())
}

fn addresses(whole: &[u8], kind: u16, value: &[u8], message: &mut Message) -> Result<(), String> {
    let xor = matches!(kind, types::XOR_MAPPED | types::XOR_MAPPED_OLD);
    // The key is the cookie and the id, wherever the message says they are (bytes 4 to 19).
    let key = whole.get(4..20).filter(|_| xor).and_then(|key| key.try_into().ok());
    let address = address::read(value, &key.unwrap_or(address::PLAIN))?;
    let slot = match kind {
        types::MAPPED => &mut message.mapped,
        types::XOR_MAPPED | types::XOR_MAPPED_OLD => &mut message.xor_mapped,
        types::SOURCE | types::ORIGIN => &mut message.origin,
        types::ALTERNATE_SERVER => &mut message.alternate_server,
        _ => &mut message.other,
    };
    slot.get_or_insert(address);
    Ok(())
}

fn error_code(value: &[u8], message: &mut Message) -> Result<(), String> {
    let (head, reason) = value.split_first_chunk::<4>().ok_or("fewer than 4 bytes")?;
    let (class, number) = (u16::from(head[2] & 7), u16::from(head[3]));
    message.error.get_or_insert_with(|| (class * 100 + number, text::safe(reason)));
    if number > 99 { Err(format!("error number {number}")) } else { Ok(()) }
}

fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], String> {
    value.try_into().map_err(|_| format!("{} bytes instead of {N}", value.len()))
}

/// Two bytes at `at`; the callers have checked the length.
pub(super) fn be16(bytes: &[u8], at: usize) -> u16 {
    let byte = |i: usize| bytes.get(i).copied().unwrap_or_default();
    u16::from_be_bytes([byte(at), byte(at + 1)])
}
