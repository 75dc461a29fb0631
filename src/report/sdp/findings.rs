//! What is missing in a description, and what it gives away about its side.

use super::Explained;
use super::side::{Place, Side};
use crate::ground::finding::{Finding, Id, Severity};
use crate::ice::Kind;
use crate::sdp::{Address, Kind as Half, Sdp};
use crate::stun::text::safe;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Findings of one kind that are told one by one.
const MOST: usize = 20;

/// What was noticed about one description, the weighty first.
pub(super) fn of(side: &Side<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    unreadable(side, &mut found);
    part(side, &mut found);
    if !side.ice {
        if side.sections.is_empty() {
            return found;
        }
        without_ice(side, &mut found);
        return found;
    }
    if side.all.is_empty() && side.sdp.unread.is_empty() {
        let text = "it has no candidate: they must follow one by one (trickle), or it was copied before they were gathered";
        found.push(Finding::new(Id::NoCandidates, text));
    } else if side.entries().next().is_some() {
        missing(side, &mut found);
    }
    if let Some((base, seen)) = &side.dependent {
        let base = base.map_or_else(|| "one base".to_owned(), |base| format!("the base {base}"));
        let seen: Vec<String> = seen.iter().take(8).map(ToString::to_string).collect();
        let text = format!(
            "STUN servers saw {base} as {}: the mapping depends on the destination (a symmetric NAT), so what a peer is told is not where it must send",
            seen.join(" and ")
        );
        found.push(Finding::new(Id::DependentMapping, text));
    }
    strays(side, &mut found);
    relays(side, &mut found);
    unusable(side, &mut found);
    hidden(side, &mut found);
    lines(side, &mut found);
    found
}

/// Lines that could not be read: each by its place, the rest was read.
fn unreadable(side: &Side<'_>, found: &mut Vec<Finding>) {
    let bad = &side.sdp.bad;
    for error in bad.iter().take(MOST) {
        let text = format!("{error}; this line does not count, the rest was read");
        found.push(Finding::new(Id::BadLine, text));
    }
    if bad.len() > MOST {
        let text = format!("{} further lines cannot be read", bad.len() - MOST);
        found.push(Finding::new(Id::BadLine, text));
    }
}

/// What is missing of it.
fn part(side: &Side<'_>, found: &mut Vec<Finding>) {
    let sdp = side.sdp;
    let credentials = sdp.says("ice-ufrag") && sdp.says("ice-pwd");
    if sdp.whole {
        if side.ice && !sdp.says("ice-ufrag") {
            let text = "it has candidates, but no a=ice-ufrag and no a=ice-pwd: without credentials no check can be sent or answered";
            found.push(Finding::new(Id::NoCredentials, text));
        }
    } else if side.sections.is_empty() {
        let mut missing = Vec::new();
        if !credentials {
            missing.push("the credentials (a=ice-ufrag and a=ice-pwd)");
        }
        missing.push("the media sections (m=)");
        let text = format!(
            "this is no whole description: {} are missing, so it is judged by its candidates alone",
            missing.join(" and ")
        );
        found.push(Finding::new(Id::Part, text));
    } else {
        let rest = if side.ice && !credentials {
            ", and its credentials (a=ice-ufrag and a=ice-pwd)"
        } else {
            ""
        };
        let text = format!(
            "this is a part of a description: its beginning is missing (v=, o=, s=, t=, and whatever holds for all sections, such as a=group){rest}"
        );
        found.push(Finding::new(Id::Part, text));
    }
}

