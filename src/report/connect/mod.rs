//! The report of a connection attempt, the same on both sides: `natscope-connect/1`.

mod prediction;
mod render;

pub use prediction::Prediction;

use super::Tool;
use crate::ground::finding::Finding;
use crate::ice::{Connection, Outcome};
use crate::nat::pair::Verdict;
use crate::net::connect::Attempt;
use crate::peer::{Relayed, Side};
use crate::signal::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The schema that this version writes.
pub const SCHEMA: &str = "natscope-connect/1";

/// An attempt of two peers to connect. See `docs/connect.md`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct ConnectReport {
    /// `natscope-connect/1`.
    pub schema: String,
    /// The program that wrote it.
    pub tool: Tool,
    /// When it began on this side, RFC 3339, UTC.
    pub started: String,
    /// How long it took here, in ms, the wait for the peer included.
    pub duration_ms: u64,
    /// Which side wrote this; null when it ended before that was known.
    pub written_by: Option<Role>,
    /// How the peers met.
    pub met: Met,
    /// What it came to.
    pub result: Summary,
    /// With a TURN server and a direct connection: the same through the relay.
    pub relayed: Option<Relayed>,
    /// The sides that are known, the offering one first.
    pub sides: Vec<Side>,
    /// What was noticed besides.
    pub findings: Vec<Finding>,
    /// Why it was ended before its time; null when it was not.
    pub cut_short: Option<String>,
}

/// How two peers meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Met {
    /// In a room of a signalling server.
    Room,
    /// By files or pasted text.
    Hand,
}

/// What a connection between these two needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Needs {
    /// They reach each other by their own addresses.
    Nothing,
    /// STUN is enough.
    Stun,
    /// A relay.
    Turn,
    /// It could not be told.
    Unknown,
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Summary {
    /// How they are connected; null when it ended before that was known.
    pub connection: Option<Connection>,
    /// What such a connection needs.
    pub needs: Needs,
    /// Why, in a sentence or two.
    pub because: String,
    /// What the NATs that were measured let expect; null where that could not be told.
    pub predicted: Option<Verdict>,
    /// The same at length; left out where not both sides are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Prediction>,
}

impl ConnectReport {
    /// The report of an attempt that began at `started` and was over `took` later, the wait for the
    /// peer included.
    #[must_use]
    pub fn new(started: jiff::Timestamp, took: Duration, met: Met, attempt: Attempt) -> Self {
        let Attempt { role, here, there, relayed, cut_short, findings } = attempt;
        let mut sides: Vec<Side> = here.into_iter().chain(there).collect();
        sides.sort_by_key(|side| side.role != Role::Offer);
        Self {
            schema: SCHEMA.to_owned(),
            tool: Tool::default(),
            started: format!("{started:.0}"),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            written_by: role,
            met,
            result: Summary::of(&sides, cut_short.as_deref()),
            relayed,
            sides,
            findings,
            cut_short,
        }
    }
}

impl Summary {
    fn of(sides: &[Side], cut_short: Option<&str>) -> Self {
        let outcomes: Vec<(Role, &Outcome)> =
            sides.iter().filter_map(|s| Some((s.role, s.outcome.as_ref()?))).collect();
        let prediction = Prediction::of(sides);
        let predicted = prediction.as_ref().and_then(|p| p.verdict.definite());
        let connected = outcomes.iter().find(|(_, o)| o.selected.is_some());
        let needs_relay = predicted == Some(Verdict::Turn);
        if let Some((_, outcome)) = connected {
            let needs = match outcome.connection {
                Connection::DirectHost => Needs::Nothing,
                Connection::DirectReflexive => Needs::Stun,
                Connection::RelayOneSide | Connection::RelayBoth => Needs::Turn,
                Connection::Failed => Needs::Unknown,
            };
            let because = outcome.because.clone();
            return Self {
                connection: Some(outcome.connection),
                needs,
                because,
                predicted,
                prediction,
            };
        }
        let needs = if needs_relay { Needs::Turn } else { Needs::Unknown };
        match (cut_short, outcomes.is_empty()) {
            (None, false) => {
                let each = outcomes.iter().map(|(role, outcome)| {
                    format!("the {}ing side says: {}", role.as_str(), outcome.because)
                });
                let because = each.collect::<Vec<_>>().join("; ");
                Self { connection: Some(Connection::Failed), needs, because, predicted, prediction }
            }
            (why, _) => {
                let because = why.unwrap_or("nothing was tried").to_owned();
                Self { connection: None, needs, because, predicted, prediction }
            }
        }
    }

    /// The result in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let because = &self.because;
        match (self.connection, self.needs) {
            (None, _) => format!("Could not tell whether they connect: {because}."),
            (Some(Connection::DirectHost), _) => {
                format!("Connected directly, and not even STUN was needed: {because}.")
            }
            (Some(Connection::DirectReflexive), _) => format!("Connected directly: {because}."),
            (Some(Connection::RelayOneSide | Connection::RelayBoth), _) => {
                format!("Connected through a relay, so TURN is needed: {because}.")
            }
            (Some(Connection::Failed), Needs::Turn) => {
                format!("Not connected; behind these two NATs TURN is needed: {because}.")
            }
            (Some(Connection::Failed), _) => format!("Not connected: {because}."),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
