//! Mapping (RFC 4787 section 4.1, RFC 5780 section 4.3): what one socket's external endpoint is
//! toward several remote endpoints, whichever servers these belong to.
//!
//! Every pair of endpoints that saw one socket excludes the mappings that would have shown it
//! otherwise. Two servers that see the same endpoint cannot both be mistaken, since neither knows
//! what the other sees; one that differs from all others can.

use super::machines::Machines;
use super::view::{Mapped, View, ids};
use crate::ground::fact::Fact;
use crate::ground::finding::{Finding, Id};
use crate::nat::Mapping;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// The most endpoints that a reason names.
const NAMED: usize = 4;

/// How two remote endpoints differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    /// Not at all: the same endpoint, asked twice.
    Nothing,
    /// In the port only.
    Port,
    /// In the address.
    Address,
}

/// Two looks at one socket.
#[derive(Clone, Copy)]
struct Pair<'a> {
    looks: [Mapped<'a>; 2],
    apart: Apart,
    same: bool,
    /// The difference is one that a NAT made, as far as can be told.
    counts: bool,
}

impl Pair<'_> {
    /// Whether this mapping would have shown it so.
    fn allows(&self, mapping: Mapping) -> bool {
        let same = match self.apart {
            Apart::Nothing => true,
            Apart::Port => mapping != Mapping::AddressAndPortDependent,
            Apart::Address => mapping == Mapping::EndpointIndependent,
        };
        self.same == same || !self.counts
    }

    fn is(&self, apart: Apart, same: bool) -> bool {
        self.apart == apart && self.same == same && self.counts
    }
}

/// The mapping that all servers together show; what one of them contradicts becomes a finding.
pub(super) fn judge(view: View<'_>, findings: &mut Vec<Finding>) -> Fact<Mapping> {
    let seen = view.mappings();
    if seen.is_empty() {
        return Fact::not_tested("no server answered over UDP");
    }
    if seen.iter().all(|m| m.mapped == m.local) && seen.len() > 1 {
        let evidence = ids(seen.iter().map(|m| m.id));
        let because = "nothing is translated: every server sees the local address and port";
        return Fact::proven(Mapping::EndpointIndependent, because, evidence);
    }
    Comparison::new(view, &seen).verdict(findings)
}

/// All pairs that can be compared.
struct Comparison<'a> {
    view: View<'a>,
    machines: Machines,
    answering: BTreeSet<usize>,
    pairs: Vec<Pair<'a>>,
}

