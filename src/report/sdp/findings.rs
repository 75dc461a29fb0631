//! What is missing in a description, and what it gives away about its side.

use super::{Explained, Side};
use crate::ice::Kind;
use crate::probe::fact::{Finding, Severity};
use crate::sdp::{Address, Entry, Kind as Half, is_private};
use crate::stun::text::safe;
use std::net::IpAddr;

fn finding(id: &str, severity: Severity, text: impl Into<String>) -> Finding {
    Finding { id: id.to_owned(), severity, text: text.into() }
}

/// What was noticed about one description, the weighty first.
pub(super) fn of(side: &Side<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if side.sdp.ice_section().is_none() {
        without_ice(side, &mut found);
        return found;
    }
    if side.entries.is_empty() {
        let text = "it has no candidate: they must follow one by one (trickle), or it was copied before they were gathered";
        found.push(finding("no-candidates", Severity::Warning, text));
    } else {
        missing(side, &mut found);
    }
    if let Some((base, seen)) = side.dependent() {
        let base = base.map_or_else(|| "one base".to_owned(), |base| format!("the base {base}"));
        let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
        let text = format!(
            "STUN servers saw {base} as {}: the mapping depends on the destination (a symmetric NAT), so what a peer is told is not where it must send",
            seen.join(" and ")
        );
        found.push(finding("dependent-mapping", Severity::Warning, text));
    }
    unusable(side, &mut found);
    lines(side, &mut found);
    found
}

/// Which kinds of candidates there are not.
fn missing(side: &Side<'_>, found: &mut Vec<Finding>) {
    let entries = &side.entries;
    let has = |kind: Kind| entries.iter().any(|e| e.known_kind() == Some(kind));
    let mdns = |e: &Entry| matches!(e.address, Address::Name(..));
    let private = |e: &Entry| matches!(e.address, Address::Ip(a) if is_private(a.ip()));
    if entries.iter().all(mdns) {
        let text = "all candidates are multicast DNS names: only machines of the same local network can find them, so without a STUN or TURN server nobody else connects";
        found.push(finding("only-mdns", Severity::Warning, text));
    } else if entries.iter().all(|e| private(e) || mdns(e)) {
        let text = "all addresses are private: nobody outside of that network can send to them; no STUN server answered, or none was given";
        found.push(finding("private-only", Severity::Warning, text));
    } else if !has(Kind::ServerReflexive) && !entries.iter().any(is_public_host) {
        let text = "there is no reflexive candidate: no STUN server answered, so a direct connection through this side's NAT is unlikely";
        found.push(finding("no-reflexive", Severity::Warning, text));
    }
    if !has(Kind::Relayed) {
        let text = "there is no relay candidate: where no direct path works, nothing will (give a TURN server, and check its credentials)";
        found.push(finding("no-relay", Severity::Info, text));
    }
}

fn is_public_host(entry: &Entry) -> bool {
    entry.known_kind() == Some(Kind::Host)
        && matches!(entry.address, Address::Ip(a) if !is_private(a.ip()))
}

fn unusable(side: &Side<'_>, found: &mut Vec<Finding>) {
    for entry in &side.entries {
        if let Err(why) = entry.usable() {
            let text = format!("line {}: {why}", entry.line);
            found.push(finding("unusable-candidate", Severity::Info, text));
        }
    }
}

/// What single lines give away.
fn lines(side: &Side<'_>, found: &mut Vec<Finding>) {
    let section = side.sdp.ice_section().flatten();
    let has = |name: &str| side.sdp.value(section, name).is_some();
    if has("ice-mismatch") {
        let text = "ICE was switched off because c= and m= were changed on the way: look for an application-level gateway (ALG) in a router";
        found.push(finding("ice-mismatch", Severity::Warning, text));
    }
    if has("ice-lite") {
        let text =
            "this side is ICE-lite: it sends no checks itself, so it must have a public address";
        found.push(finding("ice-lite", Severity::Info, text));
    }
    if !has("end-of-candidates") && has("ice-options") && !side.entries.is_empty() {
        let text = "more candidates may follow (trickle, and no a=end-of-candidates): what is missing here may have come later";
        found.push(finding("incomplete", Severity::Info, text));
    }
    if let Err(error) = side.sdp.message() {
        found.push(finding("bad-credentials", Severity::Error, error.to_string()));
    }
}

