//! The forecast for two ends of which not everything is known: of every behaviour that each may
//! have. Where all come to one verdict, that is the verdict.

use super::behaviour::{self, Behaviour, Outcome, Reason};
use super::{End, Verdict};
use crate::nat::{Allocation, Bug, Classic, Filtering, Mapping, NatSpec, Scope, Translation};
use std::sync::LazyLock;

/// What may stand in front of a host: for each axis that decides a pair, the values that are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possible {
    /// Whether UDP passes.
    pub udp: Vec<bool>,
    /// Whether addresses are translated.
    pub nat: Vec<bool>,
    /// RFC 4787 section 4.1.
    pub mapping: Vec<Mapping>,
    /// RFC 4787 section 5.
    pub filtering: Vec<Filtering>,
    /// The RFC 3489 name; it binds the others together.
    pub classic: Vec<Classic>,
    /// Whether early packets of a peer are taken by the router.
    pub early_packet: Vec<bool>,
    /// Whose sending opens a filter.
    pub scope: Vec<Scope>,
}

/// One end of a pair as far as it is known: every behaviour that it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// From the most permissive to the strictest.
    candidates: Vec<Candidate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    udp: bool,
    mapping: Mapping,
    filtering: Filtering,
    behaviour: Behaviour,
}

/// A behaviour of one box, and what it comes to.
#[derive(Debug, Clone, Copy)]
struct Known {
    nat: bool,
    early_packet: bool,
    scope: Scope,
    classic: Classic,
    candidate: Candidate,
}

/// Every behaviour of one box.
static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let mut all = vec![Known::of(true, false, Scope::Mapping, &blocked())];
    for &mapping in Mapping::ALL {
        for &filtering in Filtering::ALL {
            for nat in [true, false] {
                for early_packet in [false, true] {
                    for &scope in Scope::ALL {
                        let spec = NatSpec {
                            scope,
                            translation: if nat { Translation::Nat } else { Translation::None },
                            bugs: if early_packet { vec![Bug::EarlyPacket] } else { Vec::new() },
                            ..NatSpec::new(mapping, filtering, Allocation::Random)
                        };
                        if possible(&spec) {
                            all.push(Known::of(nat, early_packet, scope, &spec));
                        }
                    }
                }
            }
        }
    }
    all
});

/// Without translation the mapping is endpoint-independent; and only a NAT that does not let
/// uninvited packets in by itself takes them.
fn possible(spec: &NatSpec) -> bool {
    let nat = spec.translation == Translation::Nat;
    let filters = spec.filtering != Filtering::EndpointIndependent;
    (nat || spec.mapping == Mapping::EndpointIndependent)
        && (!spec.has(Bug::EarlyPacket) || (nat && filters))
}

fn blocked() -> NatSpec {
    let (mapping, filtering) = (Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    NatSpec { bugs: vec![Bug::UdpBlocked], ..NatSpec::new(mapping, filtering, Allocation::Random) }
}

impl Known {
    fn of(nat: bool, early_packet: bool, scope: Scope, spec: &NatSpec) -> Self {
        let classic = spec.truth().classic;
        Self { nat, early_packet, scope, classic, candidate: Candidate::of(spec) }
    }

    fn fits(&self, left: &Possible) -> bool {
        let Candidate { udp, mapping, filtering, .. } = self.candidate;
        let behaves = || {
            left.nat.contains(&self.nat)
                && left.mapping.contains(&mapping)
                && left.filtering.contains(&filtering)
                && left.early_packet.contains(&self.early_packet)
                && left.scope.contains(&self.scope)
        };
        left.udp.contains(&udp) && left.classic.contains(&self.classic) && (!udp || behaves())
    }
}

impl Candidate {
    fn of(spec: &NatSpec) -> Self {
        let truth = spec.truth();
        Self {
            udp: !truth.udp_blocked,
            mapping: truth.mapping,
            filtering: truth.filtering,
            behaviour: Behaviour::of(spec),
        }
    }
}

impl Possible {
    /// Nothing is known but that it is one NAT as most are: it takes no early packets for itself,
    /// and its permissions belong to one mapping.
    #[must_use]
    pub fn anything() -> Self {
        Self {
            udp: vec![true, false],
            nat: vec![true, false],
            mapping: Mapping::ALL.to_vec(),
            filtering: Filtering::ALL.to_vec(),
            classic: Classic::ALL.to_vec(),
            early_packet: vec![false],
            scope: vec![Scope::Mapping],
        }
    }
}

impl Standing {
    /// Every behaviour that is left; `None` when the values exclude one another.
    #[must_use]
    pub fn of(left: &Possible) -> Option<Self> {
        let fitting = KNOWN.iter().filter(|known| known.fits(left));
        Self::collect(fitting.map(|known| known.candidate))
    }

    /// What this description says.
    #[must_use]
    pub fn described(spec: &NatSpec) -> Self {
        Self { candidates: vec![Candidate::of(spec)] }
    }

    /// Any of these descriptions; `None` when there are none.
    #[must_use]
    pub fn any<'a>(specs: impl IntoIterator<Item = &'a NatSpec>) -> Option<Self> {
        Self::collect(specs.into_iter().map(Candidate::of))
    }

    /// Any NAT as most are, or none, and UDP may not pass.
    #[must_use]
    pub fn anything() -> Self {
        let left = Possible::anything();
        let fitting = KNOWN.iter().filter(|known| known.fits(&left));
        Self { candidates: fitting.map(|known| known.candidate).collect() }
    }

    fn collect(all: impl Iterator<Item = Candidate>) -> Option<Self> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for candidate in all {
            if !candidates.contains(&candidate) {
                candidates.push(candidate);
            }
        }
        candidates.sort_by_key(|c| (!c.udp, c.mapping, c.filtering));
        (!candidates.is_empty()).then_some(Self { candidates })
    }

    /// Whether it is known that no UDP passes, or `None` where that is open.
    #[must_use]
    pub fn udp_blocked(&self) -> Option<bool> {
        let mut all = self.candidates.iter().map(|c| !c.udp);
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    }
}