/// Which kinds of candidates there are not.
fn missing(side: &Side<'_>, found: &mut Vec<Finding>) {
    let has = |kind: Kind| {
        side.entries().any(|e| e.known_kind() == Some(kind))
            || side.sdp.unread.iter().any(|unread| unread == kind.as_str() || unread == "unknown")
    };
    let places: Vec<Place> = side.entries().map(Place::of).collect();
    let all = |fits: fn(&Place) -> bool| side.sdp.unread.is_empty() && places.iter().all(fits);
    let relays = side.entries().all(|e| e.known_kind() == Some(Kind::Relayed));
    let so_far = if side.may_go_on() { " so far (others may have come later)" } else { "" };
    let inner = |place: &Place| {
        matches!(place, Place::Network(_) | Place::Local | Place::Machine | Place::Link)
    };
    if relays && side.sdp.unread.is_empty() {
        let why = if side.relay_only {
            "this side was told to use nothing else (iceTransportPolicy: relay)"
        } else {
            "this side was told to use nothing else (iceTransportPolicy: relay), or its others were taken out"
        };
        let text = format!("all candidates are relayed: {why}; it says nothing about STUN");
        found.push(Finding::new(Id::RelayOnly, text));
    } else if all(|place| *place == Place::Local) {
        let text = format!(
            "all candidates{so_far} are multicast DNS names: only machines of the same local network can find them; others are reached only where they are public, or with a STUN or TURN server"
        );
        found.push(Finding::new(Id::OnlyMdns, text));
    } else if side.lite && all(inner) {
        let text = "this side is ICE-lite and tells only private addresses: it sends no checks itself, so nobody outside of its network connects; tell the server its public address (announced address, external IP, NAT 1:1 mapping)";
        found.push(Finding::new(Id::LitePrivate, text));
    } else if all(inner) {
        let text = format!(
            "all addresses{so_far} are private: nobody outside of that network can send to them; no STUN server answered, or none was given"
        );
        found.push(Finding::new(Id::PrivateOnly, text));
    } else if !has(Kind::ServerReflexive) && no_public_host(side) {
        let text = format!(
            "there is no reflexive candidate{so_far}: no STUN server answered, or none was given, so a direct connection through this side's NAT is unlikely"
        );
        found.push(Finding::new(Id::NoReflexive, text));
    }
    if !has(Kind::Relayed) && !side.lite {
        let text = "there is no relay candidate: where no direct path works, nothing will (give a TURN server, and check its credentials)";
        found.push(Finding { severity: Severity::Info, ..Finding::new(Id::NoRelay, text) });
    }
}

/// No host candidate can be reached from outside; of one that is hidden or a name, nobody knows.
fn no_public_host(side: &Side<'_>) -> bool {
    let mut hosts = side.entries().filter(|e| e.known_kind() == Some(Kind::Host));
    !hosts.any(|e| matches!(Place::of(e), Place::Anywhere(_) | Place::Unknown | Place::Name))
}

/// Addresses that nobody can send to, above all those of a relay that does not know its own.
fn relays(side: &Side<'_>, found: &mut Vec<Finding>) {
    let mut told = 0;
    for entry in side.entries() {
        let relayed = entry.known_kind() == Some(Kind::Relayed);
        let (line, at) = (entry.line, &entry.address);
        let text = match Place::of(entry) {
            Place::Nowhere if relayed => format!(
                "line {line}: the relay tells {at}, which is no address: the TURN server does not know its public one (external-ip)"
            ),
            Place::Nowhere => format!("line {line}: {at} is no address to send to"),
            Place::Network(_) | Place::Machine | Place::Link if relayed => format!(
                "line {line}: the relay tells {at}, a private address, so nobody outside of its network reaches it: the TURN server does not know its public one (external-ip)"
            ),
            _ => continue,
        };
        told += 1;
        if told <= MOST {
            found.push(Finding::new(Id::WrongAddress, text));
        }
    }
}

/// Candidates that the peer does not look at.
fn strays(side: &Side<'_>, found: &mut Vec<Finding>) {
    let misplaced: Vec<_> = side
        .all
        .iter()
        .filter(|c| c.stray.is_some() && c.section.is_some_and(|s| s != c.transport))
        .collect();
    if let Some(first) = misplaced.first() {
        let at = side.section_name(first.section.unwrap_or(0));
        let carrier = side.section_name(first.transport);
        let text = format!(
            "the candidates stand in the wrong section ({} in {at}): {carrier} carries the group (a=group:BUNDLE, RFC 9143 section 7.1), and browsers ignore them anywhere else; they must stand in {carrier}",
            misplaced.len()
        );
        found.push(Finding::new(Id::WrongSection, text));
    }
    let stale: BTreeSet<&str> = side
        .all
        .iter()
        .filter(|c| c.section.is_none_or(|s| s == c.transport))
        .filter_map(|c| c.stray.as_deref())
        .collect();
    for why in stale.into_iter().take(4) {
        found.push(Finding::new(Id::OtherGeneration, format!("a candidate {why}")));
    }
}

fn unusable(side: &Side<'_>, found: &mut Vec<Finding>) {
    use crate::sdp::Unusable;
    let mut count = 0;
    for entry in side.entries() {
        let why = match entry.usable() {
            Ok(_) | Err(Unusable::Hidden(_)) => continue,
            Err(Unusable::TcpType) => "it is TCP without `tcptype`, as before RFC 6544: taken to connect from port 9, and to listen on any other".to_owned(),
            Err(why) => why.to_string(),
        };
        count += 1;
        if count <= MOST {
            found.push(Finding::new(Id::UnusableCandidate, format!("line {}: {why}", entry.line)));
        }
    }
    if count > MOST {
        let text =
            format!("{} further candidates are of no use outside of their network", count - MOST);
        found.push(Finding::new(Id::UnusableCandidate, text));
    }
}

