//! Base64 in a text that holds a description: signalling services send it so.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const ENGINES: [GeneralPurpose; 2] =
    [GeneralPurpose::new(&STANDARD, CONFIG), GeneralPurpose::new(&URL_SAFE, CONFIG)];

/// The fewest characters that a description or a candidate has.
const SHORTEST: usize = 60;
/// Runs shorter than this in a text are words.
const LINE: usize = 60;

/// What was in it.
pub(super) struct Embedded {
    /// The line of the text where it began, from 1.
    pub line: usize,
    /// What stands before it in its line.
    pub before: String,
    pub text: String,
}

/// Texts that stand in base64 within this one. Lines of base64 alone go on with the one before.
pub(super) fn embedded(text: &str) -> Vec<Embedded> {
    let mut found = Vec::new();
    let mut wrapped: Option<(usize, String)> = None;
    for (number, line) in (1usize..).zip(text.split('\n')) {
        let bare = line.trim_matches([' ', '\t', '\r', '"', '\'', '>', '+', ',', '\\']);
        let whole = !bare.is_empty() && bare.trim_end_matches('=').bytes().all(is_inner);
        if whole && (bare.len() >= 40 || wrapped.is_some()) {
            wrapped.get_or_insert_with(|| (number, String::new())).1.push_str(bare);
            continue;
        }
        if let Some((line, run)) = wrapped.take() {
            found.extend(decode(&run).map(|text| Embedded { line, before: String::new(), text }));
        }
        for (at, run) in runs(line) {
            let before = super::context::tail(&line[..at], super::context::BEFORE).to_owned();
            found.extend(decode(run).map(|text| Embedded { line: number, before, text }));
        }
    }
    if let Some((line, run)) = wrapped {
        found.extend(decode(&run).map(|text| Embedded { line, before: String::new(), text }));
    }
    found
}

/// A character of it; padding is not needed to read it, and `=` stands before a value too.
fn is_inner(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_')
}

/// Runs of its characters that are long enough, each with the byte where it begins.
fn runs(line: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = None;
    // its characters are ASCII: what ends a run never cuts one in two
    for (at, part) in line.bytes().map(is_inner).chain([false]).enumerate() {
        match (start, part) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                if at - from >= LINE {
                    found.push((from, &line[from..at]));
                }
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// The text in it, when that could hold a description or a candidate.
fn decode(run: &str) -> Option<String> {
    let bare = run.trim_end_matches('=');
    if bare.len() < SHORTEST {
        return None;
    }
    // four characters are three bytes: what was cut off leaves the rest readable
    let whole = &bare[..bare.len() - usize::from(bare.len() % 4 == 1)];
    let bytes = ENGINES.iter().find_map(|engine| engine.decode(whole).ok())?;
    let text = super::decode(&bytes).into_owned();
    // base64 in base64
    let again = text.len() >= SHORTEST && text.trim_end().bytes().all(|b| is_inner(b) || b == b'=');
    let marks = ["v=0", "candidate:", "v\\u003d0", "PeerConnections"];
    (again || marks.iter().any(|mark| text.contains(mark))).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    #[test]
    fn base64_is_found_in_lines_and_over_lines() {
        let sdp =
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n";
        let (padded, bare) = (STANDARD.encode(sdp), URL_SAFE_NO_PAD.encode(sdp));
        let wrapped = format!("{}\n{}", &padded[..76], &padded[76..]);
        for (text, line) in [
            (padded.clone(), 1),
            (format!("x\n{{\"payload\": \"{bare}\"}}"), 2),
            (format!("x\n\n{wrapped}\n"), 3),
        ] {
            let found = embedded(&text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!((found[0].text.as_str(), found[0].line), (sdp, line));
        }
        assert!(embedded(&"A".repeat(10_000)).is_empty());
    }
}
