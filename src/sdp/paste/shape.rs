//! What a line of SDP looks like, and where it begins in a line of a log.

/// How many bytes before a line are looked through for its beginning.
const WINDOW: usize = 300;

/// What may stand before a line that somebody quoted, printed as a string, or listed.
pub(super) const QUOTING: &[char] =
    &[' ', '\t', '>', '|', '"', '\'', '`', '+', '*', ',', '[', '(', '\\', '-', 'b', 'u', 'r'];

/// Where `v=0` begins, or a whole line with another version.
pub(super) fn version(text: &str) -> Option<usize> {
    let bare = text.trim_start_matches([' ', '\t', '>', '|', '"', '\'', '`', '-', '+']);
    let digits = bare.strip_prefix("v=").map(str::trim_end);
    if digits.is_some_and(|d| (1..=3).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_digit())) {
        return Some(text.len() - bare.len());
    }
    text.match_indices("v=0").map(|(at, _)| at).find(|&at| {
        let before = text[..at].chars().next_back();
        let rest = &text[at + 3..];
        let next = rest.chars().next();
        (starts(before) || before == Some('.'))
            && (next.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '=')
                // a line end that lost its backslashes: `v=0rno=-`
                || rest.starts_with("rno=") || rest.starts_with("no=") || rest.starts_with("rn o="))
            && !rest.starts_with(".0")
            && !rest.starts_with(".1")
    })
}

/// Whether a line may begin after this character.
fn starts(before: Option<char>) -> bool {
    before.is_none_or(|c| {
        !c.is_alphanumeric() && !matches!(c, '_' | '-' | '?' | '&' | '/' | '%' | '\\' | ';' | '.')
    })
}

/// Where a line begins that goes on with a description. Quoting may stand before any line, words
/// only before one that could be nothing else.
pub(super) fn inside(text: &str) -> Option<usize> {
    let bare = text.trim_start_matches(QUOTING);
    let at = text.len() - bare.len();
    // `b='…'` and `u=…`: a letter of the quoting is the key
    let at = match (text[..at].chars().next_back(), bare.as_bytes().first()) {
        (Some('b' | 'u' | 'r'), Some(b'=')) => at - 1,
        _ => at,
    };
    let word = text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
    if is_key(&text.as_bytes()[at..]) && !word {
        return Some(at);
    }
    places(text).find(|&at| is_strong(&text[at..]))
}

/// Where a line begins that can be nothing else, though nothing said that there would be any.
pub(super) fn outside(text: &str) -> Option<usize> {
    places(text).find(|&at| is_strong(&text[at..]) && is_telling(&text[at..]))
}

/// Places where a letter and `=` stand at the beginning of a word.
fn places(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let keys = (0..bytes.len().min(WINDOW)).filter(|&at| is_key(&bytes[at..]));
    keys.filter(|&at| starts(text[..at].chars().next_back()))
}

fn is_key(bytes: &[u8]) -> bool {
    matches!(bytes, [key, b'=', ..] if key.is_ascii_lowercase())
}

/// Whether this is a line of SDP by its value too.
fn is_strong(line: &str) -> bool {
    let mut chars = line.chars();
    let (Some(key), Some('=')) = (chars.next(), chars.next()) else { return false };
    let value = chars.as_str();
    let mut words = value.split(' ').filter(|word| !word.is_empty());
    let digits = |word: Option<&str>| {
        word.is_some_and(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_digit()))
    };
    match key {
        'o' => words.clone().take(8).any(|word| word == "IN"),
        'c' => value.starts_with("IN IP"),
        's' => value.starts_with('-') || value.is_empty() || value == " ",
        't' => {
            digits(words.next())
                && digits(words.next().map(|w| w.trim_end_matches(['"', '\'', ',', '.'])))
        }
        'b' => value.split_once(':').is_some_and(|(kind, rate)| {
            (2..=10).contains(&kind.len())
                && kind.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
                && rate.starts_with(|c: char| c.is_ascii_digit())
        }),
        'm' => {
            let media = ["audio", "video", "application", "text", "message", "image"];
            words.next().is_some_and(|word| media.contains(&word)) && words.next().is_some()
        }
        'a' => {
            let name = attribute(value);
            (3..=40).contains(&name.len())
                && matches!(
                    value.as_bytes().get(name.len()),
                    None | Some(b':' | b' ' | b'"' | b'\'' | b',' | b'.' | b'\\')
                )
        }
        _ => false,
    }
}

/// The name of the attribute.
fn attribute(value: &str) -> &str {
    let end = value.bytes().position(|b| !(b.is_ascii_alphanumeric() || b == b'-'));
    &value[..end.unwrap_or(value.len())]
}

/// Attributes that tell a part of a description by themselves.
const TELLING: &[&str] = &[
    "candidate",
    "crypto",
    "end-of-candidates",
    "extmap",
    "fingerprint",
    "fmtp",
    "group",
    "ice-lite",
    "ice-options",
    "ice-pwd",
    "ice-ufrag",
    "inactive",
    "max-message-size",
    "mid",
    "msid",
    "msid-semantic",
    "recvonly",
    "remote-candidates",
    "rtcp",
    "rtcp-fb",
    "rtcp-mux",
    "rtcp-rsize",
    "rtpmap",
    "sctp-port",
    "sctpmap",
    "sendonly",
    "sendrecv",
    "setup",
    "ssrc",
    "ssrc-group",
];

fn is_telling(line: &str) -> bool {
    match line.as_bytes()[0] {
        b'm' | b'c' | b'o' => true,
        b'a' => TELLING.contains(&attribute(&line[2..])),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_begins_where_nothing_else_could() {
        for (text, at) in [
            ("v=0", Some(0)),
            ("{\"sdp\":\"v=0", Some(8)),
            ("Mar  1 sbc x[1]: v=0", Some(17)),
            ("level=info v=0", Some(11)),
            ("https://example.org/?v=0", None),
            ("https://example.org/?a=1&v=0", None),
            ("rev=0", None),
            ("v=0.9", Some(0)),
            ("v=0x1", None),
            ("200....v=0..o=", Some(7)),
        ] {
            assert_eq!(version(text), at, "{text}");
        }
    }

    #[test]
    fn lines_are_found_behind_the_prefix_of_a_log() {
        for (text, at) in [
            ("a=mid:0", Some(0)),
            ("> a=mid:0", Some(2)),
            ("  'a=mid:0\\r\\n' +", Some(3)),
            ("b=AS:128", Some(0)),
            ("u=x", Some(0)),
            ("2026-01-01 10:00:00.1 [x] a=mid:0", Some(26)),
            ("t=2026-01-01T10:00:00Z lvl=info msg=a=mid:0", None),
            ("hello", None),
            ("hello x=1", None),
        ] {
            let found = inside(text);
            // a weak line is taken as it stands; what it is is judged when it is read
            if text.starts_with("t=2026") {
                assert_eq!(found, Some(0), "{text}");
            } else {
                assert_eq!(found, at, "{text}");
            }
        }
        for (text, at) in [
            ("m=audio 9 RTP/AVP 0", Some(0)),
            ("x: a=candidate:1", Some(3)),
            ("a=b", None),
            ("s=-", None),
            ("if a=1 then", None),
        ] {
            assert_eq!(outside(text), at, "{text}");
        }
    }
}