/// Values that were taken out.
fn hidden(side: &Side<'_>, found: &mut Vec<Finding>) {
    let shown: Vec<String> = side
        .entries()
        .filter_map(|entry| match &entry.address {
            Address::Hidden(shown, _) => {
                Some(format!("line {}: {} `{shown}`", entry.line, entry.kind))
            }
            _ => None,
        })
        .collect();
    if shown.is_empty() {
        return;
    }
    let listed: Vec<&str> = shown.iter().take(4).map(String::as_str).collect();
    let text = format!(
        "{} taken out before this was pasted ({}): what depends on the address itself cannot be said, the type is known",
        if shown.len() == 1 {
            "an address was".to_owned()
        } else {
            format!("{} addresses were", shown.len())
        },
        listed.join(", ")
    );
    found.push(Finding::new(Id::HiddenAddress, text));
}

/// What single lines give away.
fn lines(side: &Side<'_>, found: &mut Vec<Finding>) {
    let section = side.sdp.ice_section().flatten();
    let has = |name: &str| side.sdp.value(section, name).is_some();
    if has("ice-mismatch") {
        let text = "ICE was switched off because c= and m= were changed on the way: look for an application-level gateway (ALG) in a router";
        found.push(Finding::new(Id::IceMismatch, text));
    }
    if side.lite {
        let text =
            "this side is ICE-lite: it sends no checks itself, so it must have a public address";
        found.push(Finding::new(Id::IceLite, text));
    }
    if !has("end-of-candidates") && has("ice-options") && !side.all.is_empty() {
        let text = "more candidates may follow (trickle, and no a=end-of-candidates): what is missing here may have come later";
        found.push(Finding::new(Id::Incomplete, text));
    }
    if side.sdp.says("ice-ufrag")
        && let Err(error) = side.sdp.message()
    {
        found.push(Finding::new(Id::BadCredentials, error.to_string()));
    }
}

/// A description of SIP or of another program that does not use ICE.
fn without_ice(side: &Side<'_>, found: &mut Vec<Finding>) {
    let text = "there is no ICE in it (no a=ice-ufrag): media is sent to the address in c= and the port in m=, and to nothing else";
    found.push(Finding::new(Id::NoIce, text));
    for section in side.sections.iter().take(MOST) {
        let number = section.index;
        let (Some(port), Some(address)) = (section.port, section.address.as_deref()) else {
            continue;
        };
        if port == 0 {
            continue;
        }
        let name = safe(section.media.as_bytes());
        let to = format!("{}:{port}", safe(address.as_bytes()));
        let Ok(ip) = address.parse::<IpAddr>() else {
            let text = format!("section {number}: {name} goes to {to}, which is a name or hidden");
            found.push(Finding::new(Id::MediaName, text));
            continue;
        };
        if ip.is_unspecified() || section.inactive {
            let why = if ip.is_unspecified() {
                format!("its address is {ip}")
            } else {
                "a=inactive".to_owned()
            };
            let text = format!("section {number}: {name} is on hold ({why})");
            found.push(Finding::new(Id::OnHold, text));
        } else if !matches!(Place::of_ip(ip), Place::Anywhere(_)) {
            let text = format!(
                "section {number}: {name} is to be sent to {to}, a private address: whoever is in another network cannot, and hears nothing (one-way audio), unless a server or a gateway on the way replaces it"
            );
            found.push(Finding::new(Id::PrivateMedia, text));
        } else {
            let text = format!("section {number}: {name} is to be sent to {to}");
            found.push(Finding::new(Id::Media, text));
        }
        rtcp(section, found);
    }
}

fn rtcp(section: &crate::sdp::Section, found: &mut Vec<Finding>) {
    let Some((port, Some(address))) = &section.rtcp else { return };
    let differs = section.address.as_ref() != Some(address);
    let private = address.parse().is_ok_and(|ip| !matches!(Place::of_ip(ip), Place::Anywhere(_)));
    if differs && private {
        let text = format!(
            "section {}: RTCP is to be sent to {}:{port}, which nobody outside reaches (a=rtcp)",
            section.index,
            safe(address.as_bytes())
        );
        found.push(Finding::new(Id::PrivateRtcp, text));
    }
}

