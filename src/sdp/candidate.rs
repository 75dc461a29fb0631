//! `a=candidate` (RFC 8839 section 5.1): read as programs write it, held against what natscope can
//! use.

use super::{SdpError, hidden};
use crate::ice::{Candidate, Kind, Transport};
use crate::stun::text::safe;
use sdp_types::{CandidateAddress, CandidateType};
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
    /// Somebody took it out before pasting: what stands in its place, safe to print, and the port
    /// (0 when that was taken out too).
    Hidden(String, u16),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name, 0) | Self::Hidden(name, 0) => f.write_str(name),
            Self::Name(name, port) | Self::Hidden(name, port) => write!(f, "{name}:{port}"),
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
    /// The connection address and the port.
    pub address: Address,
    /// Such as `srflx`; safe to print.
    pub kind: String,
    /// `raddr` and `rport`.
    pub related: Option<SocketAddr>,
    /// The `ice-ufrag` that it belongs to, where it names one; hostile: escape before printing.
    pub ufrag: Option<String>,
}

/// Why a candidate that is well formed cannot be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// A multicast DNS name (draft-ietf-mmusic-mdns-ice-candidates).
    #[error("`{0}` is a multicast DNS name: only a machine in the same local network can find it")]
    Mdns(String),
    /// Another name.
    #[error("`{0}` is a name, not an address (RFC 8839 section 5.1 leaves names to be ignored)")]
    Name(String),
    /// Taken out before pasting.
    #[error("its address is hidden (`{0}` stands in its place)")]
    Hidden(String),
    /// TCP of an old kind, without `tcptype`.
    #[error("it is TCP without `tcptype` (RFC 6544 section 4.5): which end connects is not said")]
    TcpType,
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
            Address::Hidden(shown, _) => return Err(Unusable::Hidden(shown.clone())),
        };
        if self.transport == "tcp" && self.tcp_type.is_none() {
            return Err(Unusable::TcpType);
        }
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

    /// The port; 0 when it is hidden.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match &self.address {
            Address::Ip(address) => address.port(),
            Address::Name(_, port) | Address::Hidden(_, port) => *port,
        }
    }

    /// Its transport as it is meant: TCP without a type (before RFC 6544) connects from port 9, and
    /// listens on any other.
    #[must_use]
    pub fn meant_transport(&self) -> Option<Transport> {
        match (self.transport.as_str(), &self.tcp_type) {
            ("tcp", None) if matches!(self.port(), 0 | 9) => Some(Transport::TcpActive),
            ("tcp", None) => Some(Transport::TcpPassive),
            _ => self.known_transport(),
        }
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

/// The fields of the grammar, and what is expected in each.
const FIELDS: [&str; 8] = [
    "a foundation of 1 to 32 letters, digits, `+` or `/`",
    "a component from 1 to 256",
    "a transport such as udp",
    "a priority from 1 to 4294967295",
    "an address",
    "a port from 0 to 65535",
    "the word `typ`",
    "a type: host, srflx, prflx or relay",
];

/// The value of the attribute, in words.
struct Words<'a> {
    value: &'a str,
    all: Vec<(usize, &'a str)>,
    /// How many words the address has beyond one: `<my public ip>`.
    wide: usize,
}

impl<'a> Words<'a> {
    fn new(value: &'a str) -> Self {
        // no candidate has more words; a longer line is not read to its end
        let all: Vec<_> = super::words(value).take(200).collect();
        let typ = all.iter().take(14).position(|(_, w)| w.eq_ignore_ascii_case("typ"));
        let wide = typ.and_then(|typ| typ.checked_sub(6)).unwrap_or(0);
        let mut words = Self { value, all, wide };
        if wide > 0 && !hidden::is_hidden(words.address()) {
            words.wide = 0;
        }
        words
    }

    /// A field of the grammar, from 0.
    fn field(&self, field: usize) -> Option<&'a str> {
        if field == 4 && self.wide > 0 {
            return Some(self.address());
        }
        self.all.get(self.index(field)).map(|(_, word)| *word)
    }

    fn address(&self) -> &'a str {
        let start = self.all.get(4).map_or(0, |(at, _)| *at);
        let end = self.all.get(4 + self.wide).map_or(start, |(at, word)| at + word.len());
        self.value.get(start..end).unwrap_or_default()
    }

    const fn index(&self, field: usize) -> usize {
        if field > 4 { field + self.wide } else { field }
    }

    /// Names and values after the type.
    fn extension(&self, name: &str) -> Option<(usize, &'a str)> {
        let rest = self.all.get(self.index(8)..).unwrap_or_default();
        let mut pairs = rest.chunks_exact(2).zip(0usize..);
        pairs.find_map(|(pair, i)| match pair {
            [(_, key), (_, value)] if key.eq_ignore_ascii_case(name) => {
                Some((self.index(8) + 2 * i + 1, *value))
            }
            _ => None,
        })
    }

    /// How many characters stand before a word; all of them for one too many.
    fn column(&self, word: usize) -> usize {
        let end = self.value.trim_end().len();
        let at = self.all.get(word).map_or(end, |(at, _)| *at);
        self.value.get(..at).unwrap_or_default().chars().count()
    }
}

