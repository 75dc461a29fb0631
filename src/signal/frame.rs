//! Frames of WebSocket (RFC 6455 section 5), as a server has them: what clients send is masked, and
//! put together from pieces; what they are sent is not.
//!
//! By hand, because what bounds it must lie here: a message takes only the memory that has arrived,
//! and gives it back; and frames that carry nothing (pings, empty pieces) are counted, however they
//! are cut.

use crate::ground::limit::{Bucket, Limit};
use std::time::Duration;

/// Longest header, in bytes: two, a length of eight, a mask.
const LONGEST_HEADER: usize = 14;
/// Longest payload of a control frame (section 5.5).
const LONGEST_CONTROL: usize = 125;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// What a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A whole message.
    Text(String),
    /// A whole message that is not text.
    Binary,
    /// To be answered by [`pong`] with the same bytes.
    Ping(Vec<u8>),
    /// Needs no answer.
    Pong,
    /// The client takes leave.
    Close,
}

/// Why nothing more can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A message is longer than it may be.
    TooLong,
    /// Too many frames a second.
    TooFast,
    /// Against RFC 6455.
    Protocol,
}

/// Puts messages together.
#[derive(Debug)]
pub struct Frames {
    longest: usize,
    rate: Limit,
    bucket: Bucket,
    header: [u8; LONGEST_HEADER],
    have: usize,
    frame: Option<Frame>,
    /// Whether the message that is being put together is text; `None` between messages.
    text: Option<bool>,
    message: Vec<u8>,
    control: Vec<u8>,
}

/// The frame that is being read.
#[derive(Debug, Clone, Copy)]
struct Frame {
    code: u8,
    is_final: bool,
    mask: [u8; 4],
    left: usize,
    done: usize,
}

impl Frames {
    /// For messages of up to `longest` bytes.
    #[must_use]
    pub fn new(now: Duration, longest: usize, rate: Limit) -> Self {
        Self {
            longest,
            rate,
            bucket: Bucket::new(now, rate),
            header: [0; LONGEST_HEADER],
            have: 0,
            frame: None,
            text: None,
            message: Vec::new(),
            control: Vec::new(),
        }
    }

