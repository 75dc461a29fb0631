//! Explains session descriptions: each line, the candidates, what is missing, and with an offer and
//! its answer which pairs could work. The document is `natscope-sdp/1`.
//!
//! Secrets (`ice-pwd`, keys) are never in it.

mod findings;
mod meaning;
mod pairs;
mod render;

pub use pairs::{Could, SdpPair};
pub use render::{markdown, text};

use super::{Document, Tool};
use crate::ice::Kind;
use crate::probe::fact::Finding;
use crate::sdp::{Address, Entry, Sdp};
use crate::stun::text::safe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The schema that this version writes.
pub const SCHEMA: &str = "natscope-sdp/1";

/// One or two descriptions, explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct SdpReport {
    /// `natscope-sdp/1`.
    pub schema: String,
    /// The program that wrote it.
    pub tool: Tool,
    /// The offer, and the answer if one was given.
    pub descriptions: Vec<Explained>,
    /// With both, the candidates of one with those of the other, the preferred first.
    pub pairs: Vec<SdpPair>,
    /// How many combinations are none: their families, components or transports differ.
    pub unpaired: usize,
    /// One sentence.
    pub summary: String,
}

/// A description, explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Explained {
    /// The file, as given.
    pub source: String,
    /// `offer` or `answer`; null when it cannot be told.
    pub kind: Option<String>,
    /// Every line.
    pub lines: Vec<ExplainedLine>,
    /// The candidates of the section that ICE runs for.
    pub candidates: Vec<SdpCandidate>,
    /// What was noticed, and what is missing.
    pub findings: Vec<Finding>,
}

/// A line and what it is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct ExplainedLine {
    /// Which line of the file, from 1.
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
}

impl From<&Entry> for SdpCandidate {
    fn from(entry: &Entry) -> Self {
        Self {
            line: entry.line,
            kind: entry.kind.clone(),
            transport: entry.transport.clone(),
            tcp_type: entry.tcp_type.clone(),
            component: entry.component,
            priority: entry.priority,
            address: entry.address.to_string(),
            related: entry.related,
            unusable: entry.usable().err().map(|why| why.to_string()),
        }
    }
}

/// One side, as the rest of this module looks at it.
struct Side<'a> {
    source: &'a str,
    sdp: &'a Sdp,
    /// Those of the section that ICE runs for, and of the session.
    entries: Vec<Entry>,
}

impl<'a> Side<'a> {
    fn new(source: &'a str, sdp: &'a Sdp) -> Self {
        let section = sdp.ice_section().flatten();
        let all = sdp.entries().unwrap_or_default().into_iter();
        let ours = all.filter(|(media, _)| media.is_none() || *media == section);
        Self { source, sdp, entries: ours.map(|(_, entry)| entry).collect() }
    }

    /// Its addresses that a STUN server showed.
    fn reflexive(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.known_kind() == Some(Kind::ServerReflexive))
    }

    /// Several reflexive addresses for one base and transport, which is how a mapping that depends
    /// on the destination looks: the base and the addresses.
    fn dependent(&self) -> Option<(Option<SocketAddr>, Vec<SocketAddr>)> {
        let udp = |e: &&Entry| e.transport == "udp";
        let ip = |e: &Entry| match e.address {
            Address::Ip(address) => Some(address),
            Address::Name(..) => None,
        };
        for first in self.reflexive().filter(udp) {
            let base = first.related.filter(|base| base.port() != 0);
            let mut seen: Vec<SocketAddr> = self
                .reflexive()
                .filter(udp)
                .filter(|e| e.component == first.component && e.related == first.related)
                .filter_map(ip)
                .filter(|a| Some(a.is_ipv4()) == ip(first).map(|a| a.is_ipv4()))
                .collect();
            seen.sort_unstable();
            seen.dedup();
            // a browser that hides the base may have several: it counts only when there is one
            let hosts =
                self.entries.iter().filter(udp).filter(|e| {
                    e.known_kind() == Some(Kind::Host) && e.component == first.component
                });
            if seen.len() > 1 && (base.is_some() || hosts.count() == 1) {
                return Some((base, seen));
            }
        }
        None
    }

    fn explained(&self) -> Explained {
        Explained {
            source: safe(self.source.as_bytes()),
            kind: self.sdp.kind.map(|kind| kind.to_string()),
            lines: self.sdp.lines.iter().map(meaning::explain).collect(),
            candidates: self.entries.iter().map(SdpCandidate::from).collect(),
            findings: findings::of(self),
        }
    }
}

impl SdpReport {
    /// Explains one description, or an offer with its answer; each with the name of its file.
    #[must_use]
    pub fn new(first: (&str, &Sdp), second: Option<(&str, &Sdp)>) -> Self {
        let one = Side::new(first.0, first.1);
        let other = second.map(|(source, sdp)| Side::new(source, sdp));
        let mut descriptions = vec![one.explained()];
        let mut found = pairs::Found::default();
        if let Some(other) = &other {
            descriptions.push(other.explained());
            let wrong = findings::of_both(&one, other);
            let fits = wrong.is_empty();
            descriptions[1].findings.splice(0..0, wrong);
            if fits {
                found = pairs::find(&one, other);
            }
        }
        let summary = match &other {
            None => findings::summary(&one, &descriptions[0]),
            Some(_) => found.summary(&descriptions[1].findings),
        };
        Self {
            schema: SCHEMA.to_owned(),
            tool: Tool::default(),
            descriptions,
            pairs: found.pairs,
            unpaired: found.unpaired,
            summary,
        }
    }
}

impl Document for SdpReport {
    fn text(&self, _colour: bool) -> String {
        text(self)
    }
    fn markdown(&self) -> String {
        markdown(self)
    }
    fn json(&self) -> Result<String, serde_json::Error> {
        crate::report::json::document(self)
    }
}

#[cfg(test)]
pub(super) mod tests;
