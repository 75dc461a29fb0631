//! `a=candidate` (RFC 8839 section 5.1): read by sdp-types, then held against the grammar and
//! against what natscope can use.

use super::SdpError;
use crate::ice::{Candidate, Kind, Transport};
use crate::stun::text::safe;
use sdp_types::{AttributeError, CandidateAddress, CandidateType};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Where a candidate is: by number, or by a name that hides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address.
    Ip(SocketAddr),
    /// A name, safe to print, and the port. Browsers hide host addresses behind names that end in
    /// `.local` (multicast DNS).
    Name(String, u16),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// A candidate as a description has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The line of the text that it was read from, from 1.
    pub line: usize,
    /// 1 to 32 characters.
    pub foundation: String,
    /// 1 to 256.
    pub component: u16,
    /// Such as `udp`; safe to print.
    pub transport: String,
    /// `tcptype` (RFC 6544 section 4.5), safe to print.
    pub tcp_type: Option<String>,
    /// RFC 8445 section 5.1.2.
    pub priority: u32,
    /// Where.
    pub address: Address,
    /// Such as `srflx`; safe to print.
    pub kind: String,
    /// `raddr` and `rport`.
    pub related: Option<SocketAddr>,
}

/// Why a candidate that is well formed cannot be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// A multicast DNS name (draft-ietf-mmusic-mdns-ice-candidates).
    #[error("`{0}` is a multicast DNS name: only a machine in the same local network can find it")]
    Mdns(String),
    /// Another name.
    #[error("`{0}` is a name, not an address (RFC 8839 section 5.1 leaves names to be ignored)")]
    Name(String),
    /// Neither UDP nor TCP.
    #[error("its transport `{0}` is neither UDP nor TCP")]
    Transport(String),
    /// None of the four.
    #[error("its type `{0}` is none of host, srflx, prflx and relay")]
    Kind(String),
}

impl Entry {
    /// As the agent takes it.
    ///
    /// # Errors
    /// It is of a kind that nobody here can check.
    pub fn usable(&self) -> Result<Candidate, Unusable> {
        let address = match &self.address {
            Address::Ip(address) => *address,
            Address::Name(name, _) if is_mdns(name) => return Err(Unusable::Mdns(name.clone())),
            Address::Name(name, _) => return Err(Unusable::Name(name.clone())),
        };
        let transport = self.known_transport().ok_or_else(|| {
            let tcp_type = self.tcp_type.as_ref().map(|t| format!(" {t}")).unwrap_or_default();
            Unusable::Transport(format!("{}{tcp_type}", self.transport))
        })?;
        Ok(Candidate {
            foundation: self.foundation.clone(),
            component: self.component,
            transport,
            priority: self.priority,
            address,
            kind: self.known_kind().ok_or_else(|| Unusable::Kind(self.kind.clone()))?,
            related: self.related,
        })
    }

    /// Its type, if it is one of the four.
    #[must_use]
    pub fn known_kind(&self) -> Option<Kind> {
        [Kind::Host, Kind::ServerReflexive, Kind::PeerReflexive, Kind::Relayed]
            .into_iter()
            .find(|kind| kind.as_str() == self.kind)
    }

    /// Its transport, if it is UDP or one of those of RFC 6544.
    #[must_use]
    pub fn known_transport(&self) -> Option<Transport> {
        match (self.transport.as_str(), self.tcp_type.as_deref()) {
            ("udp", _) => Some(Transport::Udp),
            ("tcp", Some("active")) => Some(Transport::TcpActive),
            ("tcp", Some("passive")) => Some(Transport::TcpPassive),
            ("tcp", Some("so")) => Some(Transport::TcpSimultaneousOpen),
            _ => None,
        }
    }
}

/// Whether a name is one of multicast DNS (RFC 6762 section 3).
fn is_mdns(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("local"))
}

/// One candidate as `candidate:…`, without `a=`: as WebRTC trickles it (RFC 8840 section 4.1).
#[must_use]
pub fn write_candidate(candidate: &Candidate) -> String {
    format!("candidate:{}", to_attribute(candidate))
}

/// Reads one candidate, with or without `a=` and `candidate:`.
///
/// # Errors
/// It is not of the grammar of RFC 8839 section 5.1; the line is 1.
pub fn read_candidate(text: &str) -> Result<Entry, SdpError> {
    let text = text.trim();
    let value = text.strip_prefix("a=").unwrap_or(text);
    let value = value.strip_prefix("candidate:").unwrap_or(value);
    let before = text[..text.len() - value.len()].chars().count();
    read_value(value, 1, before)
}

/// The attribute's value.
pub(super) fn to_attribute(candidate: &Candidate) -> sdp_types::Candidate {
    let (transport, tcp_type) = match candidate.transport {
        Transport::Udp => ("udp", None),
        Transport::TcpActive => ("tcp", Some("active")),
        Transport::TcpPassive => ("tcp", Some("passive")),
        Transport::TcpSimultaneousOpen => ("tcp", Some("so")),
    };
    // RFC 8839 section 5.1: raddr and rport stand in all but host candidates
    let related = candidate.related.or_else(|| {
        let any = if candidate.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        (candidate.kind != Kind::Host).then(|| any.parse().ok()).flatten()
    });
    sdp_types::Candidate {
        foundation: candidate.foundation.clone(),
        component_id: candidate.component.into(),
        transport: transport.to_owned(),
        priority: candidate.priority.into(),
        address: CandidateAddress::IpAddr(candidate.address.ip()),
        port: candidate.address.port(),
        typ: CandidateType::new(candidate.kind.as_str()),
        rel_addr: related.map(|a| a.ip()),
        rel_port: related.map(|a| a.port()),
        extensions: tcp_type.map(|t| ("tcptype".to_owned(), t.to_owned())).into_iter().collect(),
    }
}