impl<'a> Comparison<'a> {
    fn new(view: View<'a>, seen: &[Mapped<'a>]) -> Self {
        let machines = Machines::of(view.record);
        let answering: BTreeSet<usize> = seen.iter().map(|m| machines.at(m.about)).collect();
        let pairs = pairs(view, seen, answering.len() >= 3);
        Self { view, machines, answering, pairs }
    }

    fn verdict(&self, findings: &mut Vec<Finding>) -> Fact<Mapping> {
        if self.pairs.is_empty() {
            return Fact::not_tested(
                "only one endpoint of one server answered; a mapping shows by comparison: give another server, or one with RFC 5780",
            );
        }
        let left = left(self.pairs.iter());
        if !left.is_empty() {
            return self.say(&left, &self.pairs, false);
        }
        let mut alone = self.answering.iter().filter(|&&machine| self.stands_alone(machine));
        if let (Some(&liar), None) = (alone.next(), alone.next()) {
            let without: Vec<Pair<'_>> =
                self.pairs.iter().filter(|p| !self.involves(p, liar)).copied().collect();
            findings.push(disagreement(self.dissent(liar)));
            return self.say(&self::left(without.iter()), &without, true);
        }
        let because = self.contradiction();
        if self.answering.len() > 1 {
            findings.push(disagreement(because.clone()));
        }
        let against = self.pairs.iter().filter(|p| !p.same).chain(self.pairs.iter());
        Fact::inconclusive(because, evidence(against.take(2)))
    }

    fn involves(&self, pair: &Pair<'_>, machine: usize) -> bool {
        pair.looks.iter().any(|m| self.machines.at(m.about) == machine)
    }

    /// Whether this machine, of three or more, agrees with none of the others, and these among
    /// themselves leave something possible.
    fn stands_alone(&self, machine: usize) -> bool {
        let with = |p: &&Pair<'_>| self.involves(p, machine);
        let between = |p: &&Pair<'_>| {
            let [a, b] = p.looks.map(|m| self.machines.at(m.about));
            a != b
        };
        self.answering.len() >= 3
            && !self.pairs.iter().filter(with).filter(between).any(|p| p.same)
            // two that see the same are sure of it, whoever else is left out
            && !left(self.pairs.iter().filter(|p| !with(p) || (p.same && between(p)))).is_empty()
    }

    /// What is left, with its reason.
    fn say(&self, left: &[Mapping], pairs: &[Pair<'a>], one_left_out: bool) -> Fact<Mapping> {
        use Mapping::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
        let find = |apart, same| pairs.iter().find(move |p| p.is(apart, same));
        let all = |apart, same| pairs.iter().filter(move |p| p.is(apart, same));
        let (because, evidence) = match left {
            [EndpointIndependent] => {
                let telling = all(Apart::Address, true);
                let because =
                    format!("different addresses see the same endpoint: {}", self.list(telling));
                let port = find(Apart::Port, true);
                (because, evidence(find(Apart::Address, true).into_iter().chain(port)))
            }
            [AddressDependent] => {
                let (differ, same) = (find(Apart::Address, false), find(Apart::Port, true));
                let because = format!(
                    "another address sees another endpoint ({}), another port of the same address does not ({})",
                    self.list(differ),
                    self.list(same)
                );
                (because, evidence(differ.into_iter().chain(same)))
            }
            [AddressAndPortDependent] => {
                let differ = find(Apart::Port, false);
                let because = format!(
                    "another port of the same address sees another endpoint: {}",
                    self.list(differ)
                );
                (because, evidence(differ))
            }
            [AddressDependent, AddressAndPortDependent] => {
                let because = format!(
                    "it depends on the destination: {}; whether the destination's port counts too would take two ports of one address",
                    self.list(all(Apart::Address, false))
                );
                (because, evidence(all(Apart::Address, false).take(NAMED)))
            }
            [EndpointIndependent, AddressDependent] => {
                let because = format!(
                    "two ports of one address see the same endpoint ({}), and no second address answered",
                    self.list(all(Apart::Port, true))
                );
                (because, evidence(find(Apart::Port, true)))
            }
            _ => (
                format!(
                    "the servers see different addresses ({}): a pool of addresses, several uplinks, or a proxy before one of the servers; a third server would tell",
                    self.list(pairs)
                ),
                evidence(pairs.iter().take(NAMED)),
            ),
        };
        match left {
            &[only] if one_left_out => Fact::probable(only, because, evidence),
            &[only] => Fact::proven(only, because, evidence),
            several => Fact::narrowed(several, because, evidence),
        }
    }

    /// Who saw what, in one clause.
    fn list<'p>(&self, pairs: impl IntoIterator<Item = &'p Pair<'a>>) -> String
    where
        'a: 'p,
    {
        let mut seen: Vec<(SocketAddr, Vec<SocketAddr>)> = Vec::new();
        let mut named = BTreeSet::new();
        for look in pairs.into_iter().flat_map(|p| p.looks) {
            if named.contains(&look.remote) || named.len() >= NAMED {
                continue;
            }
            named.insert(look.remote);
            match seen.iter_mut().find(|(mapped, _)| *mapped == look.mapped) {
                Some((_, who)) => who.push(look.remote),
                None => seen.push((look.mapped, vec![look.remote])),
            }
        }
        let clause = |(mapped, who): &(SocketAddr, Vec<SocketAddr>)| {
            let seers: Vec<String> = who.iter().map(|&at| self.view.name(at)).collect();
            match seers.as_slice() {
                [one] => format!("{one} sees {mapped}"),
                [one, two] => format!("{one} and {two} both see {mapped}"),
                many => format!("{} all see {mapped}", many.join(", ")),
            }
        };
        seen.iter().map(clause).collect::<Vec<_>>().join(", ")
    }

    /// What this machine says against all others.
    fn dissent(&self, liar: usize) -> String {
        let of = |wanted: bool| {
            let pairs = self.pairs.iter().filter(move |p| p.apart != Apart::Nothing);
            let mut looks: Vec<Mapped<'a>> = pairs.flat_map(|p| p.looks).collect();
            looks.retain(|m| (self.machines.at(m.about) == liar) == wanted);
            looks.first().map_or_else(String::new, |m| {
                format!("{} sees {}", self.view.name(m.remote), m.mapped)
            })
        };
        format!(
            "{}, which no other server sees ({}): it was left out; a proxy stands before it, or it is not honest",
            of(true),
            of(false)
        )
    }

    fn contradiction(&self) -> String {
        if let Some(pair) = self.pairs.iter().find(|p| p.is(Apart::Nothing, false)) {
            let [a, b] = pair.looks;
            return format!(
                "the mapping is not stable: {} saw {} and later {}",
                self.view.name(a.remote),
                a.mapped,
                b.mapped
            );
        }
        let telling = self.pairs.iter().filter(|p| p.same).take(1);
        let against = self.pairs.iter().filter(|p| !p.same).take(1);
        format!(
            "some servers see the same endpoint and others do not ({}): no known mapping does that",
            self.list(telling.chain(against))
        )
    }
}