    /// How much memory a message that is not whole yet takes, in bytes.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.message.capacity()
    }

    /// Reads on: how many of the bytes were taken, and what they made whole. To be called until all
    /// are taken.
    ///
    /// # Errors
    /// The connection is to be closed.
    pub fn read(&mut self, now: Duration, bytes: &[u8]) -> Result<(usize, Option<Heard>), Broken> {
        let mut at = 0;
        loop {
            let mut frame = match self.frame {
                Some(frame) => frame,
                None => match self.head(now, bytes, &mut at)? {
                    Some(frame) => frame,
                    None => return Ok((at, None)),
                },
            };
            let piece = bytes.get(at..).unwrap_or_default();
            let piece = piece.get(..frame.left.min(piece.len())).unwrap_or_default();
            let into = if frame.code >= CLOSE { &mut self.control } else { &mut self.message };
            let start = into.len();
            into.extend_from_slice(piece);
            let mut mask = frame.mask;
            mask.rotate_left(frame.done % 4);
            for four in into.get_mut(start..).unwrap_or_default().chunks_mut(4) {
                four.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
            }
            at += piece.len();
            frame.done += piece.len();
            frame.left -= piece.len();
            if frame.left > 0 {
                self.frame = Some(frame);
                return Ok((at, None));
            }
            self.frame = None;
            self.have = 0;
            if let Some(heard) = self.whole(frame)? {
                return Ok((at, Some(heard)));
            }
        }
    }

    /// Reads a header; `None` when more of it must come.
    fn head(
        &mut self,
        now: Duration,
        bytes: &[u8],
        at: &mut usize,
    ) -> Result<Option<Frame>, Broken> {
        loop {
            let needed = self.needed();
            if self.have >= needed {
                let frame = self.frame_of_header()?;
                if !self.bucket.take(now, 1, self.rate) {
                    return Err(Broken::TooFast);
                }
                self.frame = Some(frame);
                return Ok(Some(frame));
            }
            let Some(&byte) = bytes.get(*at) else { return Ok(None) };
            *at += 1;
            if let Some(place) = self.header.get_mut(self.have) {
                *place = byte;
            }
            self.have += 1;
        }
    }

    /// How long the header is, as far as can be told.
    const fn needed(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        match self.header[1] & !MASKED {
            126 => 8,
            127 => LONGEST_HEADER,
            _ => 6,
        }
    }

    fn frame_of_header(&self) -> Result<Frame, Broken> {
        let [first, second, rest @ ..] = self.header;
        let code = first & 0x0f;
        let is_final = first & FINAL != 0;
        let short = usize::from(second & !MASKED);
        let (length, mask) = match short {
            126 => {
                let [a, b, m @ ..] = rest;
                (usize::from(u16::from_be_bytes([a, b])), [m[0], m[1], m[2], m[3]])
            }
            127 => {
                let long = u64::from_be_bytes(*rest.first_chunk().unwrap_or(&[0xff; 8]));
                let mask = [rest[8], rest[9], rest[10], rest[11]];
                (usize::try_from(long).unwrap_or(usize::MAX), mask)
            }
            _ => (short, [rest[0], rest[1], rest[2], rest[3]]),
        };
        let known = matches!(code, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
        let control = code >= CLOSE;
        // sections 5.2, 5.4, 5.5: no extension was agreed on, clients mask, controls are short and
        // whole, and a message's pieces follow its first
        if first & 0x70 != 0
            || second & MASKED == 0
            || !known
            || control && (!is_final || length > LONGEST_CONTROL)
            || !control && (code == CONTINUATION) != self.text.is_some()
        {
            return Err(Broken::Protocol);
        }
        if !control && length > self.longest.saturating_sub(self.message.len()) {
            return Err(Broken::TooLong);
        }
        Ok(Frame { code, is_final, mask, left: length, done: 0 })
    }

    /// A frame has come to its end.
    fn whole(&mut self, frame: Frame) -> Result<Option<Heard>, Broken> {
        match frame.code {
            PING => return Ok(Some(Heard::Ping(std::mem::take(&mut self.control)))),
            PONG => {
                self.control.clear();
                return Ok(Some(Heard::Pong));
            }
            CLOSE => return Ok(Some(Heard::Close)),
            CONTINUATION => {}
            code => self.text = Some(code == TEXT),
        }
        if !frame.is_final {
            return Ok(None);
        }
        let message = std::mem::take(&mut self.message);
        if self.text.take() == Some(true) {
            return String::from_utf8(message)
                .map(|text| Some(Heard::Text(text)))
                .map_err(|_| Broken::Protocol);
        }
        Ok(Some(Heard::Binary))
    }
}

/// A text message, as a server sends it.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    frame(TEXT, text.as_bytes())
}

/// The answer to a ping.
#[must_use]
pub fn pong(payload: &[u8]) -> Vec<u8> {
    frame(PONG, payload)
}

/// The last frame: a normal end (section 7.4.1).
#[must_use]
pub fn close() -> Vec<u8> {
    frame(CLOSE, &1000u16.to_be_bytes())
}