/// What is expected of two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The verdicts that are possible, each once, the easiest first; never empty.
    pub possible: Vec<Verdict>,
    /// When it depends on who sends first: the end that must, where that is one and the same for
    /// every behaviour that is left.
    pub first: Option<End>,
    /// Why the verdict holds, for the behaviour that it is hardest for: the strictest where they
    /// connect, the most permissive where they do not.
    pub reason: Reason,
    /// What of an end decides, where the verdict is open.
    pub hinges: Vec<Hinge>,
}

/// An axis of one end that is not known and on which the verdict depends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hinge {
    /// Whose behaviour it is that could not be told.
    pub end: End,
    /// Which of its behaviours.
    pub axis: Open,
    /// What is possible with each of its values.
    pub by: Vec<(&'static str, Vec<Verdict>)>,
}

/// An axis that can be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Open {
    /// Whether UDP passes.
    Udp,
    /// RFC 4787 section 4.1.
    Mapping,
    /// RFC 4787 section 5.
    Filtering,
}

impl Outlook {
    /// The verdict, where there is one.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        match self.possible.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }
}

/// The forecast for two ends of which not everything is known.
#[must_use]
pub fn outlook(a: &Standing, b: &Standing) -> Outlook {
    let outcomes: Vec<(Outcome, Reason)> = a
        .candidates
        .iter()
        .flat_map(|a| b.candidates.iter().map(|b| behaviour::judge([a.behaviour, b.behaviour])))
        .collect();
    let possible = verdicts(outcomes.iter().map(|(outcome, _)| *outcome));
    let deciding =
        if possible.first() == Some(&Verdict::Stun) { outcomes.last() } else { outcomes.first() };
    let firsts = outcomes.iter().map(|(outcome, _)| outcome.first);
    let first = outcomes.first().and_then(|(outcome, _)| outcome.first);
    Outlook {
        first: first.filter(|first| firsts.clone().all(|f| f == Some(*first))),
        reason: deciding.map_or(Reason::Blocked(End::A), |(_, reason)| *reason),
        hinges: if possible.len() > 1 { hinges([a, b]) } else { Vec::new() },
        possible,
    }
}

fn verdicts(outcomes: impl Iterator<Item = Outcome>) -> Vec<Verdict> {
    let mut all: Vec<Verdict> = outcomes.map(|outcome| outcome.verdict).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn hinges(ends: [&Standing; 2]) -> Vec<Hinge> {
    End::BOTH
        .into_iter()
        .flat_map(|end| {
            [Open::Udp, Open::Mapping, Open::Filtering]
                .into_iter()
                .filter_map(move |axis| hinge(ends, end, axis))
        })
        .collect()
}

/// The verdicts that are possible with one of these behaviours at one end.
fn with(ends: [&Standing; 2], end: End, own: &[&Candidate]) -> Vec<Verdict> {
    let [a, b] = ends;
    let other = if end == End::A { b } else { a };
    verdicts(own.iter().flat_map(|own| {
        other.candidates.iter().map(|other| match end {
            End::A => behaviour::judge([own.behaviour, other.behaviour]).0,
            End::B => behaviour::judge([other.behaviour, own.behaviour]).0,
        })
    }))
}

fn hinge(ends: [&Standing; 2], end: End, axis: Open) -> Option<Hinge> {
    let [a, b] = ends;
    let own = &if end == End::A { a } else { b }.candidates;
    // those that are alike but for this axis
    let others = |c: &Candidate| match axis {
        Open::Udp => (true, None, None),
        Open::Mapping => (c.udp, None, Some(c.filtering)),
        Open::Filtering => (c.udp, Some(c.mapping), None),
    };
    let differ = own.iter().enumerate().any(|(at, one)| {
        let verdicts = with(ends, end, &[one]);
        own[at + 1..].iter().any(|two| {
            others(one) == others(two)
                && axis.value(*one) != axis.value(*two)
                && with(ends, end, &[two]) != verdicts
        })
    });
    let mut values: Vec<(usize, &'static str)> = own.iter().map(|c| axis.value(*c)).collect();
    values.sort_unstable();
    values.dedup();
    let by = values.into_iter().map(|value| {
        let those: Vec<&Candidate> = own.iter().filter(|c| axis.value(**c) == value).collect();
        (value.1, with(ends, end, &those))
    });
    differ.then(|| Hinge { end, axis, by: by.collect() })
}

impl Open {
    /// Its name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Udp => "whether UDP passes",
            Self::Mapping => "the mapping",
            Self::Filtering => "the filtering",
        }
    }

    /// Its place in the order of the contract, and its name.
    const fn value(self, of: Candidate) -> (usize, &'static str) {
        match self {
            Self::Udp if of.udp => (0, "passes"),
            Self::Udp => (1, "blocked"),
            Self::Mapping => (of.mapping as usize, of.mapping.as_str()),
            Self::Filtering => (of.filtering as usize, of.filtering.as_str()),
        }
    }
}