/// The fields of the grammar: what sdp-types calls each, and what is expected there.
const FIELDS: [(&str, &str); 8] = [
    ("Foundation", "a foundation of 1 to 32 letters, digits, `+` or `/`"),
    ("Component id", "a component from 1 to 256"),
    ("Transport", "a transport such as udp"),
    ("Priority", "a priority from 1 to 4294967295"),
    ("Address", "an address"),
    ("Port", "a port from 0 to 65535"),
    ("'typ' string", "the word `typ`"),
    ("Candidate type", "a type: host, srflx, prflx or relay"),
];

/// Reads the value of the attribute, which stands on this line after `before` characters.
pub(super) fn read_value(value: &str, line: usize, before: usize) -> Result<Entry, SdpError> {
    // the library takes every single space for a separator
    let value_at = |field: usize| before + column_of(value, field) + 1;
    let fail = |field: usize| {
        let found = value.split(' ').filter(|w| !w.is_empty()).nth(field);
        let found = found.map_or("the end of the line".to_owned(), |w| format!("`{}`", show(w)));
        let (_, expected) = FIELDS[field.min(FIELDS.len() - 1)];
        SdpError::at(line, value_at(field), format!("expected {expected}, found {found}"))
    };
    let single = value.split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
    let read: sdp_types::Candidate = match single.parse() {
        Ok(read) => read,
        Err(error) => return Err(explain(&error, value, line, before).unwrap_or_else(fail)),
    };
    let ice_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    if !(1..=32).contains(&read.foundation.len()) || !read.foundation.chars().all(ice_char) {
        return Err(fail(0));
    }
    let component = u16::try_from(read.component_id).ok().filter(|c| (1..=256).contains(c));
    let address = match read.address {
        CandidateAddress::IpAddr(ip) => Address::Ip(SocketAddr::new(ip, read.port)),
        CandidateAddress::FQDN(name) => {
            Address::Name(name_of(&name).ok_or_else(|| fail(4))?, read.port)
        }
    };
    let extension = |name: &str| {
        let mut all = read.extensions.iter();
        all.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| show(value))
    };
    Ok(Entry {
        line,
        component: component.ok_or_else(|| fail(1))?,
        transport: show(&read.transport).to_ascii_lowercase(),
        tcp_type: extension("tcptype").map(|t| t.to_ascii_lowercase()),
        priority: u32::try_from(read.priority).map_err(|_| fail(3))?,
        address,
        kind: show(read.typ.as_str()).to_ascii_lowercase(),
        related: read.rel_addr.map(|ip| SocketAddr::new(ip, read.rel_port.unwrap_or(0))),
        foundation: read.foundation,
    })
}

/// An error of the library at its column, or the number of the field that it is about.
fn explain(
    error: &AttributeError,
    value: &str,
    line: usize,
    before: usize,
) -> Result<SdpError, usize> {
    let (AttributeError::ParamNotFound { param, .. }
    | AttributeError::InvalidParamValue { param, .. }) = error
    else {
        let end = before + value.trim_end().chars().count() + 1;
        return Ok(SdpError::at(line, end, "expected a value after the last extension's name"));
    };
    if let Some(field) = FIELDS.iter().position(|(name, _)| name == param) {
        return Err(field);
    }
    let (word, expected) = if param == "Relative port" {
        ("rport", "a port from 0 to 65535 after `rport`")
    } else {
        ("raddr", "an IP address after `raddr`")
    };
    let words: Vec<&str> = value.split(' ').filter(|w| !w.is_empty()).collect();
    let key = words.iter().skip(8).position(|w| w.eq_ignore_ascii_case(word)).map_or(7, |i| i + 8);
    let column = before + column_of(value, key + 1) + 1;
    Ok(SdpError::at(line, column, format!("expected {expected}")))
}

/// How many characters stand before a word, counted from 0; all of them for one too many.
fn column_of(text: &str, word: usize) -> usize {
    let end = text.trim_end().len();
    let at = super::words(text).nth(word).map_or(end, |(at, _)| at);
    text[..at].chars().count()
}

fn show(text: &str) -> String {
    safe(text.as_bytes())
}

/// A host name (RFC 1123), or nothing.
fn name_of(name: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let looks = name.contains('.') && name.chars().any(|c| c.is_ascii_alphabetic());
    let numeric = name.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    (name.len() <= 253 && looks && !numeric && name.chars().all(fits)).then(|| name.to_owned())
}

/// Whether an address can only be reached from within its own network.
#[must_use]
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            // RFC 1918, RFC 6598, RFC 3927
            ip.is_private()
                || ip.is_link_local()
                || ip.is_loopback()
                || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64)
        }
        // RFC 4193, RFC 4291
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}
