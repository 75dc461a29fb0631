//! Which candidates of two sides could connect, and which cannot, as far as descriptions tell.
//!
//! Sides may have thousands of candidates. Of each class that pairs up, only the preferred are
//! looked at, and one candidate of each sort, so that memory and time grow with the candidates and
//! not with their product.

mod judge;
mod media;
mod verdict;

pub(super) use verdict::{Part, summary};

use super::side::{Cand, Place, Side, transports};
use crate::ice::Transport;
use crate::sdp::Address;
use judge::End;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most pairs that are listed for a connection.
const MOST: usize = 400;

/// Whether a pair could work.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Could {
    /// Nothing that the descriptions show stands against it.
    Likely,
    /// It depends on the NATs' behaviour, which descriptions do not show.
    Depends,
    /// Only where both are in one network.
    SameNetwork,
    /// Not at all.
    Cannot,
}

impl Could {
    /// Its name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Likely => "likely",
            Self::Depends => "depends",
            Self::SameNetwork => "same network only",
            Self::Cannot => "cannot",
        }
    }
}

/// A candidate of the offer and one of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct SdpPair {
    /// The index of the first side's candidate in its list; without ICE, of its section.
    pub offer: usize,
    /// The index of the second side's.
    pub answer: usize,
    /// The section that they carry, where there are several transports, or no ICE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<usize>,
    /// The index of the connection, where there are several.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub connection: usize,
    /// The first side's: kind and address.
    pub from: String,
    /// The second side's.
    pub to: String,
    /// RFC 8445 section 6.1.2.3, the offer's side controlling; 0 without ICE.
    pub priority: u64,
    /// Whether it could work.
    pub could: Could,
    /// Why, in a clause.
    pub because: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// What was found about one connection.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub pairs: Vec<SdpPair>,
    pub unpaired: usize,
    /// What each transport comes to.
    pub parts: Vec<Part>,
}

/// All pairs, the preferred first.
pub(super) fn find(offer: &Side<'_>, answer: &Side<'_>, bundled: bool) -> Found {
    let mut found = Found::default();
    let (ours, theirs) = (transports(offer, bundled), transports(answer, bundled));
    // candidates alone have no section: they belong to the first
    let alone = answer.sections.is_empty() || offer.sections.is_empty();
    let several = ours.len() > 1 && !alone;
    let (one, other) = (by_transport(offer, alone), by_transport(answer, alone));
    let none = Vec::new();
    let both = ours.iter().filter(|at| alone || theirs.contains(at));
    for &at in both.take(if alone { 1 } else { usize::MAX }) {
        let section = several.then_some(at);
        if offer.ice && answer.ice {
            let key = if alone { 0 } else { at };
            let (a, b) = (one.get(&key).unwrap_or(&none), other.get(&key).unwrap_or(&none));
            ice(&mut found, section, (offer, a), (answer, b));
        } else {
            without_ice(&mut found, at, offer, answer);
        }
        if found.pairs.len() > 64 * MOST {
            prune(&mut found.pairs);
        }
    }
    found.pairs.sort_by_key(|pair| (pair.section, std::cmp::Reverse(pair.priority)));
    found.pairs.truncate(MOST);
    found
}

/// The candidates that count, with their indices, by transport.
fn by_transport<'s>(side: &'s Side<'_>, alone: bool) -> BTreeMap<usize, Listed<'s>> {
    let mut by: BTreeMap<usize, Listed<'s>> = BTreeMap::new();
    for (index, cand) in side.all.iter().enumerate().filter(|(_, c)| c.stray.is_none()) {
        by.entry(if alone { 0 } else { cand.transport }).or_default().push((index, cand));
    }
    by
}

fn without_ice(found: &mut Found, at: usize, offer: &Side<'_>, answer: &Side<'_>) {
    let Some(mut pair) = media::pair(at, offer, answer) else { return };
    let part = Part::of_media(&pair, offer.section_name(at));
    if offer.sections.len() < 2 {
        pair.section = None;
    }
    found.parts.push(part);
    found.pairs.push(pair);
}

/// What must be alike for two candidates to be a pair (RFC 8445 section 6.1.2.2, RFC 6544 section
/// 6.2). A name may turn out to be of either family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    component: u16,
    family: Family,
    transport: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    V4,
    V6,
    Any,
}

impl Class {
    fn of(cand: &Cand) -> Self {
        let entry = &cand.entry;
        let family = match &entry.address {
            Address::Ip(address) if address.is_ipv4() => Family::V4,
            Address::Ip(_) => Family::V6,
            _ => Family::Any,
        };
        let transport = match entry.meant_transport() {
            Some(Transport::Udp) => "udp",
            Some(Transport::TcpActive) => "tcp active",
            Some(Transport::TcpPassive) => "tcp passive",
            Some(Transport::TcpSimultaneousOpen) => "tcp so",
            None => entry.transport.as_str(),
        };
        Self { component: entry.component, family, transport: transport.to_owned() }
    }