/// What makes two descriptions no pair, and what is wrong between them.
pub(super) fn of_both(offer: &Side<'_>, answer: &Side<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut wrong = |text: String| found.push(Finding::new(Id::NoPair, text));
    let declared = |side: &Side<'_>| side.sdp.kind.filter(|_| side.sdp.declared);
    match (declared(offer), declared(answer)) {
        (Some(Half::Offer), Some(Half::Offer)) => wrong("both are offers".into()),
        (Some(Half::Answer), Some(Half::Answer)) => wrong("both are answers".into()),
        (Some(Half::Answer), Some(Half::Offer)) => wrong(swapped()),
        (Some(Half::Answer), None) if answer.sdp.kind == Some(Half::Offer) => wrong(swapped()),
        (None, Some(Half::Offer)) if offer.sdp.kind == Some(Half::Answer) => wrong(swapped()),
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
    roles(offer, answer, &mut found);
    found
}

fn swapped() -> String {
    "the first is the answer and the second the offer: give the offer first".into()
}

/// Who opens DTLS, and who runs ICE.
fn roles(offer: &Side<'_>, answer: &Side<'_>, found: &mut Vec<Finding>) {
    let setup = |side: &Side<'_>| {
        let section = side.sdp.ice_section().flatten();
        side.sdp.value(section, "setup").map(|(_, value)| value.trim().to_ascii_lowercase())
    };
    let (first, second) = (setup(offer), setup(answer));
    if second.as_deref() == Some("actpass") {
        let hint = if matches!(first.as_deref(), Some("active" | "passive")) {
            " (if these were given in the wrong order, swap them: the first looks like an answer)"
        } else {
            ""
        };
        let text = format!(
            "the answer says a=setup:actpass, which is illegal in an answer (RFC 5763 section 5): it must choose active or passive, and browsers refuse it{hint}; the pair is judged all the same"
        );
        found.push(Finding::new(Id::IllegalActpass, text));
    } else if let (Some(one @ ("active" | "passive")), Some(other)) =
        (first.as_deref(), second.as_deref())
        && one == other
    {
        let text = format!(
            "both sides say a=setup:{one}, so DTLS never starts, even where ICE connects (RFC 5763 section 5)"
        );
        found.push(Finding::new(Id::SetupConflict, text));
    }
    if offer.lite && answer.lite {
        let text = "both sides are ICE-lite: nobody sends checks, so they do not connect; one of them must run full ICE";
        found.push(Finding::new(Id::BothLite, text));
    }
    if offer.ice != answer.ice && !offer.sections.is_empty() && !answer.sections.is_empty() {
        let which = if offer.ice { "the answer" } else { "the offer" };
        let text = format!("{which} has no ICE, the other side has: ICE is not used between them");
        found.push(Finding::new(Id::OneSidedIce, text));
    }
}

/// One sentence about one description.
pub(super) fn summary(sdp: &Sdp, explained: &Explained) -> String {
    let what = explained.kind.clone().unwrap_or_else(|| {
        if sdp.lines.is_empty() {
            "list"
        } else if sdp.whole {
            "description"
        } else {
            "part of a description"
        }
        .to_owned()
    });
    let article = if what.starts_with(['a', 'o']) { "An" } else { "A" };
    let kinds = ["host", "srflx", "prflx", "relay"];
    let of = |kind: &str| explained.candidates.iter().filter(|c| c.kind == kind).count();
    let hidden =
        |kind: &str| explained.candidates.iter().filter(|c| c.kind == kind && c.hidden).count();
    let counted: Vec<String> = kinds
        .iter()
        .map(|kind| (kind, of(kind)))
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| match hidden(kind) {
            0 => format!("{count} {kind}"),
            all if all == count => format!("{count} {kind} (address hidden)"),
            some => format!("{count} {kind} ({some} of them hidden)"),
        })
        .collect();
    let ice = sdp.says("ice-ufrag") || !explained.candidates.is_empty() || !sdp.unread.is_empty();
    let with = match (ice, counted.is_empty()) {
        (false, _) => " without ICE".to_owned(),
        (true, true) => " without candidates".to_owned(),
        (true, false) => format!(" with candidates: {}", counted.join(", ")),
    };
    let weighty = |f: &&Finding| f.severity != Severity::Info && f.id != Id::BadLine;
    let main = explained.findings.iter().find(weighty);
    let main = main.or_else(|| explained.findings.iter().find(|f| f.severity != Severity::Info));
    let main = main.map(|f| format!("; {}", f.text)).unwrap_or_default();
    format!("{article} {what}{with}{main}.")
}
