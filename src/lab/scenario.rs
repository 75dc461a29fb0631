//! Scenarios: a NAT, what is expected of it, and what the measurement means for a user. Pure.

use super::catalogue::{self, Catalogue, CatalogueError};
use super::certify::Row;
use super::matrix::{Cell, called};
use super::system::System;
use crate::nat::Facts;
use crate::nat::pair::{End, PeerKind, Verdict};
use crate::nat::{Classic, NatSpec};
use crate::probe::outlook::{Forecast, Measured, outlook};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The schema of [`ScenarioResult`].
pub const SCHEMA: &str = "natscope-scenario/1";

const EMBEDDED: &[(&str, &str)] =
    &[("lab/scenarios/symmetric.toml", include_str!("../../lab/scenarios/symmetric.toml"))];

/// A scenario file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// Its name; the file's stem.
    pub name: String,
    /// One sentence.
    #[serde(default)]
    pub summary: String,
    /// The NAT that the client sits behind: a name of the catalogue, or a file.
    pub nat: String,
    /// The NAT that another host sits behind, to which a connection is made: with STUN alone, then
    /// with a relay.
    #[serde(default)]
    pub peer: Option<String>,
    /// Packets lost on the way, in percent, each direction.
    #[serde(default)]
    pub loss_percent: u8,
    /// What must be measured, by axis; what the NAT's description promises when empty.
    #[serde(default)]
    pub expect: BTreeMap<String, Value>,
}

/// What a scenario came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioResult {
    /// `natscope-scenario/1`.
    pub schema: String,
    /// The scenario's name.
    pub scenario: String,
    /// Its sentence.
    pub summary: String,
    /// Expected and measured.
    pub row: Row,
    /// Whether STUN is enough towards each kind of peer; empty when that could not be told.
    pub peers: Vec<Peer>,
    /// What it means, in a sentence.
    pub meaning: String,
    /// The connection to the peer of the scenario, when it names one: the client is `a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Cell>,
    /// What it was measured with; documents of older versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
}

impl ScenarioResult {
    /// Whether all was as expected.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.row.agrees && self.connection.as_ref().is_none_or(|cell| cell.agrees)
    }
}

/// The forecast towards one kind of peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// The classic name of the peer's NAT.
    pub peer: Classic,
    /// What the pair needs.
    pub verdict: Forecast,
    /// The verdicts that are left where it could not be told, the easiest first; else left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub possible: Vec<Verdict>,
    /// Where it depends on who sends first: the one that must, this host being `a`; else left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<End>,
}

/// The kinds of peer that a forecast is made for.
pub const PEERS: [PeerKind; 4] = [
    PeerKind::FullCone,
    PeerKind::RestrictedCone,
    PeerKind::PortRestrictedCone,
    PeerKind::Symmetric,
];

impl Scenario {
    /// Reads a scenario from a file; the scenarios of the program answer to their path
    /// (`lab/scenarios/symmetric.toml`) and their name (`symmetric`) wherever it is run.
    ///
    /// # Errors
    /// There is no such scenario or file, or it is malformed (file, line and field are named).
    pub fn find(name: &str) -> Result<Self, CatalogueError> {
        let path = Path::new(name);
        if catalogue::looks_like_a_path(name) && path.exists() {
            return parse(name, &catalogue::read(path)?);
        }
        let stem =
            |file: &str| Path::new(file).file_stem().map(|s| s.to_string_lossy().into_owned());
        for (file, text) in EMBEDDED {
            if name == *file || stem(file).as_deref() == Some(name) {
                return parse(file, text);
            }
        }
        if catalogue::looks_like_a_path(name) {
            catalogue::read(path)?;
        }
        Err(CatalogueError::Unreadable {
            file: name.to_owned(),
            reason: format!(
                "no such scenario; those of the program: {}",
                EMBEDDED.iter().map(|(file, _)| *file).collect::<Vec<_>>().join(", ")
            ),
        })
    }

    /// Its NAT.
    ///
    /// # Errors
    /// The catalogue has none of that name.
    pub fn spec(&self, catalogue: &Catalogue) -> Result<NatSpec, CatalogueError> {
        catalogue.find(&self.nat)
    }

    /// The NAT of its peer.
    ///
    /// # Errors
    /// The catalogue has none of that name.
    pub fn peer(&self, catalogue: &Catalogue) -> Result<Option<NatSpec>, CatalogueError> {
        let named = |peer: &String| Ok(called(catalogue.find(peer)?, peer));
        self.peer.as_ref().map(named).transpose()
    }

