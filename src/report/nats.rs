//! The NATs that the program knows, and one of them with its rules.

use super::Document;
use super::table::{Alike, Markup};
use crate::nat::{NatSpec, Translation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The catalogue: `natscope-nats/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nats {
    /// `natscope-nats/1`.
    pub schema: String,
    /// All, in the order they are listed.
    pub nats: Vec<NatSpec>,
}

/// A NAT with the rules of its boxes: `natscope-nat/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nat {
    /// `natscope-nat/1`.
    pub schema: String,
    /// Its description.
    pub nat: NatSpec,
    /// The nftables text of each box, from the client outwards.
    pub rules: Vec<String>,
    /// The description as a file.
    #[serde(skip)]
    toml: String,
    /// The name of each box.
    #[serde(skip)]
    boxes: Vec<String>,
}

impl Nats {
    /// Of a catalogue.
    #[must_use]
    pub fn new(nats: &[NatSpec]) -> Self {
        Self { schema: "natscope-nats/1".to_owned(), nats: nats.to_vec() }
    }
}

impl Nat {
    /// With the boxes that it is made of, by name, and the rules of each.
    ///
    /// # Errors
    /// The description cannot be written as TOML.
    pub fn new(nat: NatSpec, boxes: Vec<(String, String)>) -> Result<Self, toml::ser::Error> {
        let toml = toml::to_string(&nat)?;
        let (boxes, rules) = boxes.into_iter().unzip();
        Ok(Self { schema: "natscope-nat/1".to_owned(), nat, rules, toml, boxes })
    }
}

impl Document for Nat {
    fn text(&self, _colour: bool) -> String {
        self.boxes.iter().zip(&self.rules).fold(self.toml.clone(), |mut text, (name, rules)| {
            let _ = write!(text, "\n# nftables of {name}\n{rules}");
            text
        })
    }
    fn markdown(&self) -> String {
        let toml = format!("```toml\n{}```\n", self.toml);
        self.boxes.iter().zip(&self.rules).fold(toml, |mut text, (name, rules)| {
            let _ = write!(text, "\nnftables of `{name}`:\n\n```\n{rules}```\n");
            text
        })
    }
}

impl Alike for Nats {
    fn shown(&self, markup: Markup) -> String {
        let rows: Vec<Vec<String>> = self.nats.iter().map(row).collect();
        let names = "Any other combination is composed from its name: \
                     eim|adm|apdm-eif|adf|apdf[-preserving|sequential|random].\n";
        markup.table(&["NAT", "behaviour", "also called"], &rows) + "\n" + names
    }
}

fn row(spec: &NatSpec) -> Vec<String> {
    vec![spec.name.clone(), behaviour(spec), spec.aliases.join(", ")]
}

/// Such as `apdm-apdf random`.
fn behaviour(spec: &NatSpec) -> String {
    let bugs: String = spec
        .bugs
        .iter()
        .filter_map(|bug| serde_json::to_value(bug).ok())
        .filter_map(|bug| bug.as_str().map(|bug| format!(", {bug}")))
        .collect();
    match spec.translation {
        Translation::None => format!("no NAT, {}", spec.filtering.short()),
        Translation::Nat => {
            format!("{}-{} {}{bugs}", spec.mapping.short(), spec.filtering.short(), spec.allocation)
        }
    }
}
