//! An RFC 5780 STUN server, sans-IO: a pure function from (bytes, socket they came in on) to
//! (bytes, socket to leave by). RFC 3489 clients are served.

#[cfg(test)]
mod tests;

use crate::ground::external::Externals;
use crate::ground::limit::{Limit, Limiter};
use crate::stun::{self, BINDING, Change, Class, ErrorResponse, Message, Success};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The addresses a server answers on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sites {
    /// One address: plain STUN. No OTHER-ADDRESS, and CHANGE-REQUEST is an unknown attribute.
    One(SocketAddr),
    /// Two addresses × two ports, for RFC 5780.
    Two {
        /// The address and port that clients are told.
        primary: SocketAddr,
        /// The others; both must differ from the primary's.
        alternate: SocketAddr,
    },
}

impl Sites {
    /// The sockets to open.
    #[must_use]
    pub fn all(self) -> Vec<(Site, SocketAddr)> {
        let flags = [false, true];
        let sites = flags.iter().flat_map(|&alternate_ip| {
            flags.iter().map(move |&alternate_port| Site { alternate_ip, alternate_port })
        });
        sites.filter_map(|site| Some((site, self.address(site)?))).collect()
    }

    /// Whether this is one of the addresses that the server answers on.
    #[must_use]
    fn has(self, address: SocketAddr) -> bool {
        match self {
            Self::One(own) => own == address,
            Self::Two { primary, alternate } => {
                (address.ip() == primary.ip() || address.ip() == alternate.ip())
                    && (address.port() == primary.port() || address.port() == alternate.port())
            }
        }
    }

    /// The address of a site; `None` for one that this server does not have.
    #[must_use]
    pub const fn address(self, site: Site) -> Option<SocketAddr> {
        match (self, site) {
            (Self::One(address), Site { alternate_ip: false, alternate_port: false }) => {
                Some(address)
            }
            (Self::One(_), _) => None,
            (Self::Two { primary, alternate }, Site { alternate_ip, alternate_port }) => {
                let ip = if alternate_ip { alternate.ip() } else { primary.ip() };
                let port = if alternate_port { alternate.port() } else { primary.port() };
                Some(SocketAddr::new(ip, port))
            }
        }
    }
}

/// One of the up to four sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Site {
    /// On the alternate address.
    pub alternate_ip: bool,
    /// On the alternate port.
    pub alternate_port: bool,
}

impl Site {
    /// The primary address and port.
    pub const PRIMARY: Self = Self { alternate_ip: false, alternate_port: false };

    /// The site that a CHANGE-REQUEST received here asks for.
    #[must_use]
    const fn changed(self, change: Change) -> Self {
        Self {
            alternate_ip: self.alternate_ip != change.ip,
            alternate_port: self.alternate_port != change.port,
        }
    }
}

/// An answer to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The socket to leave by.
    pub from: Site,
    /// The address to send it to.
    pub to: SocketAddr,
}

/// The transport that a request came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Over {
    /// UDP.
    Udp,
    /// TCP: the answer can only go back the way the request came, so that CHANGE-REQUEST and
    /// RESPONSE-PORT cannot be served.
    Tcp,
}

/// How long PADDING in an answer is at most, in bytes: RFC 5780 section 7.6 wants the answer to be
/// as long as the outgoing MTU, so that it is sent in fragments; this is enough for Ethernet. Never
/// so long that the answer is longer than the request: that would make us an amplifier.
const PADDING: usize = 1500;
/// The header of an attribute, in bytes.
const ATTRIBUTE: usize = 4;

/// The responder: its addresses and its rate limit.
#[derive(Debug)]
pub struct Responder {
    sites: Sites,
    external: Externals,
    limiter: Option<Limiter>,
    software: String,
}

impl Responder {
    /// A responder on these addresses; without a limit it answers everything.
    #[must_use]
    pub fn new(sites: Sites, limit: Option<Limit>, software: impl Into<String>) -> Self {
        let (external, limiter) = (Externals::default(), limit.map(Limiter::new));
        Self { sites, external, limiter, software: software.into() }
    }

    /// The same behind a translation: RESPONSE-ORIGIN and OTHER-ADDRESS say what clients can reach.
    #[must_use]
    pub fn known_as(self, external: Externals) -> Self {
        Self { external, ..self }
    }

    /// The addresses it answers on.
    #[must_use]
    pub const fn sites(&self) -> Sites {
        self.sites
    }