/// A description of SIP or of another program that does not use ICE.
fn without_ice(side: &Side<'_>, found: &mut Vec<Finding>) {
    let text = "there is no ICE in it (no a=ice-ufrag): media is sent to the address in c= and the port in m=, and to nothing else";
    found.push(finding("no-ice", Severity::Warning, text));
    for (number, media) in (0usize..).zip(&side.sdp.session.medias) {
        let connection = media.connections.first().or(side.sdp.session.connection.as_ref());
        let Some(connection) = connection else { continue };
        let address = connection.connection_address.split('/').next().unwrap_or_default();
        let name = safe(media.media.as_bytes());
        let to = format!("{}:{}", safe(address.as_bytes()), media.port);
        let Ok(ip) = address.parse::<IpAddr>() else {
            let text = format!("section {number}: {name} goes to {to}, which is a name");
            found.push(finding("media-name", Severity::Info, text));
            continue;
        };
        if media.port == 0 {
            continue;
        }
        if ip.is_unspecified() {
            let text = format!("section {number}: {name} is on hold (its address is {ip})");
            found.push(finding("on-hold", Severity::Info, text));
        } else if is_private(ip) {
            let text = format!(
                "section {number}: {name} is to be sent to {to}, a private address: whoever is in another network cannot, and hears nothing (one-way audio), unless a server or a gateway on the way replaces it"
            );
            found.push(finding("private-media", Severity::Warning, text));
        } else {
            let text = format!("section {number}: {name} is to be sent to {to}");
            found.push(finding("media", Severity::Info, text));
        }
    }
}

/// What makes two descriptions no pair.
pub(super) fn of_both(offer: &Side<'_>, answer: &Side<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut wrong = |text: String| found.push(finding("no-pair", Severity::Error, text));
    match (offer.sdp.kind, answer.sdp.kind) {
        (Some(Half::Offer), Some(Half::Offer)) => wrong("both are offers".into()),
        (Some(Half::Answer), Some(Half::Answer)) => wrong("both are answers".into()),
        (Some(Half::Answer), Some(Half::Offer)) => {
            wrong("the first is the answer and the second the offer: give the offer first".into());
        }
        _ => {}
    }
    let ufrag = |side: &Side<'_>| {
        let section = side.sdp.ice_section().flatten();
        side.sdp.value(section, "ice-ufrag").map(|(_, value)| value.to_owned())
    };
    let section = answer.sdp.ice_section().flatten();
    let answers = answer.sdp.value(section, "natscope-answers").map(|(_, value)| value);
    if let (Some(answers), Some(ours)) = (answers, ufrag(offer))
        && answers != ours
    {
        wrong(format!(
            "this answers another offer: it names `{}`, and the offer is `{}`",
            safe(answers.as_bytes()),
            safe(ours.as_bytes())
        ));
    }
    found
}

/// One sentence about one description.
pub(super) fn summary(side: &Side<'_>, explained: &Explained) -> String {
    let what = explained.kind.clone().unwrap_or_else(|| "description".to_owned());
    let article = if what.starts_with(['a', 'o']) { "An" } else { "A" };
    let kinds = [Kind::Host, Kind::ServerReflexive, Kind::PeerReflexive, Kind::Relayed];
    let counted: Vec<String> = kinds
        .iter()
        .map(|kind| (kind, side.entries.iter().filter(|e| e.known_kind() == Some(*kind)).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let with = match (side.sdp.ice_section(), counted.is_empty()) {
        (None, _) => " without ICE".to_owned(),
        (_, true) => " without candidates".to_owned(),
        (_, false) => format!(" with candidates: {}", counted.join(", ")),
    };
    let main = explained.findings.iter().find(|f| f.severity != Severity::Info);
    let main = main.map(|f| format!("; {}", f.text)).unwrap_or_default();
    format!("{article} {what}{with}{main}.")
}
