//! Candidates that are printed by their fields: the parameters of a media server's transport, an
//! object of a library, an element of XMPP (XEP-0176), statistics of a browser.

use super::{Loose, MOST_LOOSE, Pasted};
use crate::sdp::Whose;
use crate::sdp::candidate::read_value;

/// The longest such object, in bytes.
const LONGEST: usize = 1200;

/// Finds candidates that are told field by field.
pub(super) fn fields(text: &str, into: &mut Pasted) {
    if !["foundation", "candidateType", "candidate-type", "Cand["].iter().any(|m| text.contains(m))
    {
        return;
    }
    into.lite |= text.match_indices("iceLite").any(|(at, _)| {
        let rest = text[at + 7..].trim_start_matches(['"', '\'', ':', '=', ' ']);
        rest.starts_with("true") || rest.starts_with("True")
    });
    let mut start: Option<usize> = None;
    let mut line = 1;
    let mut from = 1;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\n' => line += 1,
            b'{' | b'(' | b'<' | b'[' => (start, from) = (Some(at + 1), line),
            b'}' | b')' | b'>' | b']' => {
                let Some(open) = start.take() else { continue };
                let Some(object) = text.get(open..at).filter(|o| o.len() <= LONGEST) else {
                    continue;
                };
                let native = text[..open].ends_with("Cand[");
                let found = if native { native_form(object) } else { object_form(object) };
                let Some(mut found) = found else { continue };
                if into.loose.len() >= MOST_LOOSE {
                    into.cut = true;
                    return;
                }
                found.line = from;
                found.after = into.found.len();
                found.whose = found.whose.or_else(|| super::context::whose(&text[..open]));
                into.loose.push(found);
            }
            _ => {}
        }
    }
}

/// `foundation: 'a', ip: '192.0.2.1', port: 40000, type: 'host'`, in whatever punctuation.
fn object_form(object: &str) -> Option<Loose> {
    // what holds the candidate as a line is read by that
    if object.contains("candidate:") || !object.contains("ort") {
        return None;
    }
    let get = |keys: &[&str]| keys.iter().find_map(|key| field(object, key));
    let kind = get(&["candidateType", "candidate-type", "type", "typ"])?;
    let kind = match kind.to_ascii_lowercase().as_str() {
        "host" | "local" => "host",
        "srflx" | "serverreflexive" | "server-reflexive" | "stun" => "srflx",
        "prflx" | "peerreflexive" | "peer-reflexive" => "prflx",
        "relay" | "relayed" => "relay",
        _ => return None,
    };
    let component = match get(&["component", "componentId", "component-id"]) {
        Some("rtcp" | "2") => "2",
        _ => "1",
    };
    let related = get(&["relatedAddress", "rel-addr", "raddr", "related_address"]);
    let port = get(&["relatedPort", "rel-port", "rport", "related_port"]);
    let related = related.map(|address| format!(" raddr {address} rport {}", port.unwrap_or("0")));
    let tcp = get(&["tcpType", "tcptype", "tcp-type"]).map(|kind| format!(" tcptype {kind}"));
    let text = format!(
        "{} {component} {} {} {} {} typ {kind}{}{}",
        get(&["foundation"]).unwrap_or("0"),
        get(&["protocol", "transport"]).unwrap_or("udp"),
        get(&["priority"]).unwrap_or("0"),
        get(&["address", "ip", "ipAddress"])?,
        get(&["port", "portNumber"])?,
        related.unwrap_or_default(),
        tcp.unwrap_or_default()
    );
    read_value(&text, 1, 0).ok()?;
    let whose = match (get(&["type"]), get(&["isRemote"])) {
        (Some("local-candidate"), _) => Some(Whose::Local),
        (Some("remote-candidate"), _) | (_, Some("true")) => Some(Whose::Remote),
        _ => None,
    };
    Some(Loose {
        line: 1,
        before: 0,
        text,
        mid: get(&["sdpMid"]).map(str::to_owned),
        index: get(&["sdpMLineIndex"]).and_then(|index| index.parse().ok()),
        ufrag: get(&["usernameFragment"]).map(str::to_owned),
        whose,
        after: 0,
    })
}

/// The value of a key that stands as a whole word.
fn field<'o>(object: &'o str, key: &str) -> Option<&'o str> {
    object.match_indices(key).find_map(|(at, _)| {
        let before = object[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
            return None;
        }
        let rest = object[at + key.len()..].trim_start_matches(['"', '\'', '\\', ' ']);
        let rest = rest.strip_prefix([':', '='])?;
        let rest = rest.trim_start_matches(['"', '\'', '\\', ' ', '\n', '\t']);
        let end = rest.find(['"', '\'', '\\', ',', ' ', '\n', '\t', '\r', '/', ';']);
        let value = &rest[..end.unwrap_or(rest.len())];
        (!value.is_empty() && !matches!(value, "null" | "None" | "undefined" | "nil"))
            .then_some(value)
    })
}

/// `Cand[audio:1:1:udp:2122260223:192.168.1.10:50000:local::0:ufrag:…]`, as the library of
/// Chromium logs them.
fn native_form(object: &str) -> Option<Loose> {
    let mut parts = object.split(':').skip(1);
    let mut next = || parts.next();
    let (foundation, component, protocol, priority) = (next()?, next()?, next()?, next()?);
    let (ip, port, kind) = (next()?, next()?, next()?);
    let kind = match kind {
        "local" => "host",
        "stun" => "srflx",
        other => other,
    };
    let text = format!("{foundation} {component} {protocol} {priority} {ip} {port} typ {kind}");
    read_value(&text, 1, 0).ok()?;
    let related = (next(), next());
    let text = match related {
        (Some(ip), Some(port)) if !ip.is_empty() => format!("{text} raddr {ip} rport {port}"),
        _ => text,
    };
    let ufrag = next().filter(|ufrag| ufrag.len() >= 4).map(str::to_owned);
    Some(Loose { line: 1, before: 0, text, mid: None, index: None, ufrag, whose: None, after: 0 })
}
