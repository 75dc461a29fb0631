//! One side of a connection, as the pairs and the findings look at it.

use super::{Explained, SdpCandidate, findings, meaning};
use crate::ground::address::{Reach, reach};
use crate::ice::Kind;
use crate::sdp::{Address, Entry, Sdp, Section};
use crate::stun::text::safe;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// A candidate, with the transport that it is for and why it counts for nothing.
pub(super) struct Cand {
    pub entry: Entry,
    /// The section that it stands in.
    pub section: Option<usize>,
    /// The section that carries it, 0 where there is none.
    pub transport: usize,
    /// It stands where the peer does not look, or belongs to something else.
    pub stray: Option<String>,
}

/// A reflexive base, and the several addresses that servers saw it as.
pub(super) type Dependent = (Option<SocketAddr>, Vec<SocketAddr>);

pub(super) struct Side<'a> {
    pub source: &'a str,
    pub sdp: &'a Sdp,
    pub sections: Vec<Section>,
    pub all: Vec<Cand>,
    pub lite: bool,
    /// It takes part in ICE: it has credentials, or candidates.
    pub ice: bool,
    /// Its NAT maps by destination, as its candidates show.
    pub dependent: Option<Dependent>,
    /// It was told to use relays only.
    pub relay_only: bool,
    /// Whether a peer's relay knows where its packets come from: it tells a public address.
    pub shows_public: bool,
}

/// How far an address can be reached from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// From the internet; the address is none when it is hidden.
    Anywhere(Option<IpAddr>),
    /// From one network.
    Network(Option<IpAddr>),
    /// From one link.
    Link,
    Machine,
    /// Unspecified, multicast: from nowhere.
    Nowhere,
    /// A name of multicast DNS.
    Local,
    /// Another name.
    Name,
    /// A hidden address of the host itself.
    Unknown,
}

impl Place {
    pub(super) fn of(entry: &Entry) -> Self {
        match &entry.address {
            Address::Ip(address) => Self::of_ip(address.ip()),
            Address::Name(name, _) if is_local(name) => Self::Local,
            Address::Name(..) => Self::Name,
            Address::Hidden(shown, _) if crate::sdp::is_private_hidden(shown) => {
                Self::Network(None)
            }
            Address::Hidden(..) if entry.known_kind() == Some(Kind::Host) => Self::Unknown,
            Address::Hidden(..) => Self::Anywhere(None),
        }
    }

    pub(super) fn of_ip(ip: IpAddr) -> Self {
        match reach(ip) {
            Reach::Nowhere => Self::Nowhere,
            Reach::Loopback => Self::Machine,
            Reach::Link => Self::Link,
            Reach::Site | Reach::Carrier => Self::Network(Some(ip.to_canonical())),
            Reach::Global => Self::Anywhere(Some(ip.to_canonical())),
        }
    }
}

fn is_local(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("local"))
}

impl<'a> Side<'a> {
    /// A side whose sections share a transport only where the peer agrees.
    pub(super) fn new(source: &'a str, sdp: &'a Sdp, bundled: bool, relay_only: bool) -> Self {
        let sections = sdp.sections();
        let all = candidates(sdp, bundled);
        let good = || all.iter().filter(|c| c.stray.is_none()).map(|c| &c.entry);
        let dependent = dependent(&good().collect::<Vec<_>>());
        let shows_public = good().any(|entry| {
            entry.known_kind() != Some(Kind::Relayed)
                && matches!(Place::of(entry), Place::Anywhere(_))
        });
        Self {
            source,
            lite: sdp.lite,
            ice: sdp.says("ice-ufrag") || !sdp.entries().is_empty() || !sdp.unread.is_empty(),
            sdp,
            sections,
            all,
            dependent,
            relay_only,
            shows_public,
        }
    }

    /// Candidates that count.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.all.iter().filter(|c| c.stray.is_none()).map(|c| &c.entry)
    }

    /// Where a STUN server saw it.
    pub(super) fn seen_as(&self) -> Option<IpAddr> {
        let mut reflexive =
            self.entries().filter(|e| e.known_kind() == Some(Kind::ServerReflexive));
        reflexive.find_map(|e| match e.address {
            Address::Ip(address) => Some(address.ip()),
            _ => None,
        })
    }

    /// What a section is called in a sentence.
    pub(super) fn section_name(&self, index: usize) -> String {
        match self.sections.get(index) {
            Some(section) => format!("section {index} ({})", safe(section.media.as_bytes())),
            None => format!("section {index}"),
        }
    }

    /// More candidates may come: it trickles, and has not said that it is done.
    pub(super) fn may_go_on(&self) -> bool {
        let section = self.sdp.ice_section().flatten();
        let options = self.sdp.value(section, "ice-options").map_or("", |(_, value)| value);
        options.split(' ').any(|option| option == "trickle") && !self.sdp.says("end-of-candidates")
    }

    pub(super) fn explained(&self) -> Explained {
        Explained {
            source: safe(self.source.as_bytes()),
            name: self.sdp.name.as_ref().map(|name| safe(name.as_bytes())),
            begins: (self.sdp.place > 1).then_some(self.sdp.place),
            kind: self.sdp.kind.map(|kind| kind.to_string()),
            lines: self.sdp.lines.iter().map(meaning::explain).collect(),
            candidates: self.all.iter().map(SdpCandidate::from).collect(),
            findings: findings::of(self),
        }
    }
}

