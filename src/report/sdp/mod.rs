//! Explains session descriptions: each line, the candidates, what is missing, and with an offer and
//! its answer which pairs could work. The document is `natscope-sdp/1`.
//!
//! Secrets (`ice-pwd`, keys) are never in it.

mod connections;
mod findings;
mod meaning;
mod pairs;
mod render;
mod side;

pub use pairs::{Could, SdpPair};

use super::Tool;
use crate::ground::finding::Finding;
use crate::sdp::{Address, Connection, Reading, Sdp, Unusable};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use side::Cand;
use std::net::SocketAddr;

/// The schema that this version writes.
pub const SCHEMA: &str = "natscope-sdp/1";

/// Descriptions, explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct SdpReport {
    /// `natscope-sdp/1`.
    pub schema: String,
    /// The program that wrote it.
    pub tool: Tool,
    /// The offer, and the answer if one was given; all of them where a file holds several.
    pub descriptions: Vec<Explained>,
    /// Which of them belong together, and how it went where a file says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<SdpConnection>,
    /// Of each connection, the candidates of one side with those of the other, the preferred first.
    pub pairs: Vec<SdpPair>,
    /// How many combinations are none: their families, components or transports differ.
    pub unpaired: usize,
    /// What it comes to, in one sentence.
    pub summary: String,
}

/// An offer with its answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct SdpConnection {
    /// What the file calls it, such as `1-1` in the dump of a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The index of the offer among the descriptions.
    pub offer: Option<usize>,
    /// That of the answer.
    pub answer: Option<usize>,
    /// The last state of ICE that the file tells, such as `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How many ms after its first description it came to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    /// All states.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<SdpState>,
    /// What was noticed about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// One sentence or two.
    pub summary: String,
}

/// A state of ICE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct SdpState {
    /// Such as `checking`.
    pub state: String,
    /// Milliseconds after its first description.
    pub after_ms: Option<u64>,
}

/// A description, explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Explained {
    /// The file, as given.
    pub source: String,
    /// What the file calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The line of the file where it begins, where that is not the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<usize>,
    /// `offer` or `answer`; null when it cannot be told.
    pub kind: Option<String>,
    /// Every line.
    pub lines: Vec<ExplainedLine>,
    /// The candidates of the sections that ICE runs for.
    pub candidates: Vec<SdpCandidate>,
    /// What was noticed, and what is missing.
    pub findings: Vec<Finding>,
}

/// A line and what it is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct ExplainedLine {
    /// Which line of the file, from 1; of the description, where all of it stands in one line.
    pub line: usize,
    /// As it stands there, secrets hidden.
    pub text: String,
    /// What it is for.
    pub meaning: String,
}

/// A candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct SdpCandidate {
    /// Which line of the file.
    pub line: usize,
    /// `host`, `srflx`, `prflx`, `relay`, or whatever stands there.
    pub kind: String,
    /// `udp`, `tcp`, or whatever stands there.
    pub transport: String,
    /// `active`, `passive` or `so` with TCP.
    pub tcp_type: Option<String>,
    /// 1 for RTP and data, 2 for RTCP.
    pub component: u16,
    /// The higher, the earlier.
    pub priority: u32,
    /// Address and port; a name in place of an address where it is hidden.
    pub address: String,
    /// The base of a reflexive one, the mapped address of a relayed one.
    pub related: Option<SocketAddr>,
    /// Why nobody outside can use it; null when somebody may.
    pub unusable: Option<String>,
    /// Its address was taken out before the description was pasted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// The media section that it stands in, from 0; null for the session's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<usize>,
}

impl From<&Cand> for SdpCandidate {
    fn from(cand: &Cand) -> Self {
        let entry = &cand.entry;
        // what cannot be reached from here may be reached from elsewhere
        let unusable = match entry.usable() {
            Err(
                why @ (Unusable::Mdns(_)
                | Unusable::Name(_)
                | Unusable::Transport(_)
                | Unusable::Kind(_)),
            ) => Some(why.to_string()),
            _ => None,
        };
        Self {
            line: entry.line,
            kind: entry.kind.clone(),
            transport: entry.transport.clone(),
            tcp_type: entry.tcp_type.clone(),
            component: entry.component,
            priority: entry.priority,
            address: entry.address.to_string(),
            related: entry.related,
            unusable: cand.stray.as_ref().map(|stray| format!("it {stray}")).or(unusable),
            hidden: matches!(entry.address, Address::Hidden(..)),
            section: cand.section,
        }
    }
}

impl SdpReport {
    /// Explains one description, or an offer with its answer; each with the name of its file.
    #[must_use]
    pub fn new(first: (&str, &Sdp), second: Option<(&str, &Sdp)>) -> Self {
        let all: Vec<(&str, &Sdp)> = std::iter::once(first).chain(second).collect();
        let pair = Connection { offer: Some(0), answer: Some(1), ..Connection::default() };
        connections::explain(&all, &if second.is_some() { vec![pair] } else { Vec::new() }, false)
    }

    /// Explains all that one or two texts hold, each with the name of its file: with two, the offer
    /// in the first and the answer in the second.
    #[must_use]
    pub fn of(first: (&str, &Reading), second: Option<(&str, &Reading)>) -> Self {
        let texts: Vec<(&str, &Reading)> = std::iter::once(first).chain(second).collect();
        let all: Vec<(&str, &Sdp)> = texts
            .iter()
            .flat_map(|(source, reading)| reading.descriptions.iter().map(|sdp| (*source, sdp)))
            .collect();
        let cut = texts.iter().any(|(_, reading)| reading.cut);
        let pairs = match second {
            Some((_, other)) => vec![connections::across(first.1, other)],
            None => first.1.connections.clone(),
        };
        connections::explain(&all, &pairs, cut)
    }
}

#[cfg(test)]
pub(super) mod tests;
