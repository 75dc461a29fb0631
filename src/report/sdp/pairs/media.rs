//! Sides without ICE: media is sent to `c=` and `m=`, and to nothing else (RFC 3264).

use super::super::side::{Place, Side};
use super::{Could, SdpPair};
use crate::sdp::Section;
use crate::stun::text::safe;
use std::net::IpAddr;

/// Where a section is to be sent.
enum To {
    /// Refused, switched off, or on hold: nothing is sent.
    Off,
    At(Place, String),
}

fn to(section: &Section) -> To {
    let (Some(port), Some(address)) = (section.port, section.address.as_deref()) else {
        let shown = section.address.as_deref().unwrap_or("an unknown address");
        return To::At(Place::Unknown, safe(shown.as_bytes()));
    };
    if port == 0 || section.inactive {
        return To::Off;
    }
    let shown = safe(format!("{address}:{port}").as_bytes());
    match address.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => To::Off,
        Ok(ip) => To::At(Place::of_ip(ip), shown),
        Err(_) if crate::sdp::is_private_hidden(address) => To::At(Place::Network(None), shown),
        Err(_) => To::At(Place::Unknown, shown),
    }
}

fn shown(section: &Section) -> String {
    let address = section.address.as_deref().unwrap_or("an unknown address");
    let port = section.port.map_or(String::new(), |port| format!(":{port}"));
    safe(format!("{address}{port}").as_bytes())
}

/// The pair of addresses of one section; none when no media flows in it.
pub(super) fn pair(index: usize, one: &Side<'_>, other: &Side<'_>) -> Option<SdpPair> {
    let (a, b) = (one.sections.get(index)?, other.sections.get(index)?);
    if a.is_off() || b.is_off() {
        return None;
    }
    let (shown_from, shown_to, could, because) = match (needs_ice(one, a, other), to(a), to(b)) {
        (Some(why), ..) => (shown(a), shown(b), Could::Cannot, why),
        (None, To::At(from, x), To::At(to, y)) => {
            let (could, because) = judge((from, &x), (to, &y));
            (x, y, could, because)
        }
        _ => return None,
    };
    Some(SdpPair {
        offer: index,
        answer: index,
        section: Some(index),
        connection: 0,
        from: format!("media {shown_from}"),
        to: format!("media {shown_to}"),
        priority: 0,
        could,
        because,
    })
}

/// One side has ICE and the other has none: browsers do not go on without.
fn needs_ice(one: &Side<'_>, section: &Section, other: &Side<'_>) -> Option<String> {
    if one.ice == other.ice {
        return None;
    }
    let protocol = section.protocol.to_ascii_uppercase();
    let browser = protocol.contains("DTLS") || protocol.contains("UDP/TLS");
    browser.then(|| {
        let which = if one.ice { "answer" } else { "offer" };
        format!("the {which} has no ICE (no a=ice-ufrag), and WebRTC sends nothing without")
    })
}

fn judge(one: (Place, &str), other: (Place, &str)) -> (Could, String) {
    let public = |place: Place| matches!(place, Place::Anywhere(_));
    if one.0 == Place::Nowhere || other.0 == Place::Nowhere {
        return (Could::Cannot, "one of them is no address to send to".to_owned());
    }
    if [one.0, other.0].contains(&Place::Machine) {
        let why = "a loopback address is reached only from its own machine";
        return (Could::SameNetwork, why.to_owned());
    }
    match (public(one.0), public(other.0)) {
        (true, true) => (
            Could::Likely,
            "neither side needs ICE: media goes to the public addresses in c= and m=, unless a firewall stands before them".to_owned(),
        ),
        _ if [one.0, other.0].contains(&Place::Unknown) => {
            (Could::Depends, "one address is a name or hidden: where it leads is not shown".to_owned())
        }
        (true, false) => one_way(other.1, one.1),
        (false, true) => one_way(one.1, other.1),
        (false, false) => (
            Could::SameNetwork,
            "both addresses are private: only within one network can they reach each other".to_owned(),
        ),
    }
}

fn one_way(private: &str, public: &str) -> (Could, String) {
    let why = format!(
        "{private} can send to {public}, but not the other way (one-way audio), unless the public side answers to where packets come from (symmetric RTP, \"comedia\") or something on the way replaces the address"
    );
    (Could::Depends, why)
}
