//! The matrix: every pair of NATs, tried for real and held against the prediction. Pure: the kernel
//! part runs the attempts and hands over what it saw.
//!
//! [`Cell::new`] makes the verdict from the runs of a pair, [`autopsy`] says of a failed run which
//! filter of which box dropped what.

pub mod autopsy;
mod verdict;

pub use verdict::expected_outcome;

use super::system::System;
use crate::ice::Kind;
use crate::nat::NatSpec;
use crate::nat::pair::{End, Verdict};
use autopsy::Autopsy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The schema of [`Matrix`].
pub const SCHEMA: &str = "natscope-matrix/1";

/// The NATs of RFC 3489, which a matrix is made of when none are named.
pub const CLASSIC: [&str; 4] =
    ["full-cone", "restricted-cone", "port-restricted-cone", "symmetric"];

/// What `natscope lab matrix --format json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// `natscope-matrix/1`.
    pub schema: String,
    /// The NATs, in the order asked for.
    pub nats: Vec<String>,
    /// One for each unordered pair, a NAT with its like included.
    pub cells: Vec<Cell>,
    /// The cells counted.
    pub summary: Summary,
    /// What it was measured with; documents of older versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
}

/// The cells of a matrix, counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// How many cells there are.
    pub cells: usize,
    /// Those whose verdict is the predicted one.
    pub agree: usize,
    /// Direct whoever sends first.
    pub stun: usize,
    /// Direct when one given side sends first.
    pub order_dependent: usize,
    /// Connected by a relay only.
    pub turn: usize,
    /// Not connected at all.
    pub none: usize,
    /// Without a verdict.
    pub unknown: usize,
    /// Every pair was tried to the end; false when the run was stopped early.
    pub complete: bool,
    /// Wall-clock seconds from nothing to the last cell.
    pub seconds: f64,
}

/// One pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The first NAT.
    pub a: String,
    /// The second.
    pub b: String,
    /// What the two descriptions promise.
    pub predicted: Verdict,
    /// What was measured; null when that could not be told.
    pub verdict: Option<Verdict>,
    /// Why that is expected, in a sentence.
    pub because: String,
    /// What the verdict rests on: STUN alone with each side first, then with a relay.
    pub runs: Vec<Run>,
    /// Verdict and prediction are the same, every direct connection was proven to be direct, and
    /// every relayed one to be relayed.
    pub agrees: bool,
    /// What contradicts prediction or proof, a sentence each.
    pub faults: Vec<String>,
}

/// How the two peers of a run are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Without a relay.
    Direct,
    /// By a relay.
    Relay,
    /// The two did not connect.
    Failed,
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::Failed => "failed",
        })
    }
}

/// One attempt with fresh sockets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The side whose checks were under way before the other began.
    pub first: End,
    /// Whether a TURN server was given.
    pub turn: bool,
    /// What it came to, when both sides say the same.
    pub outcome: RunOutcome,
    /// The selected pair as `a` sees it.
    pub selected: Option<Selected>,
    /// Data packets that passed the relay while the two exchanged data, from and to it.
    pub relay_packets: u64,
    /// Packets that the relay itself says it carried meanwhile for the two, checks included.
    pub relay_reported: u64,
    /// Data packets that passed from NAT to NAT meanwhile.
    pub direct_packets: u64,
    /// From the first check to the selected pair, or to giving up, in ms.
    pub ms: f64,
    /// Round trips of the data, in ms: the median; null when none came back.
    pub rtt_ms: Option<f64>,
    /// With every packet of the relay dropped, data still passed. Null when not connected.
    pub alive_without_relay: Option<bool>,
    /// Why, in a sentence of the ICE agent of `a`, or of `b` where `a` has none.
    pub because: String,
    /// For a failed run: what was dropped where.
    pub autopsy: Option<Autopsy>,
}

/// The kinds of the two candidates that carry the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Selected {
    /// Of `a`.
    pub local: Kind,
    /// Of `b`.
    pub remote: Kind,
}

impl Matrix {
    /// All cells, counted.
    #[must_use]
    pub fn new(nats: Vec<String>, cells: Vec<Cell>, complete: bool, seconds: f64) -> Self {
        let count = |verdict| cells.iter().filter(|cell| cell.verdict == verdict).count();
        let summary = Summary {
            cells: cells.len(),
            agree: cells.iter().filter(|cell| cell.agrees).count(),
            stun: count(Some(Verdict::Stun)),
            order_dependent: count(Some(Verdict::OrderDependent)),
            turn: count(Some(Verdict::Turn)),
            none: count(Some(Verdict::None)),
            unknown: count(None),
            complete,
            seconds,
        };
        Self { schema: SCHEMA.into(), nats, cells, summary, system: None }
    }

    /// The cell of two NATs, in either order.
    #[must_use]
    pub fn cell(&self, a: &str, b: &str) -> Option<&Cell> {
        self.cells.iter().find(|c| (c.a == a && c.b == b) || (c.a == b && c.b == a))
    }

    /// Cells whose verdict is known and is not what it should be.
    pub fn disagreements(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| !cell.agrees && cell.verdict.is_some())
    }
}

/// Every unordered pair of these NATs, a NAT with its like included, as indices.
#[must_use]
pub fn pairs(nats: usize) -> Vec<(usize, usize)> {
    (0..nats).flat_map(|a| (a..nats).map(move |b| (a, b))).collect()
}

/// A NAT under the name that the user knows it by: an alias stays one.
#[must_use]
pub fn called(mut spec: NatSpec, name: &str) -> NatSpec {
    if spec.aliases.iter().any(|alias| alias == name) {
        name.clone_into(&mut spec.name);
    }
    spec
}

/// The NATs of a matrix: as named, but each once.
#[must_use]
pub fn distinct(specs: Vec<NatSpec>) -> Vec<NatSpec> {
    let mut kept: Vec<NatSpec> = Vec::new();
    for spec in specs {
        if !kept.iter().any(|known| known.name == spec.name) {
            kept.push(spec);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
