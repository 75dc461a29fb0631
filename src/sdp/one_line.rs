//! A description as one line that survives a chat window:
//! `natscope-offer-1.LENGTH.CHECKSUM.DATA`, of characters that need no escape in a URL.
//!
//! DATA is the SDP, deflated (RFC 1951) after a dictionary that both ends know, in URL-safe base64
//! (RFC 4648 section 5). LENGTH is how many characters DATA has and CHECKSUM is its CRC-32 in
//! hexadecimal; both stand first, so that what is left of half a line says that it is half.

use super::{Kind, SdpError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

/// The marks before the version.
const MARKS: [(Kind, &str); 2] =
    [(Kind::Offer, "natscope-offer-"), (Kind::Answer, "natscope-answer-")];
const VERSION: &str = "1";
/// How the complaint about half a line begins.
const HALF: &str = "only a part of this";
/// No description inflates to more.
const INFLATED: usize = super::LONGEST;

/// What our own descriptions consist of. It is part of version 1 and must never change.
const DICTIONARY: &str = "v=0\r\no=- 0 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=candidate:1 1 tcp 1671430143 10.0.0.1 9 typ host tcptype active passive so\r\na=candidate:1 1 udp 2130706431 172.16.0.1 192.168.1.1 100.64.0.1 2001:db8:: fd00:: fe80:: typ host\r\na=candidate:2 1 udp 1694498815 203.0.113.1 49152 typ srflx raddr 192.168.0.1 rport 0\r\na=candidate:3 1 udp 16777215 198.51.100.1 3478 typ relay raddr 203.0.113.1 rport 5\r\na=ice-ufrag:\r\na=ice-pwd:\r\na=ice-options:trickle\r\na=fingerprint:sha-256 00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00\r\na=setup:active\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=natscope-answers:\r\na=end-of-candidates\r\n";

/// Writes a description.
pub(super) fn encode(kind: Kind, sdp: &str) -> String {
    let data = URL_SAFE_NO_PAD.encode(deflate(sdp.as_bytes()));
    let mark = if kind == Kind::Offer { MARKS[0].1 } else { MARKS[1].1 };
    format!("{mark}{VERSION}.{}.{:08x}.{data}", data.len(), checksum(&data))
}

fn checksum(data: &str) -> u32 {
    let mut crc = Crc::new();
    crc.update(data.as_bytes());
    crc.sum()
}

/// Reads a line out of a text; `None` where there is none.
pub(super) fn decode(text: &str) -> Result<Option<(Kind, String)>, SdpError> {
    let clean = repair(text);
    let found =
        MARKS.iter().filter_map(|&(kind, mark)| clean.find(mark).map(|at| (at, kind, mark)));
    let Some((at, kind, mark)) = found.min_by_key(|&(at, ..)| at) else { return Ok(None) };
    let sdp = body(kind, &clean[at + mark.len()..]).map_err(|what| {
        let partial = what.starts_with(HALF);
        SdpError { place: place_of(text, mark), what, partial }
    })?;
    Ok(Some((kind, sdp)))
}

/// Where the mark stands in the text as pasted.
fn place_of(text: &str, mark: &str) -> Option<super::Place> {
    let at = text.find(mark)?;
    let line = text[..at].matches('\n').count() + 1;
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    Some(super::Place { line, column: text[start..at].chars().count() + 1 })
}

/// Undoes what chat windows do: wrapping, quoting, invisible characters, dashes made longer.
fn repair(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => clean.push(c),
            '—' => clean.push_str("--"),
            '–' | '‐' | '‑' | '−' => clean.push('-'),
            '…' => clean.push_str("..."),
            // blanks, line ends, quoting, invisible characters
            _ => {}
        }
    }
    clean
}

/// What follows the mark.
fn body(kind: Kind, text: &str) -> Result<String, String> {
    let half = || format!("{HALF} {kind} was pasted: copy the whole line again");
    let (version, rest) = text.split_once('.').ok_or_else(half)?;
    if version != VERSION {
        let newer = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
        return Err(if newer {
            format!("this {kind} is of a newer natscope (format {version}): update this one")
        } else {
            damaged(kind)
        });
    }
    let (length, rest) = rest.split_once('.').ok_or_else(half)?;
    let length: usize = length.parse().map_err(|_| damaged(kind))?;
    let (sum, data) = rest.split_once('.').ok_or_else(half)?;
    let sum = u32::from_str_radix(sum, 16).map_err(|_| damaged(kind))?;
    let Some(whole) = data.get(..length) else {
        return Err(format!(
            "{HALF} {kind} was pasted, {} of {length} characters: copy the whole line again",
            data.len()
        ));
    };
    if checksum(whole) != sum {
        return Err(damaged(kind));
    }
    let bytes = URL_SAFE_NO_PAD.decode(whole).map_err(|_| damaged(kind))?;
    inflate(&bytes).and_then(|sdp| String::from_utf8(sdp).ok()).ok_or_else(|| damaged(kind))
}

fn damaged(kind: Kind) -> String {
    format!(
        "this {kind} was changed on the way (its checksum is wrong): copy the whole line again, or send it as a file"
    )
}

/// Deflated after the dictionary, whose own output is thrown away.
fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut deflate = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(DICTIONARY.len() * 2 + 64);
    // neither fails: there is room for the worst case, and a fresh stream takes any input
    let _ = deflate.compress_vec(DICTIONARY.as_bytes(), &mut out, FlushCompress::Sync);
    out.clear();
    out.reserve(bytes.len() * 2 + 64);
    let _ = deflate.compress_vec(bytes, &mut out, FlushCompress::Finish);
    out
}

/// The reverse: the dictionary goes in first, as a stored block (RFC 1951 section 3.2.4). `None`
/// when it is no such stream, or would become too long.
fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(DICTIONARY.len()).ok()?;
    let mut stream = vec![0];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(DICTIONARY.as_bytes());
    stream.extend(bytes);
    let mut out = Vec::with_capacity(DICTIONARY.len() + INFLATED);
    let end = Decompress::new(false).decompress_vec(&stream, &mut out, FlushDecompress::Finish);
    let whole = matches!(end, Ok(Status::StreamEnd));
    (whole && out.len() >= DICTIONARY.len()).then(|| out.split_off(DICTIONARY.len()))
}