fn disagreement(text: String) -> Finding {
    Finding::new(Id::ServersDisagreeOnMapping, text)
}

/// The mappings that all of these pairs allow.
#[allow(clippy::needless_pass_by_value)] // cloned once for each value: a cheap iterator
fn left<'p, 'a: 'p>(pairs: impl Iterator<Item = &'p Pair<'a>> + Clone) -> Vec<Mapping> {
    let allowed = |&m: &Mapping| pairs.clone().all(|p| p.allows(m));
    Mapping::ALL.iter().copied().filter(allowed).collect()
}

/// Every pair of looks at one socket that says something. Other *addresses* seen by two machines
/// may be the doing of a proxy before one of them, unless the two were seen to see the same
/// address of ours at some time; among three machines, one that is alone with it is found out.
fn pairs<'a>(view: View<'a>, seen: &[Mapped<'a>], three: bool) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for (i, &a) in seen.iter().enumerate() {
        for &b in seen.iter().skip(i + 1).filter(|b| b.socket == a.socket) {
            let same = a.mapped == b.mapped;
            let apart = match (a.remote.ip() == b.remote.ip(), a.remote == b.remote) {
                (_, true) if same => continue,
                (_, true) => Apart::Nothing,
                (true, _) => Apart::Port,
                (false, _) => Apart::Address,
            };
            let counts = three
                || a.mapped.ip() == b.mapped.ip()
                || share_an_address(view, a.remote, b.remote);
            pairs.push(Pair { looks: [a, b], apart, same, counts });
        }
    }
    pairs
}

/// Whether both endpoints ever saw this host under one and the same address.
fn share_an_address(view: View<'_>, a: SocketAddr, b: SocketAddr) -> bool {
    let seen_by = |remote: SocketAddr| -> BTreeSet<IpAddr> {
        let looks = view.plain().filter(|t| t.server == remote);
        looks.filter_map(|t| Some(view.mapped(t)?.mapped.ip())).collect()
    };
    !seen_by(a).is_disjoint(&seen_by(b))
}

fn evidence<'p, 'a: 'p>(pairs: impl IntoIterator<Item = &'p Pair<'a>>) -> Vec<String> {
    let mut all = ids(pairs.into_iter().flat_map(|p| p.looks.map(|m| m.id)));
    let mut seen = BTreeSet::new();
    all.retain(|id| seen.insert(id.clone()));
    all
}
