//! Certification: the label of a NAT held against what the prober measured behind it. Pure.

use super::system::System;
use crate::ground::fact::Fact;
use crate::nat::Facts;
use crate::nat::{Bug, NatSpec, Translation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The schema of [`Certificate`].
pub const SCHEMA: &str = "natscope-certify/1";

/// What `natscope lab certify --format json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// `natscope-certify/1`.
    pub schema: String,
    /// One per NAT, in the order asked for.
    pub rows: Vec<Row>,
    /// Every NAT asked for has its row; false when the run was stopped early.
    pub complete: bool,
    /// Wall-clock seconds from nothing to the last row.
    pub seconds: f64,
    /// What it was measured with; documents of older versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
}

impl Certificate {
    /// Whether every row agrees.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.rows.iter().all(|row| row.agrees)
    }
}

/// One NAT: label and measurement side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name.
    pub nat: String,
    /// What its description promises, by axis.
    pub expected: BTreeMap<String, Value>,
    /// What the prober says, by axis: the axes of `expected`.
    pub measured: BTreeMap<String, Fact<Value>>,
    /// Every axis was measured as promised.
    pub agrees: bool,
    /// How long the probe took, in seconds.
    pub seconds: f64,
}

impl Row {
    /// Holds a measurement against a description.
    #[must_use]
    pub fn new(spec: &NatSpec, facts: &Facts, seconds: f64) -> Self {
        let expected = expected(spec);
        let mut measured = axes(facts);
        measured.retain(|axis, _| expected.contains_key(axis));
        let mut row = Self { nat: spec.name.clone(), expected, measured, agrees: false, seconds };
        row.agrees = row.disagreements().is_empty();
        row
    }

    /// A row for a NAT whose probe could not run.
    #[must_use]
    pub fn failed(spec: &NatSpec, because: &str, seconds: f64) -> Self {
        let expected = expected(spec);
        let measured =
            expected.keys().map(|axis| (axis.clone(), Fact::not_tested(because))).collect();
        Self { nat: spec.name.clone(), expected, measured, agrees: false, seconds }
    }

    /// Replaces what is expected, and judges again.
    pub fn expect(&mut self, expected: BTreeMap<String, Value>, facts: &Facts) {
        self.measured = axes(facts);
        self.measured.retain(|axis, _| expected.contains_key(axis));
        self.expected = expected;
        self.agrees = self.disagreements().is_empty();
    }

    /// The axes on which label and measurement differ, or that were not measured.
    #[must_use]
    pub fn disagreements(&self) -> Vec<&str> {
        let same = |axis: &str, value: &Value| {
            self.measured.get(axis).and_then(Fact::value) == Some(value)
        };
        self.expected
            .iter()
            .filter(|(axis, value)| !same(axis, value))
            .map(|(axis, _)| axis.as_str())
            .collect()
    }
}

/// What a perfect observer inside would measure, for every axis that can be observed from there.
#[must_use]
pub fn expected(spec: &NatSpec) -> BTreeMap<String, Value> {
    let truth = spec.truth();
    let mut axes = BTreeMap::new();
    let mut put = |axis: &str, value: Value| axes.insert(axis.to_owned(), value);
    put("classic", truth.classic.as_str().into());
    if truth.udp_blocked {
        return axes;
    }
    put("nat", truth.nat.into());
    put("mapping", truth.mapping.as_str().into());
    put("filtering", truth.filtering.as_str().into());
    let mut nats = spec.stack().filter(|s| s.translation == Translation::Nat);
    if let (Some(only), None) = (nats.next(), nats.next()) {
        put("allocation", only.allocation.as_str().into());
    }
    if spec.stack().any(|s| s.has(Bug::EarlyPacket)) {
        put("early-packet-poisoning", true.into());
    }
    axes
}

/// The facts that a label can be held against, by axis.
fn axes(facts: &Facts) -> BTreeMap<String, Fact<Value>> {
    fn value<T: Serialize + Clone>(fact: &Fact<T>) -> Fact<Value> {
        fact.clone().map(|v| serde_json::to_value(v).unwrap_or(Value::Null))
    }
    [
        ("nat", value(&facts.nat)),
        ("mapping", value(&facts.mapping)),
        ("filtering", value(&facts.filtering)),
        ("classic", value(&facts.classic)),
        ("allocation", value(&facts.allocation)),
        ("early-packet-poisoning", value(&facts.early_packet_poisoning)),
    ]
    .into_iter()
    .map(|(axis, fact)| (axis.to_owned(), fact))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::catalogue::Catalogue;
    use crate::nat::{Allocation, Classic, Filtering, Mapping};

    fn facts() -> Facts {
        Facts {
            nat: Fact::proven(true, "", vec![]),
            mapping: Fact::proven(Mapping::EndpointIndependent, "", vec![]),
            filtering: Fact::probable(Filtering::AddressDependent, "", vec![]),
            classic: Fact::proven(Classic::RestrictedCone, "", vec![]),
            port_preservation: Fact::proven(true, "", vec![]),
            allocation: Fact::proven(Allocation::Preserving, "", vec![]),
            early_packet_poisoning: Fact::not_tested(""),
            mapped_address_rewriting: Fact::not_tested(""),
        }
    }

    #[test]
    fn a_row_agrees_only_when_every_axis_does() {
        let all = Catalogue::embedded();
        let row = Row::new(&all.find("restricted-cone").unwrap(), &facts(), 0.1);
        assert!(row.agrees, "{row:?}");
        let row = Row::new(&all.find("full-cone").unwrap(), &facts(), 0.1);
        assert_eq!(row.disagreements(), ["classic", "filtering"]);
        let row = Row::new(&all.find("leaky-home").unwrap(), &facts(), 0.1);
        assert!(row.disagreements().contains(&"early-packet-poisoning"), "not tested is not true");
    }

    #[test]
    fn what_cannot_be_seen_is_not_expected() {
        let all = Catalogue::embedded();
        let axes = |name: &str| expected(&all.find(name).unwrap()).into_keys().collect::<Vec<_>>();
        assert_eq!(axes("udp-blocked"), ["classic"]);
        assert_eq!(axes("open"), ["classic", "filtering", "mapping", "nat"]);
    }

    #[test]
    fn the_document_is_as_the_contract_says() {
        let spec = Catalogue::embedded().find("eim-adf").unwrap();
        let document = Certificate {
            schema: SCHEMA.into(),
            rows: vec![Row::new(&spec, &facts(), 0.5), Row::failed(&spec, "stopped", 0.0)],
            complete: true,
            seconds: 1.0,
            system: None,
        };
        insta::assert_json_snapshot!(document);
    }
}
