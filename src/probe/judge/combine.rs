//! Several servers: each judged alone, then compared. No "most permissive wins".

use crate::probe::fact::{Fact, Finding, Severity};
use crate::probe::record::Record;
use std::fmt::Display;

pub(super) struct Comparison<'a> {
    pub record: &'a Record,
    pub findings: &'a mut Vec<Finding>,
}

impl Comparison<'_> {
    /// The verdict that all servers' facts agree on.
    pub fn facts<T: Clone + PartialEq + Display>(
        &mut self,
        axis: &str,
        alone: Vec<Fact<T>>,
    ) -> Fact<T> {
        self.facts_or(axis, alone, || Fact::not_tested("no server could be asked"))
    }

    /// The same; where no server alone can tell, what all of them together show.
    pub fn facts_or<T: Clone + PartialEq + Display>(
        &mut self,
        axis: &str,
        alone: Vec<Fact<T>>,
        together: impl FnOnce() -> Fact<T>,
    ) -> Fact<T> {
        let mut values: Vec<(T, Vec<usize>)> = Vec::new();
        for (index, value) in alone.iter().enumerate().filter_map(|(i, f)| Some((i, f.value()?))) {
            match values.iter_mut().find(|(v, _)| v == value) {
                Some((_, who)) => who.push(index),
                None => values.push((value.clone(), vec![index])),
            }
        }
        match values.len() {
            0 => {
                let joint = together();
                if joint.value().is_some() { joint } else { most_tried(alone).unwrap_or(joint) }
            }
            1 => best(alone),
            _ => self.disagreement(axis, alone, &values),
        }
    }

    /// Servers contradict one another: one dissenter among three or more is named and left out,
    /// anything else stays open.
    fn disagreement<T: Clone + Display>(
        &mut self,
        axis: &str,
        alone: Vec<Fact<T>>,
        values: &[(T, Vec<usize>)],
    ) -> Fact<T> {
        let name = |i: &usize| self.record.servers.get(*i).map_or("?", |s| s.uri.as_str());
        let said: Vec<String> = values
            .iter()
            .map(|(v, who)| {
                format!("{} says {v}", who.iter().map(name).collect::<Vec<_>>().join(", "))
            })
            .collect();
        let most = values.iter().max_by_key(|(_, who)| who.len());
        let dissent: usize = values.iter().map(|(_, who)| who.len()).sum::<usize>()
            - most.map_or(0, |(_, who)| who.len());
        let text = format!("the servers contradict one another on {axis}: {}", said.join("; "));
        let evidence = alone.iter().flat_map(Fact::evidence).cloned().collect();
        self.findings.push(Finding {
            id: format!("servers-disagree-on-{axis}"),
            severity: Severity::Warning,
            text: text.clone(),
        });
        match most {
            Some((_, who)) if dissent == 1 && who.len() >= 2 => {
                best(alone.into_iter().enumerate().filter(|(i, _)| who.contains(i)).map(|(_, f)| f))
            }
            _ => Fact::inconclusive(text, evidence),
        }
    }
}

/// The surest of facts that agree.
fn best<T>(facts: impl IntoIterator<Item = Fact<T>>) -> Fact<T> {
    let known = facts.into_iter().filter(|f| f.value().is_some());
    known
        .reduce(|a, b| if b.known().map(|k| k.1) > a.known().map(|k| k.1) { b } else { a })
        .unwrap_or_else(|| Fact::not_tested("no server could be asked"))
}

/// Of facts that are not known, one that was at least tried.
fn most_tried<T>(facts: Vec<Fact<T>>) -> Option<Fact<T>> {
    let mut facts = facts;
    let index = facts.iter().position(|f| matches!(f, Fact::Inconclusive { .. })).unwrap_or(0);
    (index < facts.len()).then(|| facts.swap_remove(index))
}
