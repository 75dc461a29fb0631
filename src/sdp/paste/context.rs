//! What the words around a description or a candidate say about it.

use crate::sdp::{Kind, Whose};

/// How much of what stands before is looked at, in bytes.
pub(super) const BEFORE: usize = 300;
/// How much of what follows.
const AFTER: usize = 200;

/// The last bytes of a text.
pub(super) fn tail(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// The first bytes of a text.
pub(super) fn head(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Offer or answer, by what stands before the description and after it.
pub(super) fn kind(before: &str, after: &str) -> Option<Kind> {
    let before = tail(before, BEFORE).to_ascii_lowercase();
    let after = head(after, AFTER).to_ascii_lowercase();
    let object = before.rsplit(['}', ')']).next().unwrap_or_default();
    let rest = after.split(['}', ')']).next().unwrap_or_default();
    typed(object).or_else(|| typed(rest)).or_else(|| typed(&before)).or_else(|| named(&before))
}

/// `"type": "offer"` in any of the forms that programs print.
fn typed(text: &str) -> Option<Kind> {
    text.rmatch_indices("type").find_map(|(at, _)| {
        let rest =
            text[at + 4..].trim_start_matches(['"', '\'', '\\', ':', '=', ' ', '`', '>', '_', '.']);
        let rest = rest.strip_prefix("sdp_").unwrap_or(rest);
        let rest = rest.strip_prefix("rtcsdptype.").unwrap_or(rest);
        starts_kind(rest)
    })
}

fn starts_kind(text: &str) -> Option<Kind> {
    if text.starts_with("offer") {
        Some(Kind::Offer)
    } else if text.starts_with("answer") || text.starts_with("pranswer") {
        Some(Kind::Answer)
    } else {
        None
    }
}

/// The nearest word before it. Of who is called so (`offerer`) it says nothing.
fn named(text: &str) -> Option<Kind> {
    let ends = |at: usize| !text[at..].starts_with(|c: char| c.is_ascii_alphabetic());
    let last =
        |word: &str| text.rmatch_indices(word).map(|(at, _)| at).find(|at| ends(at + word.len()));
    match (last("offer"), last("answer")) {
        (None, None) => None,
        (offer, answer) => Some(if offer > answer { Kind::Offer } else { Kind::Answer }),
    }
}

/// Whose it is, by the nearest word before it.
pub(super) fn whose(before: &str) -> Option<Whose> {
    const LOCAL: &[&str] = &[
        "local",
        "sending",
        "sent",
        "send ",
        "outgoing",
        "onicecandidate",
        "icegathering",
        "gathered",
        "emit",
        "our ",
        "my ",
        "-->",
        ">>>",
    ];
    const REMOTE: &[&str] = &[
        "remote",
        "received",
        "receiving",
        "recv",
        "incoming",
        "addicecandidate",
        "add ice candidate",
        "adding",
        "from peer",
        "their ",
        "<--",
        "<<<",
    ];
    let before = tail(before, BEFORE).to_ascii_lowercase();
    let last = |words: &[&str]| words.iter().filter_map(|word| before.rfind(word)).max();
    match (last(LOCAL), last(REMOTE)) {
        (None, None) => None,
        (local, remote) => Some(if local > remote { Whose::Local } else { Whose::Remote }),
    }
}

/// The first line of a SIP message, and what it makes of the description in it (RFC 3264).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sip(pub Option<Kind>);

/// Reads one (RFC 3261 section 7).
pub(super) fn sip(line: &str) -> Option<Sip> {
    let at = line.find("SIP/2.0")?;
    let status = line[at + 7..].trim_start();
    // a Via is no first line
    if status.starts_with('/') {
        return None;
    }
    if status.starts_with(|c: char| c.is_ascii_digit()) {
        let answers = status.starts_with('2') || status.starts_with("18");
        return Some(Sip(answers.then_some(Kind::Answer)));
    }
    let offers = ["INVITE ", "UPDATE "].iter().any(|method| line[..at].contains(method));
    Some(Sip(offers.then_some(Kind::Offer)))
}

/// The value of a key in any of the forms that programs print: `"sdpMid":"0"`, `sdpMid: 0`,
/// `sdp_mid=0`.
pub(super) fn value<'a>(text: &'a str, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| {
        let at = text.find(key)? + key.len();
        let rest = text[at..].trim_start_matches(['"', '\'', '\\', ':', '=', ' ', '`', '>']);
        let end = rest.find(|c: char| {
            !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '/' | '.'))
        });
        let value = &rest[..end.unwrap_or(rest.len())];
        (!value.is_empty() && !matches!(value, "null" | "None" | "undefined" | "nil"))
            .then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_around_a_description_say_what_it_is() {
        let (offer, answer) = (Some(Kind::Offer), Some(Kind::Answer));
        for (before, after, is) in [
            ("type: offer, sdp: ", "", offer),
            ("{\"type\":\"answer\",\"sdp\":\"", "\"}", answer),
            ("{'sdp': '", "', 'type': 'offer'}", offer),
            ("{\"type\":\"answer\"}, {\"sdp\":\"", "\",\"type\":\"offer\"}", offer),
            ("RTCSessionDescription(sdp='", "', type='answer')", answer),
            ("SDP_OFFER ", "", offer),
            ("createAnswer: ", "", answer),
            ("the offerer said ", "", None),
            ("answer to the offer: ", "", offer),
            ("", "", None),
        ] {
            assert_eq!(kind(before, after), is, "{before}…{after}");
        }
    }

    #[test]
    fn words_around_a_candidate_say_whose_it_is() {
        for (before, is) in [
            ("onicecandidate ", Some(Whose::Local)),
            ("Sending candidate ", Some(Whose::Local)),
            ("Received remote candidate ", Some(Whose::Remote)),
            ("addIceCandidate(", Some(Whose::Remote)),
            ("candidate ", None),
        ] {
            assert_eq!(whose(before), is, "{before}");
        }
        assert_eq!(value("{\"sdpMid\":\"0\"}", &["sdpMid"]), Some("0"));
        assert_eq!(value("sdpMid: audio, x", &["sdpMid"]), Some("audio"));
        assert_eq!(value("sdpMid: null", &["sdpMid"]), None);
    }

    #[test]
    fn the_first_line_of_a_sip_message_says_what_is_in_it() {
        assert_eq!(sip("INVITE sip:bob@example.org SIP/2.0"), Some(Sip(Some(Kind::Offer))));
        assert_eq!(sip("SIP/2.0 200 OK"), Some(Sip(Some(Kind::Answer))));
        assert_eq!(sip("SIP/2.0 100 Trying"), Some(Sip(None)));
        assert_eq!(sip("Via: SIP/2.0/UDP 192.0.2.1"), None);
        assert_eq!(sip("BYE sip:bob@example.org SIP/2.0"), Some(Sip(None)));
    }
}