/// Reads the value of the attribute, which stands on this line after `before` characters.
pub(super) fn read_value(value: &str, line: usize, before: usize) -> Result<Entry, SdpError> {
    let words = Words::new(value);
    let at = |word: usize, expected: &str| {
        let found = words.all.get(word).map(|(_, w)| format!("`{}`", show(w)));
        let found = found.unwrap_or_else(|| "the end of the line".to_owned());
        let what = format!("expected {expected}, found {found}");
        SdpError::at(line, before + words.column(word) + 1, what)
    };
    let fail = |field: usize| at(words.index(field), FIELDS[field.min(FIELDS.len() - 1)]);
    let field = |field: usize| words.field(field).ok_or_else(|| fail(field));

    let foundation = field(0)?;
    let ice_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    if foundation.len() > 32 || !foundation.chars().all(ice_char) {
        return Err(fail(0));
    }
    let component = field(1)?.parse().ok().filter(|c| (1..=256).contains(c));
    let component = component.ok_or_else(|| fail(1))?;
    let (transport, old_type) = transport(field(2)?);
    let priority = field(3)?.parse().map_err(|_| fail(3))?;
    let (place, port) = (field(4)?, field(5)?);
    let port = match port.parse::<u16>() {
        Ok(port) => port,
        Err(_) if hidden::is_hidden_port(port) => 0,
        Err(_) => return Err(fail(5)),
    };
    let address = match zone(place) {
        Some(zone) => {
            let what = format!("an address without a zone ({zone} means something only there)");
            return Err(at(4, &what));
        }
        None => address(place, port).ok_or_else(|| fail(4))?,
    };
    if !field(6)?.eq_ignore_ascii_case("typ") {
        return Err(fail(6));
    }
    let kind = show(field(7)?).to_ascii_lowercase();
    let related = match words.extension("raddr") {
        None => None,
        Some((word, shown)) => match ip_of(shown) {
            Some(ip) => Some(SocketAddr::new(ip, related_port(&words, &at)?)),
            // hidden, or a name: its base is not known
            None if hidden::is_hidden(shown) || name_of(shown).is_some() => None,
            // of a host that has one with a zone, only the zone is of no use
            None if zone(shown).is_some() => None,
            None => return Err(at(word, "an IP address after `raddr`")),
        },
    };
    let extension = |name: &str| words.extension(name).map(|(_, value)| value);
    Ok(Entry {
        line,
        foundation: foundation.to_owned(),
        component,
        transport,
        tcp_type: extension("tcptype").map(|t| show(t).to_ascii_lowercase()).or(old_type),
        priority,
        address,
        kind,
        related,
        ufrag: extension("ufrag").map(str::to_owned),
    })
}

fn related_port(words: &Words<'_>, at: &impl Fn(usize, &str) -> SdpError) -> Result<u16, SdpError> {
    match words.extension("rport") {
        None => Ok(0),
        Some((word, port)) => match port.parse() {
            Ok(port) => Ok(port),
            Err(_) if hidden::is_hidden_port(port) => Ok(0),
            Err(_) => Err(at(word, "a port from 0 to 65535 after `rport`")),
        },
    }
}

/// The transport, and the type of TCP that older programs wrote into it: `TCP-PASS` and the like
/// are of the drafts before RFC 6544, `ssltcp` is TCP that begins with what looks like TLS.
fn transport(word: &str) -> (String, Option<String>) {
    let lower = show(word).to_ascii_lowercase();
    let kind = match lower.as_str() {
        "tcp-pass" | "tcp-passive" => "passive",
        "tcp-act" | "tcp-active" => "active",
        "tcp-so" => "so",
        "ssltcp" => "passive",
        _ => return (lower, None),
    };
    ("tcp".to_owned(), Some(kind.to_owned()))
}

/// An address, the name of a host, or what stands in the place of one.
pub(super) fn address(place: &str, port: u16) -> Option<Address> {
    if let Some(ip) = ip_of(place) {
        return Some(Address::Ip(SocketAddr::new(ip, port)));
    }
    if hidden::is_hidden(place) {
        return Some(Address::Hidden(show(place), port));
    }
    name_of(place).map(|name| Address::Name(name, port))
}

/// Some programs write IPv6 in brackets.
fn ip_of(word: &str) -> Option<IpAddr> {
    let bare = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')).unwrap_or(word);
    bare.parse().ok()
}

/// The zone of an address that has one (RFC 6874 writes `%` as `%25`).
fn zone(word: &str) -> Option<String> {
    let (ip, zone) = word.split_once('%')?;
    ip_of(ip.trim_start_matches('[')).map(|_| format!("`%{}`", show(zone)))
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
