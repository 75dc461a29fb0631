//! Messages in a stream (RFC 8656 section 12.5): STUN by the length in its header, `ChannelData`
//! padded to four bytes. turn-client-proto neither pads nor strips the padding, so it is given
//! one whole message at a time.

/// What the stream holds next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// More bytes are needed.
    More,
    /// One message, without padding.
    Message(Vec<u8>),
    /// Not TURN; there is no way to find the next message.
    Nonsense(String),
}

/// The bytes that have come and were not taken yet. Never more than one message and one read.
#[derive(Debug, Default)]
pub(super) struct Stream {
    bytes: Vec<u8>,
    /// How many at the front were taken already.
    taken: usize,
    /// Whether a channel was ever asked for: only then can there be `ChannelData`.
    pub(super) channels: bool,
}

impl Stream {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn next(&mut self) -> Next {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((&[a, _, c, d], tail)) = rest.split_first_chunk::<4>() else { return Next::More };
        let length = usize::from(u16::from_be_bytes([c, d]));
        let (length, padded) = match a >> 6 {
            0 => {
                let cookie = tail.first_chunk::<4>();
                let foreign = cookie
                    .is_some_and(|cookie| u32::from_be_bytes(*cookie) != crate::stun::MAGIC_COOKIE);
                if foreign || length % 4 != 0 {
                    return Next::Nonsense(shown(rest));
                }
                (20 + length, 20 + length)
            }
            1 if self.channels => (4 + length, (4 + length).next_multiple_of(4)),
            _ => return Next::Nonsense(shown(rest)),
        };
        if rest.len() < padded {
            return Next::More;
        }
        let message = rest[..length].to_vec();
        self.taken += padded;
        Next::Message(message)
    }
}

/// Pads what goes into the stream.
pub(super) fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// The beginning of what is not TURN, safe to print: as text when it is text.
pub(super) fn shown(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(40)];
    let line = start.split(|&b| b == b'\r' || b == b'\n').next().unwrap_or_default();
    let text = line.len() >= 3 && line.iter().all(|b| (0x20..0x7f).contains(b));
    if text {
        return format!("`{}`", crate::stun::text::safe(line));
    }
    let hex: Vec<String> = start.iter().take(12).map(|b| format!("{b:02x}")).collect();
    format!("{} bytes that begin with {}", bytes.len(), hex.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Vec<u8> {
        crate::stun::encode_request([7; 12], crate::stun::Request::default())
    }

    #[test]
    fn messages_come_out_whole_however_the_stream_is_cut() {
        let mut wire = binding();
        let mut channel = vec![0x40, 0, 0, 5, 1, 2, 3, 4, 5];
        pad(&mut channel);
        assert_eq!(channel.len(), 12);
        wire.extend(&channel);
        wire.extend(binding());
        for size in 1..wire.len() {
            let mut stream = Stream { channels: true, ..Stream::default() };
            let mut out = Vec::new();
            for part in wire.chunks(size) {
                stream.push(part);
                while let Next::Message(message) = stream.next() {
                    out.push(message);
                }
            }
            let expected = [binding(), vec![0x40, 0, 0, 5, 1, 2, 3, 4, 5], binding()];
            assert_eq!(out, expected, "in parts of {size}");
        }
    }

    #[test]
    fn another_service_is_shown() {
        let mut stream = Stream::default();
        stream.push(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        // `HT` could begin channel data, but no channel was asked for
        assert!(
            matches!(stream.next(), Next::Nonsense(what) if what == "`HTTP/1.1 400 Bad Request`")
        );
        let mut stream = Stream::default();
        stream.push(b"\xff\xfb\x01 telnet");
        assert!(matches!(stream.next(), Next::Nonsense(what) if what.contains("ff fb 01")));
        assert_eq!(shown(b"SSH-2.0-OpenSSH_9.6\r\n"), "`SSH-2.0-OpenSSH_9.6`");
        assert_eq!(shown(b"\x1b[31m"), "5 bytes that begin with 1b 5b 33 31 6d");
    }
}