    /// Answers one message that came from `source` to `site` at `now`; the bytes to send are left
    /// in `out`. `None`: say nothing.
    pub fn respond(
        &mut self,
        now: Duration,
        over: Over,
        site: Site,
        source: SocketAddr,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Answer> {
        let message = stun::read(bytes).ok()?;
        if !is_request(&message) || !self.may_answer(source) || self.would_mislead(&message, over) {
            return None;
        }
        if let Some(limiter) = &mut self.limiter
            && !limiter.allows(now, source.ip())
        {
            return None;
        }
        let answer = match self.weigh(&message, over, site, source) {
            Ok(answer) => {
                self.succeed(&message, site, answer, source, None, out)?;
                let room = bytes.len().saturating_sub(out.len() + ATTRIBUTE).min(PADDING) / 4 * 4;
                if message.padding.is_some() && over == Over::Udp && room > 0 {
                    self.succeed(&message, site, answer, source, Some(room), out)?;
                }
                answer
            }
            Err((code, reason, unknown)) => {
                let error = ErrorResponse {
                    code,
                    reason,
                    unknown: &unknown,
                    software: Some(&self.software),
                    fingerprint: message.fingerprint.is_some(),
                    classic: message.classic_word(),
                };
                stun::encode_error(message.id, &error, out);
                Answer { from: site, to: source }
            }
        };
        (!out.is_empty() && self.may_answer(answer.to)).then_some(answer)
    }

    /// Where the answer leaves and goes, or the error.
    fn weigh(
        &self,
        message: &Message,
        over: Over,
        site: Site,
        source: SocketAddr,
    ) -> Result<Answer, (u16, &'static str, Vec<u16>)> {
        let mut unknown = message.unknown_required.clone();
        let change = message.change.unwrap_or_default();
        let one = matches!(self.sites, Sites::One(_));
        // RFC 5780 section 6.1: a server that cannot change its address does not know the attribute.
        if message.change.is_some() && !self.can_change(over) && !message.is_classic() {
            unknown.push(stun::types::CHANGE_REQUEST);
        }
        if message.response_port.is_some() && over == Over::Tcp {
            unknown.push(stun::types::RESPONSE_PORT);
        }
        if message.padding.is_some() && one && !message.is_classic() {
            unknown.push(stun::types::PADDING);
        }
        if !unknown.is_empty() {
            unknown.truncate(16);
            return Err((420, "Unknown Attribute", unknown));
        }
        // Section 7.6: the answer would be an amplifier.
        if message.padding.is_some() && message.response_port.is_some() {
            return Err((400, "PADDING and RESPONSE-PORT exclude one another", Vec::new()));
        }
        let from = if one { site } else { site.changed(change) };
        // Set in place: a link-local address is nothing without its scope.
        let mut to = source;
        to.set_port(message.response_port.unwrap_or_else(|| source.port()));
        Ok(Answer { from, to })
    }

    /// Whether CHANGE-REQUEST can be served.
    fn can_change(&self, over: Over) -> bool {
        matches!(self.sites, Sites::Two { .. }) && over == Over::Udp
    }

    /// A client of RFC 3489 that asks for an answer by another socket takes whatever comes, be it
    /// by the wrong socket or an error, for a proof that nothing filters (and one in wide use
    /// repeats itself without a pause after an error). Where it cannot be served it gets silence.
    fn would_mislead(&self, message: &Message, over: Over) -> bool {
        let asks = message.change.is_some_and(Change::any);
        asks && message.is_classic() && !self.can_change(over)
    }

    fn succeed(
        &self,
        message: &Message,
        site: Site,
        answer: Answer,
        source: SocketAddr,
        padding: Option<usize>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        // OTHER-ADDRESS is what "change both" would answer from, seen from where the request came in
        // (RFC 5780 section 6.1).
        let outside = |own| self.external.outside(own);
        let other = self.sites.address(site.changed(Change::BOTH)).map(outside);
        let response = Success {
            mapped: source,
            // A server on 0.0.0.0 does not know which of its addresses it answers from.
            origin: Some(outside(self.sites.address(answer.from)?))
                .filter(|a| !a.ip().is_unspecified()),
            other,
            software: Some(&self.software),
            padding,
            fingerprint: message.fingerprint.is_some(),
            classic: message.classic_word(),
        };
        stun::encode_success(message.id, &response, out);
        Some(())
    }

    /// Answers go to hosts only, and never to ourselves: two servers, or one, must not be made to
    /// talk for ever.
    fn may_answer(&self, to: SocketAddr) -> bool {
        let ip = to.ip().to_canonical();
        let host = match ip {
            IpAddr::V4(v4) => {
                !v4.is_multicast()
                    && !v4.is_broadcast()
                    && v4.octets()[0] != 0
                    && v4.octets()[0] < 240
            }
            IpAddr::V6(v6) => !v6.is_multicast() && !v6.is_unspecified(),
        };
        to.port() != 0 && host && !self.sites.has(self.external.inside(to))
    }
}

/// Only a well-formed Binding request is answered: an answer to anything else could be answered.
fn is_request(message: &Message) -> bool {
    message.class == Class::Request
        && message.method == BINDING
        && message.fingerprint != Some(false)
        && message.defects.iter().all(|defect| defect.attribute >= 0x8000)
}
