//! What one peer tells the other of itself, so that both can report the same.

use crate::ground::finding::Finding;
use crate::ice::Outcome;
use crate::nat::Facts;
use crate::signal::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Checks of one side that are told; the first by priority.
const CHECKS: usize = 48;
/// Times of one check that are told.
const TIMES: usize = 12;
/// Facts of paths, candidates, servers and findings that are taken of a peer.
const MOST: usize = 64;

/// One side of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Side {
    /// Whether it offered or answered.
    pub role: Role,
    /// Its NATs: one for each address family that it could measure.
    pub nats: Vec<NatFacts>,
    /// What the attempt came to, as it saw it; null when it did not come so far.
    pub outcome: Option<Outcome>,
    /// Round trips over the selected pair.
    pub round_trips: Option<RoundTrips>,
    /// What it noticed.
    pub findings: Vec<Finding>,
}

/// What the prober found on one path. See `docs/report.md` for the facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct NatFacts {
    /// A local socket's address; null when none could be opened.
    pub local: Option<SocketAddr>,
    /// What the first server that answered saw that socket as.
    pub mapped: Option<SocketAddr>,
    /// What was found. The evidence stays with the side that measured.
    #[serde(flatten)]
    pub facts: Facts,
}

/// Round trips over a pair, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct RoundTrips {
    /// How many were tried.
    pub sent: u32,
    /// How many came back.
    pub received: u32,
    /// The quickest.
    pub min_ms: Option<f64>,
    /// The middle one.
    pub median_ms: Option<f64>,
    /// The slowest.
    pub max_ms: Option<f64>,
}

impl RoundTrips {
    /// Of these, of which `None` did not come back.
    #[must_use]
    pub fn of(all: &[Option<std::time::Duration>]) -> Self {
        let mut came: Vec<f64> = all.iter().flatten().map(|d| d.as_secs_f64() * 1000.0).collect();
        came.sort_by(f64::total_cmp);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            sent: count(all.len()),
            received: count(came.len()),
            min_ms: came.first().copied(),
            median_ms: came.get(came.len() / 2).copied(),
            max_ms: came.last().copied(),
        }
    }
}

/// The connection through a relay that was tried beside a direct one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Relayed {
    /// Whose relay.
    pub by: Role,
    /// Its address; null when there was no connection.
    pub relay: Option<SocketAddr>,
    /// Round trips through it; null when there was no connection.
    pub round_trips: Option<RoundTrips>,
    /// Why there was none.
    pub because: Option<String>,
}

/// What connected peers say to each other, as JSON in [`super::Parcels`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Word {
    /// Here is my side.
    Side {
        /// All of it.
        side: Box<Side>,
    },
    /// Let us also connect through my relay.
    RelayOffer {
        /// An offer with relayed candidates only.
        sdp: String,
    },
    /// The answer to such an offer.
    RelayAnswer {
        /// The answer.
        sdp: String,
    },
    /// That is what came of it.
    Relayed {
        /// The result.
        relayed: Relayed,
    },
    /// Of a later version: to be ignored.
    #[serde(other)]
    Unknown,
}

impl Side {
    /// With what is long cut short: both sides report from what was told.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        for nat in &mut self.nats {
            nat.facts.forget_evidence();
        }
        self.nats.truncate(MOST);
        self.findings.truncate(MOST);
        if let Some(outcome) = &mut self.outcome {
            outcome.checks.truncate(CHECKS);
            for check in &mut outcome.checks {
                check.sent_ms.truncate(TIMES);
                check.received_ms.truncate(TIMES);
            }
            outcome.local.truncate(MOST);
            outcome.remote.truncate(MOST);
            outcome.stun.truncate(MOST);
            outcome.turn.truncate(MOST);
        }
        self
    }
}
