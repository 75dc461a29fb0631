//! What each line of a description is for, in words.

use super::ExplainedLine;
use crate::sdp::{Address, Line, read_candidate};
use crate::stun::text::safe;

/// Characters of a line that are shown; renderers escape them.
const LONGEST: usize = 400;

/// One line with its meaning.
pub(super) fn explain(line: &Line) -> ExplainedLine {
    let text = format!("{}={}", line.key, shown(line));
    let meaning = match line.attribute() {
        Some((name, value)) => attribute(&name.to_ascii_lowercase(), value.unwrap_or_default()),
        None => field(line.key, &line.value),
    };
    ExplainedLine { line: line.number, text, meaning }
}

/// The value, secrets hidden.
fn shown(line: &Line) -> String {
    let hidden = |secret: &str| format!("({} characters, hidden)", secret.chars().count());
    match line.attribute() {
        Some((name, Some(value))) if is_secret(name) => {
            format!("{}:{}", safe(name.as_bytes()), hidden(value))
        }
        None if line.key == 'k' => hidden(&line.value),
        _ => line.value.chars().take(LONGEST).collect(),
    }
}

fn is_secret(name: &str) -> bool {
    ["ice-pwd", "crypto", "key-mgmt", "password"].iter().any(|s| name.eq_ignore_ascii_case(s))
}

fn field(key: char, value: &str) -> String {
    let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    let word = |i: usize| safe(words.get(i).copied().unwrap_or_default().as_bytes());
    match key {
        'v' => "the version of SDP, always 0 (RFC 8866 section 5.1)".into(),
        'o' => format!(
            "who began the session and its number; version {} of it, from {} (RFC 8866 section 5.2)",
            word(2),
            word(5)
        ),
        's' => "the session's name".into(),
        'i' => "a description for people".into(),
        'u' => "a link about the session".into(),
        'e' => "whom to write to".into(),
        'p' => "whom to call".into(),
        'c' if word(2) == "0.0.0.0" => {
            "no address to send to yet, or on hold: ICE candidates say where (RFC 8839 section 4.2.1)".into()
        }
        'c' => format!(
            "where media is sent by whoever does not use ICE: {} (RFC 8866 section 5.7)",
            word(2)
        ),
        'b' => "the bandwidth that is wanted".into(),
        't' if value.trim() == "0 0" => "when: now, without end (RFC 8866 section 5.9)".into(),
        't' | 'r' | 'z' => "when the session takes place".into(),
        'k' => "a key: obsolete, and readable by whoever sees this (RFC 8866 section 5.12)".into(),
        'm' => media(&words),
        _ => "not known to RFC 8866: ignored".into(),
    }
}

fn media(words: &[&str]) -> String {
    let word = |i: usize| safe(words.get(i).copied().unwrap_or_default().as_bytes());
    let port = word(1);
    let what = match (word(0).as_str(), word(2).as_str()) {
        ("application", proto) if proto.contains("SCTP") => "a WebRTC data channel".to_owned(),
        (kind @ ("audio" | "video"), proto) => format!("{kind} over {proto}"),
        (kind, proto) => format!("{kind} over {proto}"),
    };
    match port.as_str() {
        "0" => format!("{what}: refused or switched off (port 0)"),
        "9" => format!("{what}; port 9 means that candidates say where (RFC 8840 section 4.1.1)"),
        _ => format!("{what}; port {port} is where whoever does not use ICE sends it"),
    }
}