    /// The classes that it pairs up with.
    fn partners(&self) -> Vec<Self> {
        let transport = match self.transport.as_str() {
            "tcp active" => "tcp passive",
            "tcp passive" => "tcp active",
            other => other,
        };
        let families = match self.family {
            Family::Any => vec![Family::V4, Family::V6, Family::Any],
            known => vec![known, Family::Any],
        };
        let class =
            |family| Self { component: self.component, family, transport: transport.to_owned() };
        families.into_iter().map(class).collect()
    }
}

type Listed<'s> = Vec<(usize, &'s Cand)>;

fn classes<'s>(all: &[(usize, &'s Cand)]) -> BTreeMap<Class, Listed<'s>> {
    let mut classes: BTreeMap<Class, Listed<'s>> = BTreeMap::new();
    for (index, cand) in all {
        classes.entry(Class::of(cand)).or_default().push((*index, cand));
    }
    for listed in classes.values_mut() {
        listed.sort_by_key(|(index, cand)| (std::cmp::Reverse(cand.entry.priority), *index));
    }
    classes
}

/// Pairs of one transport.
fn ice<'s>(
    found: &mut Found,
    section: Option<usize>,
    (offer, ours): (&'s Side<'s>, &[(usize, &'s Cand)]),
    (answer, theirs): (&'s Side<'s>, &[(usize, &'s Cand)]),
) {
    let (one, other) = (classes(ours), classes(theirs));
    let mut paired = 0;
    let mut kept = Vec::new();
    let mut components: BTreeMap<u16, Part> = BTreeMap::new();
    for (class, a) in &one {
        for b in class.partners().iter().filter_map(|partner| other.get(partner)) {
            paired += a.len() * b.len();
            let part = components
                .entry(class.component)
                .or_insert_with(|| Part::new(section.map(|at| offer.section_name(at))));
            for (i, j) in looked_at(a, b) {
                let (Some((ia, ca)), Some((ib, cb))) = (a.get(i), b.get(j)) else { continue };
                let (could, because) = judge::judge(End::new(offer, ca), End::new(answer, cb));
                let pair = SdpPair {
                    offer: *ia,
                    answer: *ib,
                    section,
                    connection: 0,
                    from: format!("{} {}", ca.entry.kind, ca.entry.address),
                    to: format!("{} {}", cb.entry.kind, cb.entry.address),
                    priority: priority(ca.entry.priority, cb.entry.priority),
                    could,
                    because,
                };
                part.add(&pair);
                kept.push(pair);
                if kept.len() > 8 * MOST {
                    prune(&mut kept);
                }
            }
        }
    }
    prune(&mut kept);
    found.unpaired += ours.len() * theirs.len() - paired;
    found.pairs.append(&mut kept);
    let muxed = |side: &Side<'_>| {
        let at = section.unwrap_or(0);
        side.sections.get(at).is_some_and(|section| section.rtcp_mux)
    };
    // RTCP has a pair of its own only where both want one
    if muxed(offer) && muxed(answer) {
        components.retain(|component, _| *component == 1);
    }
    let worst = components.into_values().max_by_key(Part::badness);
    found.parts.push(
        worst
            .unwrap_or_else(|| Part::new(section.map(|at| offer.section_name(at))))
            .of(offer, answer),
    );
}

fn prune(kept: &mut Vec<SdpPair>) {
    kept.sort_by_key(|pair| (std::cmp::Reverse(pair.priority), pair.offer, pair.answer));
    kept.truncate(MOST);
}

/// Of two lists, the preferred first, the places of the pairs that are judged: those that can be
/// among the preferred [`MOST`] (any pair before both is preferred to it), and the first of each
/// sort with the first of each.
fn looked_at(a: &[(usize, &Cand)], b: &[(usize, &Cand)]) -> BTreeSet<(usize, usize)> {
    let mut places = BTreeSet::new();
    for i in 0..a.len().min(MOST) {
        places.extend((0..b.len().min(MOST / (i + 1))).map(|j| (i, j)));
    }
    let (one, other) = (sorts(a), sorts(b));
    places.extend(one.iter().flat_map(|&i| other.iter().map(move |&j| (i, j))));
    places
}

/// The first of each sort of candidates: of one sort all are judged alike.
fn sorts(all: &[(usize, &Cand)]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let sort = |cand: &Cand| {
        let place = match Place::of(&cand.entry) {
            Place::Anywhere(_) => Place::Anywhere(None),
            Place::Network(_) => Place::Network(None),
            other => other,
        };
        (cand.entry.known_kind().map(crate::ice::Kind::as_str), place)
    };
    let mut firsts = Vec::new();
    for (at, (_, cand)) in all.iter().enumerate() {
        if seen.insert(sort(cand)) {
            firsts.push(at);
        }
    }
    firsts
}

fn priority(controlling: u32, controlled: u32) -> u64 {
    let (g, d) = (u64::from(controlling), u64::from(controlled));
    ((g.min(d)) << 32) + 2 * g.max(d) + u64::from(g > d)
}
