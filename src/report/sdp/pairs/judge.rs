//! Whether one candidate of each side could connect: who sends first, and who can be reached.

use super::super::side::{Cand, Place, Side};
use super::Could;
use crate::ice::{Kind, Transport};
use crate::sdp::Entry;
use std::net::IpAddr;

/// A candidate with its side.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub side: &'a Side<'a>,
    pub entry: &'a Entry,
    place: Place,
}

impl<'a> End<'a> {
    pub(super) fn new(side: &'a Side<'a>, cand: &'a Cand) -> Self {
        Self { side, entry: &cand.entry, place: Place::of(&cand.entry) }
    }

    fn is(&self, kind: Kind) -> bool {
        self.entry.known_kind() == Some(kind)
    }

    /// Its address for a sentence.
    fn at(&self) -> String {
        match &self.entry.address {
            crate::sdp::Address::Ip(address) => address.ip().to_string(),
            crate::sdp::Address::Name(name, _) => name.clone(),
            crate::sdp::Address::Hidden(shown, _) => format!("{shown} (hidden)"),
        }
    }

    /// It can be reached from the internet without anybody's doing, but for a firewall.
    fn is_public_host(&self) -> bool {
        matches!(self.place, Place::Anywhere(_)) && self.is(Kind::Host)
    }
}

pub(super) type Verdict = (Could, String);

fn cannot(why: impl Into<String>) -> Verdict {
    (Could::Cannot, why.into())
}
fn same(why: impl Into<String>) -> Verdict {
    (Could::SameNetwork, why.into())
}
fn depends(why: impl Into<String>) -> Verdict {
    (Could::Depends, why.into())
}
fn likely(why: impl Into<String>) -> Verdict {
    (Could::Likely, why.into())
}

/// Whether the two could connect, and why.
pub(super) fn judge(one: End<'_>, other: End<'_>) -> Verdict {
    if one.side.lite && other.side.lite {
        return cannot(
            "both sides are ICE-lite: neither sends checks, so no pair is ever found to work (RFC 8445 section 2.5)",
        );
    }
    for end in [one, other] {
        if end.entry.known_kind().is_none() {
            return cannot(format!(
                "its type `{}` is none of host, srflx, prflx and relay",
                end.entry.kind
            ));
        }
        if end.place == Place::Nowhere {
            return cannot(format!("{} is no address to send to", end.at()));
        }
        if end.entry.meant_transport().is_none() {
            return cannot(format!(
                "its transport `{}` is neither UDP nor TCP",
                end.entry.transport
            ));
        }
    }
    if [one, other].iter().any(|end| end.place == Place::Machine) {
        return same("a loopback address is reached only from its own machine");
    }
    match (one.entry.meant_transport(), other.entry.meant_transport()) {
        (Some(Transport::TcpActive), _) => tcp(one, other),
        (_, Some(Transport::TcpActive)) => tcp(other, one),
        (Some(Transport::TcpSimultaneousOpen), _) => depends(
            "both ends must open at once, which few programs and few NATs do (RFC 6544 section 3)",
        ),
        _ => udp(one, other),
    }
}

/// TCP goes one way: the active end connects to the passive one.
fn tcp(active: End<'_>, passive: End<'_>) -> Verdict {
    if active.side.lite {
        return cannot("its end that connects is of an ICE-lite side, which opens nothing");
    }
    match passive.place {
        Place::Anywhere(_) if passive.is(Kind::Host) => likely(format!(
            "{} listens on a public address: only a firewall could stand between",
            passive.at()
        )),
        Place::Anywhere(_) => depends(format!(
            "{} is where a NAT or a relay stands: it must pass a connection from outside to the end that listens",
            passive.at()
        )),
        Place::Unknown | Place::Name => depends(format!("where {} is, is not shown", passive.at())),
        _ if matches!(active.place, Place::Anywhere(_)) => cannot(format!(
            "the end that listens is at {}, which nobody outside of its network reaches",
            passive.at()
        )),
        _ => within(active, passive),
    }
}

fn udp(one: End<'_>, other: End<'_>) -> Verdict {
    let public = |end: End<'_>| matches!(end.place, Place::Anywhere(_));
    match (public(one), public(other)) {
        (true, true) => both_public(one, other),
        (false, true) => one_way(one, other),
        (true, false) => one_way(other, one),
        (false, false) => within(one, other),
    }
}