/// The candidates, each with its transport; of bundled sections only those that carry the group, but
/// for ones that stand where nobody looks.
fn candidates(sdp: &Sdp, bundled: bool) -> Vec<Cand> {
    let carrier = carriers(sdp, bundled);
    let first = sdp.ice_section().flatten();
    let transport = |section: Option<usize>| {
        let section = section.or(first).unwrap_or(0);
        carrier.get(&section).copied().unwrap_or(section)
    };
    let in_place = |media: Option<usize>| media.is_none_or(|m| transport(media) == m);
    let filled: BTreeSet<usize> = sdp
        .entries()
        .iter()
        .filter(|(media, _)| in_place(*media))
        .map(|(media, _)| transport(*media))
        .collect();
    let ufrags: BTreeMap<usize, &str> = sdp
        .lines
        .iter()
        .filter_map(|line| {
            let (name, value) = line.attribute()?;
            name.eq_ignore_ascii_case("ice-ufrag").then_some(())?;
            Some((line.media.unwrap_or(usize::MAX), value?.trim()))
        })
        .collect();
    let mut all = Vec::new();
    for (media, entry) in sdp.entries() {
        let to = transport(*media);
        let misplaced = !in_place(*media);
        if misplaced && filled.contains(&to) {
            // an offer that may end without the group has candidates in every section
            continue;
        }
        let named = ufrags.get(&to).or_else(|| ufrags.get(&usize::MAX)).copied();
        let stray = if misplaced {
            Some(format!(
                "stands in section {}, but section {to} carries the group: it is ignored there",
                media.unwrap_or(0)
            ))
        } else {
            stale(entry, named)
        };
        all.push(Cand { entry: entry.clone(), section: *media, transport: to, stray });
    }
    all
}

/// A candidate of another generation: after a restart of ICE the peer ignores it (RFC 8838 section
/// 11).
fn stale(entry: &Entry, ufrag: Option<&str>) -> Option<String> {
    let (own, described) = (entry.ufrag.as_deref()?, ufrag?);
    (own != described).then(|| {
        format!(
            "names the ufrag `{}`, but the description has `{}`: it belongs to another generation (a restart of ICE) or another connection",
            safe(own.as_bytes()),
            safe(described.as_bytes())
        )
    })
}

/// Which section carries each.
fn carriers(sdp: &Sdp, bundled: bool) -> BTreeMap<usize, usize> {
    if !bundled {
        return BTreeMap::new();
    }
    let mut carriers = BTreeMap::new();
    for group in sdp.bundles() {
        if let Some(&first) = group.first() {
            carriers.extend(group.into_iter().map(|section| (section, first)));
        }
    }
    carriers
}

/// The sections that carry something, in order; 0 alone where there are none.
pub(super) fn transports(side: &Side<'_>, bundled: bool) -> BTreeSet<usize> {
    let carriers = carriers(side.sdp, bundled);
    let on = side.sections.iter().filter(|section| !section.is_off());
    let mut all: BTreeSet<usize> =
        on.map(|s| carriers.get(&s.index).copied().unwrap_or(s.index)).collect();
    if side.sections.is_empty() {
        all.insert(0);
    }
    all
}

/// Several reflexive addresses for one base and transport, which is how a mapping that depends on
/// the destination looks.
fn dependent(entries: &[&Entry]) -> Option<Dependent> {
    type Key = (u16, Option<SocketAddr>, bool);
    let mut seen: BTreeMap<Key, BTreeSet<SocketAddr>> = BTreeMap::new();
    let mut hosts: BTreeMap<u16, usize> = BTreeMap::new();
    for entry in entries.iter().filter(|e| e.transport == "udp") {
        match (entry.known_kind(), &entry.address) {
            (Some(Kind::ServerReflexive), Address::Ip(address)) => {
                let key = (entry.component, entry.related, address.is_ipv4());
                seen.entry(key).or_default().insert(*address);
            }
            (Some(Kind::Host), _) => *hosts.entry(entry.component).or_default() += 1,
            _ => {}
        }
    }
    seen.into_iter().find_map(|((component, base, _), seen)| {
        let base = base.filter(|base| base.port() != 0);
        // a browser that hides the base may have several: it counts only when there is one
        let one = base.is_some() || hosts.get(&component) == Some(&1);
        (seen.len() > 1 && one).then(|| (base, seen.into_iter().collect()))
    })
}
