//! The peer's candidates, and what came of them.

use super::trace::Way;
use super::{Candidate, Kind, Transport};
use crate::turn::Failure;
use std::net::{IpAddr, SocketAddr};

/// Of each sort are kept, however many the peer names (RFC 8445 section 6.1.2.5 would have 100 pairs
/// in all).
const MOST: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Remotes {
    all: Vec<Candidate>,
    complete: bool,
    /// Whom a packet came from that none is sent back to.
    avoided: Vec<SocketAddr>,
    /// Which addresses of the peer's a relay lets nothing through to.
    refusals: Vec<(SocketAddr, IpAddr, Failure)>,
}

impl Remotes {
    pub fn all(&self) -> &[Candidate] {
        &self.all
    }

    /// Whether it is new.
    pub fn add(&mut self, candidate: Candidate) -> bool {
        let known = |other: &Candidate| {
            other.address == candidate.address && other.transport == candidate.transport
        };
        let new = !self.complete && self.all.len() < MOST && !self.all.iter().any(known);
        if new {
            self.all.push(candidate);
        }
        new
    }

    /// No more will come.
    pub const fn end(&mut self) {
        self.complete = true;
    }

    pub const fn complete(&self) -> bool {
        self.complete
    }

    pub fn at(&self, address: SocketAddr) -> Option<&Candidate> {
        self.all.iter().find(|candidate| candidate.address == address)
    }

    pub fn relays(&self) -> impl Iterator<Item = SocketAddr> {
        let relayed = self.all.iter().filter(|candidate| candidate.kind == Kind::Relayed);
        relayed.map(|candidate| candidate.address)
    }

    /// A packet came from where none is sent back to.
    pub fn avoid(&mut self, from: SocketAddr) {
        if self.avoided.len() < MOST && !self.avoided.contains(&from) {
            self.avoided.push(from);
        }
    }

    /// Where checks might go: what the peer named, then what it sent from and was avoided.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let udp = self.all.iter().filter(|candidate| candidate.transport == Transport::Udp);
        let named = udp.map(|candidate| candidate.address);
        let unnamed = |seen: &&SocketAddr| named.clone().all(|address| address != **seen);
        let seen: Vec<SocketAddr> = self.avoided.iter().filter(unnamed).copied().collect();
        named.chain(seen)
    }

    /// A relay of ours lets nothing through to this address of the peer's.
    pub fn refuse(&mut self, relayed: SocketAddr, peer: IpAddr, failure: Failure) {
        if self.refusals.len() < MOST {
            self.refusals.push((relayed, peer, failure));
        }
    }

    /// Why our relay let nothing through that way.
    pub fn refusal(&self, way: Way) -> Option<&Failure> {
        let of_way = |refused: &&(SocketAddr, IpAddr, Failure)| {
            (refused.0, refused.1) == (way.0, way.1.ip())
        };
        self.refusals.iter().find(of_way).map(|(.., failure)| failure)
    }
}