/// Neither is known to be reached from the internet.
fn within(one: End<'_>, other: End<'_>) -> Verdict {
    for end in [one, other] {
        match end.place {
            Place::Local => {
                return same(format!(
                    "{} is found only within its local network (multicast DNS)",
                    end.at()
                ));
            }
            Place::Link => return same(format!("{} is reached only on its own link", end.at())),
            _ => {}
        }
    }
    for end in [one, other] {
        match end.place {
            Place::Name => {
                return depends(format!(
                    "{} is a name: it works only if the other side looks names up, and it leads to an address that can be reached",
                    end.at()
                ));
            }
            Place::Unknown => {
                return depends(format!("where {} is, is not shown", end.at()));
            }
            _ => {}
        }
    }
    let relays = one.is(Kind::Relayed) && other.is(Kind::Relayed);
    if relays && one.place == other.place && one.place != Place::Network(None) {
        return depends(
            "both relayed addresses are of one relay in a private network: it works if that relay passes packets on to itself",
        );
    }
    let why = match (one.side.seen_as(), other.side.seen_as()) {
        (Some(a), Some(b)) if a == b => {
            format!("both are seen as {a} from outside, so they may be in one network")
        }
        (Some(a), Some(b)) => format!(
            "they are seen from outside as {a} and {b}, so {} and {} are of different networks, unless a VPN joins them",
            one.at(),
            other.at()
        ),
        _ => format!(
            "{} and {} are private: only within one network can they reach each other",
            one.at(),
            other.at()
        ),
    };
    same(why)
}

/// One that cannot be reached from the internet, and one that can: checks go one way.
fn one_way(inner: End<'_>, outer: End<'_>) -> Verdict {
    let at = inner.at();
    if inner.place == Place::Link {
        return cannot(format!("{at} is reached only on its own link, and sends only there"));
    }
    if inner.side.lite {
        return match inner.place {
            Place::Unknown | Place::Name => depends(format!(
                "ICE-lite sends no checks, so {at} must be reached from outside, and where it is, is not shown"
            )),
            _ => cannot(format!(
                "ICE-lite sends no checks, and nobody outside of its network reaches {at}"
            )),
        };
    }
    if inner.is(Kind::Relayed) {
        return depends(format!(
            "the relay tells a private address, {at}: it works only if the relay's own checks get out from there (its external address is not configured)"
        ));
    }
    if outer.is(Kind::Relayed) {
        return to_relay(inner, &at);
    }
    if let Place::Network(Some(IpAddr::V6(ip))) = inner.place {
        return depends(format!(
            "{ip} is a unique local address: it reaches the internet only where something translates it"
        ));
    }
    if outer.is(Kind::Host) {
        let first = match inner.place {
            Place::Local => "the check of the side behind the name".to_owned(),
            Place::Name => format!("the check of {at}"),
            _ => format!("{at} can send first: its check"),
        };
        return likely(format!(
            "{first} comes first and opens its NAT, the other side learns from it where to answer, unless a firewall stands before the public address"
        ));
    }
    if outer.side.lite {
        return forwarded(outer);
    }
    let why = if !inner.side.shows_public {
        format!(
            "only checks from {at} can pass, and only if the NAT before the other side lets in anyone (endpoint-independent filtering): {at} tells no address that the other side could send to first"
        )
    } else if outer.side.dependent.is_some() {
        format!(
            "only checks from {at} can pass, and only if the NAT before the other side lets in anyone: its mapping depends on the destination"
        )
    } else {
        format!(
            "only checks from {at} can pass, if the NAT before the other side lets them in; what comes back makes it a pair of reflexive addresses"
        )
    };
    depends(why)
}

/// A relay lets in only addresses that its client named (RFC 8656 section 9): those of the peer's
/// candidates.
fn to_relay(inner: End<'_>, at: &str) -> Verdict {
    if inner.side.shows_public {
        return likely(format!("the relay cannot reach {at}, but {at} reaches the relay"));
    }
    depends(format!(
        "{at} reaches the relay, but the relay lets in only addresses that it was told of, and this side tells none that it is seen from outside as (no reflexive candidate)"
    ))
}

fn forwarded(lite: End<'_>) -> Verdict {
    depends(format!(
        "ICE-lite sends no checks and so opens no NAT: it works only if {} passes this port on to it (a forwarded port)",
        lite.at()
    ))
}

fn both_public(one: End<'_>, other: End<'_>) -> Verdict {
    if one.is(Kind::Relayed) || other.is(Kind::Relayed) {
        return likely(
            "a relay takes packets from whomever its client asks it to, and passes them on",
        );
    }
    if one.is_public_host() && other.is_public_host() {
        return likely("both addresses are public: only a firewall could stand between");
    }
    // an ICE-lite side behind a NAT waits for packets that its NAT does not let in
    for end in [one, other] {
        if end.side.lite && !end.is(Kind::Host) {
            return forwarded(end);
        }
    }
    if one.is_public_host() || other.is_public_host() {
        return likely(
            "one address is public: it answers what comes to it, unless a firewall stands before it",
        );
    }
    if let (Place::Anywhere(Some(a)), Place::Anywhere(Some(b))) = (one.place, other.place)
        && a == b
    {
        return depends(format!(
            "both are behind the NAT {a}: it must pass packets back inside (hairpinning)"
        ));
    }
    depends(match (one.side.dependent.is_some(), other.side.dependent.is_some()) {
        (true, true) => {
            "both mappings depend on the destination: it works only if one of the NATs lets in anyone (endpoint-independent filtering), so plan for a relay"
        }
        (true, false) | (false, true) => {
            "one mapping depends on the destination: it works only if the other side's NAT does not filter by port, or its own lets in anyone"
        }
        (false, false) => {
            "it works unless one NAT is symmetric and the other filters by port, which descriptions do not show (run `natscope probe` on both sides)"
        }
    })
}
