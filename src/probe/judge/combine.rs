//! Several servers: each judged alone, then together. What every one of them leaves possible is
//! what is left. No "most permissive wins".

use super::machines::Machines;
use super::view::ids;
use crate::ground::fact::Fact;
use crate::ground::fact::Values;
use crate::ground::finding::{Finding, Id};
use crate::probe::record::Record;
use std::collections::BTreeSet;
use std::fmt::Display;

pub(super) struct Comparison<'a> {
    pub record: &'a Record,
    pub findings: &'a mut Vec<Finding>,
}

impl Comparison<'_> {
    /// What all servers together leave possible. When nothing is left, one machine whose leaving
    /// out mends it, and the only such, is named and left out; else the axis stays open.
    pub fn facts<T: Values + Display>(
        &mut self,
        axis: &str,
        id: Id,
        alone: Vec<Fact<T>>,
    ) -> Fact<T> {
        let together = left(alone.iter());
        if !together.is_empty() {
            return joint(self.record, alone, &together);
        }
        let text = self.contradiction(axis, &alone);
        let machines = Machines::of(self.record);
        let liar = liar(&machines, &alone);
        let left_out = liar.map(|liar| self.names(&machines, liar)).unwrap_or_default();
        let note = if left_out.is_empty() {
            text.clone()
        } else {
            format!("{text}; {left_out} stands alone and was left out")
        };
        self.findings.push(Finding::new(id, note));
        let Some(liar) = liar else {
            return Fact::inconclusive(text, ids(alone.iter().flat_map(Fact::evidence)));
        };
        let rest: Vec<Fact<T>> = alone
            .into_iter()
            .enumerate()
            .map(|(i, f)| if machines.at(i) == liar { Fact::not_tested("left out") } else { f })
            .collect();
        let together = left(rest.iter());
        doubted(joint(self.record, rest, &together))
    }

    fn names(&self, machines: &Machines, machine: usize) -> String {
        let of = (0..machines.servers()).filter(|&i| machines.at(i) == machine);
        let names: Vec<&str> = of.map(|i| name(self.record, i)).collect();
        names.join(", ")
    }

    fn contradiction<T: Values + Display>(&self, axis: &str, alone: &[Fact<T>]) -> String {
        let said: Vec<String> = alone
            .iter()
            .enumerate()
            .filter(|(_, f)| f.excludes_some())
            .map(|(i, f)| {
                let values: Vec<String> = f.possible().iter().map(ToString::to_string).collect();
                format!("{} says {}", name(self.record, i), values.join(" or "))
            })
            .collect();
        format!("the servers contradict one another on {axis}: {}", said.join("; "))
    }
}

fn name(record: &Record, server: usize) -> &str {
    record.servers.get(server).map_or("?", |s| s.uri.as_str())
}

/// The values that none of the facts excludes.
#[allow(clippy::needless_pass_by_value)] // cloned once for each value: a cheap iterator
fn left<'f, T: Values>(facts: impl Iterator<Item = &'f Fact<T>> + Clone) -> Vec<T> {
    let allowed = |v: &T| facts.clone().all(|f| f.possible().contains(v));
    T::VALUES.iter().copied().filter(allowed).collect()
}

/// The one machine without which the others, two or more of them, agree on something.
fn liar<T: Values>(machines: &Machines, alone: &[Fact<T>]) -> Option<usize> {
    let all: BTreeSet<usize> = (0..alone.len()).map(|i| machines.at(i)).collect();
    let mends = |machine: &usize| {
        let rest = alone.iter().enumerate().filter(|(i, _)| machines.at(*i) != *machine);
        let telling: BTreeSet<usize> =
            rest.clone().filter(|(_, f)| f.excludes_some()).map(|(i, _)| machines.at(i)).collect();
        telling.len() >= 2 && !left(rest.map(|(_, f)| f)).is_empty()
    };
    let mut menders = all.into_iter().filter(mends);
    let first = menders.next()?;
    menders.next().is_none().then_some(first)
}

/// The fact that says what is left: the surest of those that say just that, else all that exclude
/// something together.
fn joint<T: Values>(record: &Record, facts: Vec<Fact<T>>, left: &[T]) -> Fact<T> {
    let telling: Vec<(usize, &Fact<T>)> =
        facts.iter().enumerate().filter(|(_, f)| f.excludes_some()).collect();
    if telling.is_empty() {
        return most_tried(facts);
    }
    let exactly = telling.iter().map(|(_, f)| *f).filter(|f| f.possible() == left);
    let surest = exactly.reduce(|a, b| if b.grade() > a.grade() { b } else { a });
    if let Some(fact) = surest {
        return fact.clone();
    }
    let because: Vec<String> =
        telling.iter().map(|&(i, f)| format!("by {}, {}", name(record, i), f.because())).collect();
    let (because, evidence) =
        (because.join("; "), ids(telling.iter().flat_map(|(_, f)| f.evidence())));
    match left {
        &[only] => Fact::proven(only, because, evidence),
        several => Fact::narrowed(several, because, evidence),
    }
}

/// What rests on one server's being left out is not proven.
fn doubted<T>(fact: Fact<T>) -> Fact<T> {
    match fact {
        Fact::Known { value, because, evidence, .. } => Fact::probable(value, because, evidence),
        open => open,
    }
}

/// Of facts that exclude nothing, one that was at least tried.
fn most_tried<T>(mut facts: Vec<Fact<T>>) -> Fact<T> {
    let tried = facts.iter().position(|f| matches!(f, Fact::Inconclusive { .. })).unwrap_or(0);
    if tried < facts.len() {
        facts.swap_remove(tried)
    } else {
        Fact::not_tested("no server could be asked")
    }
}
