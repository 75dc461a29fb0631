//! This side's candidates: priorities, foundations, and what is redundant (RFC 8445 section 5.1).

use super::{Candidate, Kind, Transport};
use std::net::{IpAddr, SocketAddr};

/// More are not gathered: the pairs of a connection are this many times the peer's.
const MOST: usize = 32;
/// The component that natscope uses.
pub(super) const COMPONENT: u16 = 1;

/// A candidate and where its packets leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    pub candidate: Candidate,
    /// A socket's address, or a relayed one.
    pub base: SocketAddr,
}

/// All that were gathered.
#[derive(Debug, Default)]
pub(super) struct Locals {
    all: Vec<Own>,
    /// What makes a foundation: kind, address of the base, and who was asked.
    foundations: Vec<(Kind, Transport, IpAddr, String)>,
}

impl Locals {
    pub fn all(&self) -> &[Own] {
        &self.all
    }

    /// Adds one unless it is redundant (RFC 8445 section 5.1.3); `server` is who told of it.
    pub fn add(
        &mut self,
        kind: Kind,
        address: SocketAddr,
        base: SocketAddr,
        related: Option<SocketAddr>,
        server: &str,
    ) -> Option<Candidate> {
        let known = |own: &Own| own.candidate.address == address && own.base == base;
        if self.all.len() >= MOST || self.all.iter().any(known) {
            return None;
        }
        let foundation = self.foundation(kind, Transport::Udp, base.ip(), server);
        let same = self.all.iter().filter(|own| own.candidate.kind == kind).count();
        let candidate = Candidate {
            foundation,
            component: COMPONENT,
            transport: Transport::Udp,
            priority: priority(kind, preference(address, same)),
            address,
            kind,
            related,
        };
        self.all.push(Own { candidate: candidate.clone(), base });
        Some(candidate)
    }

    fn foundation(
        &mut self,
        kind: Kind,
        transport: Transport,
        base: IpAddr,
        server: &str,
    ) -> String {
        let what = (kind, transport, base, server.to_owned());
        let at = self.foundations.iter().position(|known| *known == what).unwrap_or_else(|| {
            self.foundations.push(what);
            self.foundations.len() - 1
        });
        (at + 1).to_string()
    }
}

/// RFC 8445 section 5.1.2.1 with its recommended type preferences.
#[must_use]
pub(super) const fn priority(kind: Kind, preference: u16) -> u32 {
    let of_kind: u32 = match kind {
        Kind::Host => 126,
        Kind::PeerReflexive => 110,
        Kind::ServerReflexive => 100,
        Kind::Relayed => 0,
    };
    (of_kind << 24) | ((preference as u32) << 8) | (256 - COMPONENT as u32)
}

/// IPv6 before IPv4 (RFC 8421 section 4); of one family the earlier first.
fn preference(address: SocketAddr, same: usize) -> u16 {
    let first = if address.is_ipv6() { u16::MAX } else { u16::MAX - 0x1000 };
    first - u16::try_from(same).unwrap_or(0x0fff).min(0x0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_example_of_rfc_8445_has_its_priority() {
        // Section 15.1: a host candidate with preference 65535 and component 1.
        assert_eq!(priority(Kind::Host, u16::MAX), 2_130_706_431);
        assert_eq!(priority(Kind::ServerReflexive, u16::MAX), 1_694_498_815);
    }

    #[test]
    fn redundant_candidates_are_left_out_and_foundations_are_shared() {
        let mut locals = Locals::default();
        let (host, mapped) = (at("192.168.1.2:4000"), at("198.51.100.1:4000"));
        let first = locals.add(Kind::Host, host, host, None, "").expect("new");
        let second = locals.add(Kind::ServerReflexive, mapped, host, Some(host), "a");
        let second = second.expect("new");
        assert!(locals.add(Kind::ServerReflexive, mapped, host, Some(host), "b").is_none());
        // A server that sees the host's own address says nothing new.
        assert!(locals.add(Kind::ServerReflexive, host, host, Some(host), "a").is_none());
        let other = at("192.168.1.2:4001");
        let third = locals.add(Kind::Host, other, other, None, "").expect("new");
        assert_ne!(first.foundation, second.foundation);
        assert_eq!(first.foundation, third.foundation);
        assert!(first.priority > third.priority && third.priority > second.priority);
    }
}