fn attribute(name: &str, value: &str) -> String {
    match name {
        "candidate" => candidate(value),
        "ice-ufrag" => "the user name of this side's checks: it tells sessions apart (RFC 8839 section 5.4)".into(),
        "ice-pwd" => "the password that checks to this side are signed with (RFC 8839 section 5.4)".into(),
        "ice-options" if value.split(' ').any(|o| o == "trickle") => {
            "candidates may follow one by one (RFC 8840)".into()
        }
        "ice-options" => "what this side's ICE can do (RFC 8839 section 5.6)".into(),
        "ice-lite" => "this side only answers checks: it must be reachable itself (RFC 8445 section 2.5)".into(),
        "ice-mismatch" => "the address in c= and m= was changed on the way, so ICE is off: an application-level gateway, mostly (RFC 8839 section 5.3)".into(),
        "ice-pacing" => "how many ms lie between two checks (RFC 8839 section 5.5)".into(),
        "end-of-candidates" => "no more candidates will follow (RFC 8840 section 8.2)".into(),
        "remote-candidates" => "the pair that ICE has chosen (RFC 8839 section 5.2)".into(),
        "natscope-answers" => "the ufrag of the offer that this answers (natscope's own, ignored by others)".into(),
        "fingerprint" if value.split(' ').nth(1).is_some_and(|f| f.chars().all(|c| c == '0' || c == ':')) => {
            "the place of a certificate's hash; all zeros: there is no certificate, ICE alone is tested".into()
        }
        "fingerprint" => "the hash of the certificate that DTLS must show (RFC 8122 section 5)".into(),
        "setup" => match value {
            "actpass" => "either side may open DTLS: the answer chooses (RFC 8842 section 5)".into(),
            "active" => "this side opens DTLS (RFC 8842 section 5)".into(),
            "passive" => "this side waits for DTLS (RFC 8842 section 5)".into(),
            _ => "who opens DTLS (RFC 8842 section 5)".into(),
        },
        "group" if value.starts_with("BUNDLE") => "these sections share one connection (RFC 9143)".into(),
        "group" => "sections that belong together (RFC 5888)".into(),
        "mid" => "this section's name (RFC 5888)".into(),
        "sctp-port" | "sctpmap" => "the port within SCTP, not one of the network (RFC 8841)".into(),
        "max-message-size" => "the longest message on the data channel (RFC 8841)".into(),
        "rtcp-mux" | "rtcp-mux-only" => "RTCP shares the port of RTP: one component (RFC 5761)".into(),
        "rtcp" => "where RTCP is sent without ICE (RFC 3605)".into(),
        "rtcp-fb" => "feedback that a codec understands (RFC 4585)".into(),
        "rtcp-rsize" => "RTCP may be short (RFC 5506)".into(),
        "rtpmap" => "the codec that a payload number stands for (RFC 8866 section 6.6)".into(),
        "fmtp" => "a codec's parameters (RFC 8866 section 6.15)".into(),
        "sendrecv" => "media flows both ways".into(),
        "sendonly" => "this side only sends media".into(),
        "recvonly" => "this side only receives media".into(),
        "inactive" => "no media flows: on hold".into(),
        "ptime" | "maxptime" => "how many ms of sound are in a packet".into(),
        "crypto" => "a key for SRTP, readable by whoever sees this (RFC 4568)".into(),
        "key-mgmt" => "key management (RFC 4567)".into(),
        "extmap" | "extmap-allow-mixed" => "headers that RTP may carry besides (RFC 8285)".into(),
        "msid" | "msid-semantic" => "the browser's names of streams and tracks (RFC 8830)".into(),
        "ssrc" | "ssrc-group" => "the sender's numbers in RTP (RFC 5576)".into(),
        "rid" | "simulcast" => "several versions of one stream (RFC 8853)".into(),
        "tls-id" | "identity" => "names this DTLS association (RFC 8842, RFC 8827)".into(),
        "bundle-only" => "this section is used only within the group (RFC 9143)".into(),
        "rtcp-xr" => "reports on quality (RFC 3611)".into(),
        "silencesupp" => "whether silence is sent".into(),
        "alt" => "an early draft of ICE candidates: ignored today".into(),
        "tool" => "the program that wrote it".into(),
        "label" | "content" => "what the section is for".into(),
        "direction" | "connection" => "who opens the connection (RFC 4145)".into(),
        _ => "an attribute of the application: of no matter to NATs".into(),
    }
}

fn candidate(value: &str) -> String {
    let Ok(entry) = read_candidate(value) else { return "a candidate".into() };
    let over = match (entry.transport.as_str(), entry.tcp_type.as_deref()) {
        ("udp", _) => "over UDP".to_owned(),
        ("tcp", Some("active")) => "over TCP, this side connects".to_owned(),
        ("tcp", Some("passive")) => "over TCP, this side listens".to_owned(),
        (other, Some(kind)) => format!("over {other} ({kind})"),
        (other, None) => format!("over {other}"),
    };
    let at = &entry.address;
    let base = entry.related.filter(|base| base.port() != 0);
    let what = match (entry.kind.as_str(), at) {
        ("host", Address::Name(name, _)) if name.to_ascii_lowercase().ends_with(".local") => {
            format!("an address of the host itself, hidden behind the multicast DNS name {name}")
        }
        ("host", Address::Name(name, _)) => {
            format!("an address of the host itself, by its name {name}")
        }
        ("host", _) => format!("an address of the host itself, {at}"),
        ("srflx", _) => match base {
            Some(base) => format!("{at}: what a STUN server saw when {base} asked it"),
            None => format!("{at}: what a STUN server saw; the base behind it is hidden"),
        },
        ("prflx", _) => format!("{at}: what the peer saw in a check"),
        ("relay", _) => format!("{at}: an address on a TURN server, which passes packets on"),
        (kind, _) => format!("{at}, of the unknown type {kind}"),
    };
    let component = match entry.component {
        1 => String::new(),
        2 => "; for RTCP".into(),
        other => format!("; component {other}"),
    };
    format!("{what}; {over}{component} (RFC 8839 section 5.1)")
}