    /// Holds the measurement against the expectation and says what it means.
    #[must_use]
    pub fn conclude(&self, spec: &NatSpec, facts: &Facts, seconds: f64) -> ScenarioResult {
        let mut row = Row::new(spec, facts, seconds);
        if !self.expect.is_empty() {
            row.expect(self.expect.clone(), facts);
        }
        let peers = forecast(facts);
        ScenarioResult {
            schema: SCHEMA.into(),
            scenario: self.name.clone(),
            summary: self.summary.clone(),
            row,
            meaning: meaning(facts, &peers),
            peers,
            connection: None,
            system: None,
        }
    }
}

fn parse(file: &str, text: &str) -> Result<Scenario, CatalogueError> {
    toml::from_str(text).map_err(|e| catalogue::malformed(file, text, &e))
}

/// The forecast from the measured facts; empty when they tell nothing.
fn forecast(facts: &Facts) -> Vec<Peer> {
    let answered = facts.nat.value().is_some();
    let here = Measured::of(facts, answered);
    if here.udp_blocked() == Some(true) {
        return Vec::new();
    }
    let peers: Vec<Peer> = PEERS
        .iter()
        .map(|kind| {
            let outlook = outlook(&here, &Measured::described(&kind.spec()));
            Peer {
                peer: kind.classic(),
                verdict: outlook.forecast(),
                possible: outlook.left(),
                first: outlook.expected.first,
            }
        })
        .collect();
    let told = peers.iter().any(|peer| peer.verdict != Forecast::Inconclusive);
    if told { peers } else { Vec::new() }
}

fn meaning(facts: &Facts, peers: &[Peer]) -> String {
    if facts.classic.value() == Some(&Classic::UdpBlocked) {
        return "No UDP passes, so STUN cannot help: only a TURN server over TCP or TLS connects \
                this host."
            .into();
    }
    let open = if facts.mapping.value().is_none() {
        facts.mapping.because()
    } else {
        facts.filtering.because()
    };
    if peers.is_empty() {
        return format!("Whether STUN is enough could not be told: {open}");
    }
    let with = |wanted: Forecast, first: Option<End>| {
        let of = peers.iter().filter(|p| p.verdict == wanted && p.first == first);
        of.map(|p| p.peer.as_str()).collect::<Vec<_>>().join(" or ")
    };
    let [relayed, unknown] = [Forecast::Turn, Forecast::Inconclusive].map(|v| with(v, None));
    let mut said = Vec::new();
    if !relayed.is_empty() {
        said.push(format!(
            "STUN is not enough towards peers behind a NAT of kind {relayed}: those connections need \
             a TURN server."
        ));
    }
    for (first, who) in [
        (Some(End::A), "this host sends first"),
        (Some(End::B), "the peer sends first"),
        (None, "a given side sends first"),
    ] {
        let ordered = with(Forecast::OrderDependent, first);
        if !ordered.is_empty() {
            said.push(format!(
                "Towards peers behind a NAT of kind {ordered} STUN is enough only when {who}."
            ));
        }
    }
    if !unknown.is_empty() {
        said.push(format!(
            "Whether STUN is enough towards peers behind a NAT of kind {unknown} could not be told: \
             {open}"
        ));
    }
    if said.is_empty() {
        return "STUN is enough towards every classic kind of NAT; no TURN server is needed."
            .into();
    }
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_scenarios_can_be_read_by_path_and_by_name() {
        for (file, _) in EMBEDDED {
            let scenario = Scenario::find(file).unwrap();
            assert_eq!(Scenario::find(&scenario.name).unwrap(), scenario);
            scenario.spec(&Catalogue::embedded()).unwrap();
        }
    }

    #[test]
    fn an_unknown_scenario_lists_those_that_exist() {
        let e = Scenario::find("nothing").unwrap_err().to_string();
        assert!(e.contains("lab/scenarios/symmetric.toml"), "{e}");
        assert!(Scenario::find("no/such.toml").unwrap_err().to_string().contains("no/such.toml"));
        let e = parse("d/s.toml", "name = \"s\"\nnat = 5\n").unwrap_err().to_string();
        assert!(e.starts_with("d/s.toml:2: field `nat`: "), "{e}");
    }
}