fn frame(code: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 10);
    out.push(FINAL | code);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => out.push(length),
        (_, Ok(length)) => {
            out.push(126);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend(u64::try_from(payload.len()).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    out.extend(payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Limit = Limit { burst: 1000, per_second: 10 };

    fn client(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = frame(first & 0x0f, payload);
        out[0] = first;
        out[1] |= MASKED;
        let at = out.len() - payload.len();
        let mask = [1, 2, 3, 4];
        out.splice(at..at, mask);
        for (n, byte) in out[at + 4..].iter_mut().enumerate() {
            *byte ^= mask[n % 4];
        }
        out
    }

    fn read_all(frames: &mut Frames, mut bytes: &[u8], step: usize) -> Result<Vec<Heard>, Broken> {
        let mut heard = Vec::new();
        while !bytes.is_empty() {
            let (taken, one) = frames.read(Duration::ZERO, &bytes[..step.min(bytes.len())])?;
            heard.extend(one);
            bytes = &bytes[taken..];
        }
        Ok(heard)
    }

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let long = "é".repeat(30_000);
        let mut stream = client(0x81, b"hi");
        stream.extend(client(0x01, &long.as_bytes()[..7]));
        stream.extend(client(0x89, b"are you there?"));
        stream.extend(client(0x00, &long.as_bytes()[7..40_000]));
        stream.extend(client(0x80, &long.as_bytes()[40_000..]));
        stream.extend(client(0x82, b"\x00"));
        stream.extend(client(0x8a, b""));
        stream.extend(client(0x81, b""));
        stream.extend(client(0x88, b"\x03\xe8"));
        for step in [1, 2, 3, 7, 1000, stream.len()] {
            let mut frames = Frames::new(Duration::ZERO, 65_536, RATE);
            let expected = [
                Heard::Text("hi".into()),
                Heard::Ping(b"are you there?".to_vec()),
                Heard::Text(long.clone()),
                Heard::Binary,
                Heard::Pong,
                Heard::Text(String::new()),
                Heard::Close,
            ];
            assert_eq!(read_all(&mut frames, &stream, step), Ok(expected.to_vec()), "{step}");
            assert_eq!(frames.held(), 0, "the memory is given back");
        }
    }

    #[test]
    fn what_rfc_6455_forbids_ends_it() {
        let mut unmasked = client(0x81, b"hi");
        unmasked[1] &= !MASKED;
        let open = client(0x01, b"a");
        for (what, bytes) in [
            ("not masked", unmasked),
            ("a reserved bit", client(0xc1, b"hi")),
            ("an unknown code", client(0x83, b"hi")),
            ("an unknown control", client(0x8b, b"")),
            ("a ping in pieces", client(0x09, b"")),
            ("a long ping", client(0x89, &[0; 126])),
            ("a piece of nothing", client(0x80, b"hi")),
            ("a message within a message", [open, client(0x81, b"b")].concat()),
            ("text that is none", client(0x81, b"\xff\xfe")),
        ] {
            let mut frames = Frames::new(Duration::ZERO, 1000, RATE);
            let read = read_all(&mut frames, &[bytes, vec![0; 20]].concat(), 1000);
            assert_eq!(read, Err(Broken::Protocol), "{what}");
        }
    }

    #[test]
    fn a_length_that_is_only_claimed_takes_no_memory() {
        let mut frames = Frames::new(Duration::ZERO, 65_536, RATE);
        let claim = client(0x81, &vec![7; 65_536]);
        assert_eq!(frames.read(Duration::ZERO, &claim[..20]), Ok((20, None)));
        assert!(frames.held() < 64, "{}", frames.held());
        for claim in [65_537u64, u64::MAX, 1 << 63] {
            let mut frames = Frames::new(Duration::ZERO, 65_536, RATE);
            let header = [&[0x81, 0xff][..], &claim.to_be_bytes(), &[0; 4]].concat();
            assert_eq!(frames.read(Duration::ZERO, &header), Err(Broken::TooLong));
        }
        let mut frames = Frames::new(Duration::ZERO, 1000, RATE);
        let pieces = [client(0x01, &[b'a'; 600]), client(0x80, &[b'a'; 600])].concat();
        assert_eq!(read_all(&mut frames, &pieces, 5000), Err(Broken::TooLong));
    }

    /// Frames that carry nothing are not free.
    #[test]
    fn empty_pieces_and_pings_are_counted() {
        let open = client(0x01, b"");
        for (what, one) in [
            ("pieces", client(0x00, b"")),
            ("pings", client(0x89, b"")),
            ("pongs", client(0x8a, b"")),
        ] {
            let mut frames = Frames::new(Duration::ZERO, 65_536, RATE);
            let stream = [open.clone(), one.repeat(998)].concat();
            assert!(read_all(&mut frames, &stream, 4096).is_ok(), "{what}");
            let more = one.repeat(5);
            assert_eq!(read_all(&mut frames, &more, 4096), Err(Broken::TooFast), "{what}");
            let later = frames.read(Duration::from_secs(1), &one);
            assert!(later.is_ok(), "{what} at its rate");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), step in 1usize..50) {
            let mut frames = Frames::new(Duration::ZERO, 100, RATE);
            let _ = read_all(&mut frames, &bytes, step);
            prop_assert!(frames.held() <= 256);
        }
    }
}
