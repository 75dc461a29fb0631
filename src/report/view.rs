//! The facts of a path as a list, for everything that shows or compares them.

use super::prose::list;
use crate::ground::fact::{EvidenceId, Fact, Grade, Values};
use crate::nat::{Allocation, Classic, Facts, Filtering, Mapping};
use std::fmt;

/// A measured property, by its name in JSON and in `--expect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Whether addresses are translated.
    Nat,
    /// RFC 4787 section 4.1.
    Mapping,
    /// RFC 4787 section 5.
    Filtering,
    /// The RFC 3489 name.
    Classic,
    /// The external port equals the internal one.
    PortPreservation,
    /// How external ports are chosen.
    Allocation,
    /// A peer's early packet spoils the mapping.
    EarlyPacketPoisoning,
    /// Something rewrites MAPPED-ADDRESS.
    MappedAddressRewriting,
}

impl Axis {
    /// All, in the order they are shown.
    pub const ALL: &'static [Self] = &[
        Self::Nat,
        Self::Mapping,
        Self::Filtering,
        Self::Classic,
        Self::PortPreservation,
        Self::Allocation,
        Self::EarlyPacketPoisoning,
        Self::MappedAddressRewriting,
    ];

    /// The name of its field in JSON; in `--expect` dashes may stand for the underscores.
    #[must_use]
    pub const fn field(self) -> &'static str {
        self.names().0
    }

    /// Its name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.names().1
    }

    /// For programs, and for people.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Nat => ("nat", "NAT"),
            Self::Mapping => ("mapping", "mapping"),
            Self::Filtering => ("filtering", "filtering"),
            Self::Classic => ("classic", "classic name"),
            Self::PortPreservation => ("port_preservation", "port preserved"),
            Self::Allocation => ("allocation", "port allocation"),
            Self::EarlyPacketPoisoning => ("early_packet_poisoning", "early packets spoil"),
            Self::MappedAddressRewriting => ("mapped_address_rewriting", "ALG rewrites"),
        }
    }

    /// The values it can have, as in JSON.
    #[must_use]
    pub fn values(self) -> Vec<&'static str> {
        match self {
            Self::Mapping => Mapping::ALL.iter().map(|v| v.as_str()).collect(),
            Self::Filtering => Filtering::ALL.iter().map(|v| v.as_str()).collect(),
            Self::Classic => Classic::ALL.iter().map(|v| v.as_str()).collect(),
            Self::Allocation => Allocation::ALL.iter().map(|v| v.as_str()).collect(),
            _ => vec!["true", "false"],
        }
    }

    /// The value meant by `text`: its name in JSON, or a short form (`eim`, `yes`).
    #[must_use]
    pub fn parse_value(self, text: &str) -> Option<&'static str> {
        match self {
            Self::Mapping => text.parse().ok().map(Mapping::as_str),
            Self::Filtering => text.parse().ok().map(Filtering::as_str),
            Self::Classic => text.parse().ok().map(Classic::as_str),
            Self::Allocation => text.parse().ok().map(Allocation::as_str),
            _ => match text {
                "true" | "yes" => Some("true"),
                "false" | "no" => Some("false"),
                _ => None,
            },
        }
    }

    /// This axis of a path.
    #[must_use]
    pub fn of(self, facts: &Facts) -> FactView<'_> {
        match self {
            Self::Nat => view(self, &facts.nat),
            Self::Mapping => view(self, &facts.mapping),
            Self::Filtering => view(self, &facts.filtering),
            Self::Classic => view(self, &facts.classic),
            Self::PortPreservation => view(self, &facts.port_preservation),
            Self::Allocation => view(self, &facts.allocation),
            Self::EarlyPacketPoisoning => view(self, &facts.early_packet_poisoning),
            Self::MappedAddressRewriting => view(self, &facts.mapped_address_rewriting),
        }
    }
}

/// What is known of a fact, without its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Its value as in JSON, and how sure.
    Known(String, Grade),
    /// Tested, could not be told: the values that are left, as in JSON; none where nothing is
    /// excluded.
    Inconclusive(Vec<String>),
    /// Not tested.
    NotTested,
}

/// One fact of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactView<'a> {
    /// Which property it is about.
    pub axis: Axis,
    /// What is known.
    pub status: Status,
    /// Why. May hold text from the network.
    pub because: &'a str,
    /// From which transactions.
    pub evidence: &'a [EvidenceId],
}

impl FactView<'_> {
    /// The answer for people, without its reason: `yes (proven)`, `could not tell`.
    #[must_use]
    pub fn answer(&self) -> String {
        match &self.status {
            Status::Known(value, grade) => {
                format!("{} ({})", plain(value), grade_name(*grade))
            }
            Status::Inconclusive(left) if !left.is_empty() => {
                let names: Vec<&str> = left.iter().map(|value| plain(value)).collect();
                format!("{}{}", narrowing(self.axis, left), list(&names))
            }
            Status::Inconclusive(_) => "could not tell".to_owned(),
            Status::NotTested => "not tested".to_owned(),
        }
    }
}

fn plain(value: &str) -> &str {
    match value {
        "true" => "yes",
        "false" => "no",
        other => other,
    }
}

/// What the values that are left have in common, in words, where that has a name.
fn narrowing(axis: Axis, left: &[String]) -> &'static str {
    let open = left.iter().any(|v| v == Mapping::EndpointIndependent.as_str());
    match axis {
        Axis::Mapping if !open => "depends on the destination: ",
        Axis::Filtering if !open => "filters: ",
        _ => "",
    }
}

/// The facts in the order they are shown; neighbours with the same answer for the same reason stand
/// together under all their titles.
pub(super) fn grouped(facts: &Facts) -> Vec<(Vec<&'static str>, FactView<'_>)> {
    let mut rows: Vec<(Vec<&'static str>, FactView<'_>)> = Vec::new();
    for fact in Axis::ALL.iter().map(|axis| axis.of(facts)) {
        match rows.last_mut() {
            Some((titles, last)) if last.status == fact.status && last.because == fact.because => {
                titles.push(fact.axis.title());
            }
            _ => rows.push((vec![fact.axis.title()], fact)),
        }
    }
    rows
}

const fn grade_name(grade: Grade) -> &'static str {
    match grade {
        Grade::Probable => "probable",
        Grade::Proven => "proven",
    }
}

fn view<T: Values + fmt::Display>(axis: Axis, fact: &Fact<T>) -> FactView<'_> {
    let status = match fact {
        Fact::Known { value, grade, .. } => Status::Known(value.to_string(), *grade),
        Fact::Inconclusive { .. } if fact.excludes_some() => {
            Status::Inconclusive(fact.possible().iter().map(ToString::to_string).collect())
        }
        Fact::Inconclusive { .. } => Status::Inconclusive(Vec::new()),
        Fact::NotTested { .. } => Status::NotTested,
    };
    FactView { axis, status, because: fact.because(), evidence: fact.evidence() }
}
