//! The media sections of a description: what each sends, where to, and which share one transport.

use super::{Line, Sdp};
use std::collections::HashMap;

/// A media section (RFC 8866 section 5.14).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// Which, from 0.
    pub index: usize,
    /// Its name in `a=mid` (RFC 5888); hostile, as all of its text is.
    pub mid: Option<String>,
    /// Such as `audio`.
    pub media: String,
    /// Where it is sent without ICE; none when that cannot be read. 0: refused or switched off.
    pub port: Option<u16>,
    /// Such as `UDP/TLS/RTP/SAVPF`.
    pub protocol: String,
    /// The address in `c=`, its own or the session's.
    pub address: Option<String>,
    /// `a=inactive`.
    pub inactive: bool,
    /// RTCP shares its port (RFC 5761).
    pub rtcp_mux: bool,
    /// `a=rtcp` (RFC 3605): the port, and the address where one is named.
    pub rtcp: Option<(u16, Option<String>)>,
    /// It is of use only within the group (RFC 9143).
    pub bundle_only: bool,
}

impl Section {
    /// Refused or switched off, and not because the group carries it.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        matches!(self.port, Some(0)) && !self.bundle_only
    }
}

impl Sdp {
    /// Its sections, in order.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        let session = self.lines.iter().find(|l| l.media.is_none() && l.key == 'c');
        let session = session.and_then(address);
        let mut sections: Vec<Section> = Vec::new();
        let mut directed: HashMap<usize, bool> = HashMap::new();
        for line in &self.lines {
            if line.key == 'm' {
                sections.push(begin(sections.len(), line, session.clone()));
            } else if line.media.is_some()
                && let Some(section) = sections.last_mut()
            {
                add(section, line);
                if let Some(inactive) = direction(line) {
                    directed.insert(section.index, inactive);
                }
            }
        }
        // the session's direction holds where a section has none
        let mut session = self.lines.iter().take_while(|l| l.media.is_none());
        let session = session.find_map(direction).unwrap_or(false);
        for section in &mut sections {
            section.inactive = directed.get(&section.index).copied().unwrap_or(session);
        }
        sections
    }

    /// The groups of sections that share one transport (RFC 9143), each with the one that carries it
    /// first. A section that was refused is in none.
    #[must_use]
    pub fn bundles(&self) -> Vec<Vec<usize>> {
        let group = |line: &Line| {
            let (name, value) = line.attribute()?;
            let rest = value?.strip_prefix("BUNDLE")?;
            (name.eq_ignore_ascii_case("group") && line.media.is_none()).then(|| rest.to_owned())
        };
        let groups: Vec<String> = self.lines.iter().filter_map(group).collect();
        if groups.is_empty() {
            return Vec::new();
        }
        let sections = self.sections();
        let on = sections.iter().filter(|section| !section.is_off());
        let mut named: HashMap<&str, usize> = HashMap::new();
        for section in on {
            if let Some(mid) = &section.mid {
                named.entry(mid).or_insert(section.index);
            }
        }
        let group = |mids: &String| -> Vec<usize> {
            mids.split_whitespace().filter_map(|mid| named.get(mid).copied()).collect()
        };
        groups.iter().map(group).filter(|group| !group.is_empty()).collect()
    }
}

/// Whether a line says that no media flows, or that some does.
fn direction(line: &Line) -> Option<bool> {
    match line.attribute()?.0.to_ascii_lowercase().as_str() {
        "inactive" => Some(true),
        "sendrecv" | "sendonly" | "recvonly" => Some(false),
        _ => None,
    }
}

fn address(line: &Line) -> Option<String> {
    let word = line.value.split_whitespace().nth(2)?;
    Some(word.split('/').next().unwrap_or_default().to_owned())
}

fn begin(index: usize, line: &Line, session: Option<String>) -> Section {
    let mut words = line.value.split_whitespace();
    let media = words.next().unwrap_or_default().to_owned();
    let port = words.next().and_then(|port| port.split('/').next()?.parse().ok());
    let protocol = words.next().unwrap_or_default().to_owned();
    Section { index, media, port, protocol, address: session, ..Section::default() }
}

fn add(section: &mut Section, line: &Line) {
    if line.key == 'c' {
        section.address = address(line).or(section.address.take());
    }
    let Some((name, value)) = line.attribute() else { return };
    match name.to_ascii_lowercase().as_str() {
        "mid" => section.mid = value.map(|mid| mid.trim().to_owned()),
        "rtcp-mux" | "rtcp-mux-only" => section.rtcp_mux = true,
        "bundle-only" => section.bundle_only = true,
        "rtcp" => {
            let mut words = value.unwrap_or_default().split_whitespace();
            let port = words.next().and_then(|port| port.parse().ok());
            section.rtcp = port.map(|port| (port, words.nth(2).map(str::to_owned)));
        }
        _ => {}
    }
}
