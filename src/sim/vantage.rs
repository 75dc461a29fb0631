//! A TURN server that the prober observes from, by what it does with packets: its allocations are
//! there when they are asked for.

use super::link::Link;
use crate::probe::{News, RelayId, Wish};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// What a relay does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayFault {
    /// It gives no address: 486.
    NoAllocation,
    /// It lets nobody through: 403.
    Refuses,
    /// What peers send to it is lost.
    Deaf,
    /// What it sends is lost.
    Mute,
    /// What it sends leaves from here: a translation of its own.
    SendsFrom(SocketAddr),
    /// It says of every peer that it is here: a balancer stands before it.
    Sees(SocketAddr),
}

/// A TURN server and the way to it.
#[derive(Debug, Clone, PartialEq)]
pub struct RelaySpec {
    /// Where it is asked.
    pub server: SocketAddr,
    /// The addresses that it gives, one after the other.
    pub relayed: Vec<SocketAddr>,
    /// From the outermost NAT to it.
    pub up: Link,
    /// And back.
    pub down: Link,
    /// It can be reached over UDP only.
    pub udp: bool,
    /// What it does wrong.
    pub fault: Option<RelayFault>,
}

/// What a wish comes to.
pub(super) enum Done {
    Told(News),
    Send { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Nothing,
}

/// A relay in operation.
#[derive(Debug)]
pub(super) struct Vantage {
    pub spec: RelaySpec,
    permitted: BTreeSet<(usize, IpAddr)>,
}

impl Vantage {
    pub fn new(spec: RelaySpec) -> Self {
        Self { spec, permitted: BTreeSet::new() }
    }

    /// Whether it, or what it relays by, is at this address.
    pub fn is_at(&self, ip: IpAddr) -> bool {
        let elsewhere = match self.spec.fault {
            Some(RelayFault::SendsFrom(from)) => Some(from.ip()),
            _ => None,
        };
        self.spec.relayed.iter().any(|relayed| relayed.ip() == ip) || elsewhere == Some(ip)
    }

    pub fn wish(&mut self, relay: RelayId, wish: Wish) -> Done {
        let fault = self.spec.fault;
        match wish {
            Wish::Open { .. } => Done::Told(match self.spec.relayed.get(relay.0) {
                Some(&relayed) if fault != Some(RelayFault::NoAllocation) => {
                    News::Open { relayed, udp: self.spec.udp }
                }
                _ => News::Failed("486 Allocation Quota Reached".to_owned()),
            }),
            Wish::Permit(ip) if fault == Some(RelayFault::Refuses) => {
                Done::Told(News::Refused(ip, "403 Forbidden".to_owned()))
            }
            Wish::Permit(ip) => {
                self.permitted.insert((relay.0, ip));
                Done::Told(News::Permitted(ip))
            }
            Wish::Send { to, bytes } => {
                let own = self.spec.relayed.get(relay.0).copied();
                let from = match fault {
                    Some(RelayFault::SendsFrom(from)) => Some(from),
                    Some(RelayFault::Mute) => None,
                    _ => own,
                };
                match from.filter(|_| self.permitted.contains(&(relay.0, to.ip()))) {
                    Some(from) => Done::Send { from, to, bytes },
                    None => Done::Nothing,
                }
            }
        }
    }

    /// What the host hears of a packet to one of the relayed addresses.
    pub fn hears(&self, src: SocketAddr, dst: SocketAddr, bytes: &[u8]) -> Option<(RelayId, News)> {
        let relay = self.spec.relayed.iter().position(|relayed| *relayed == dst)?;
        if !self.permitted.contains(&(relay, src.ip())) || self.spec.fault == Some(RelayFault::Deaf)
        {
            return None;
        }
        let from = match self.spec.fault {
            Some(RelayFault::Sees(from)) => from,
            _ => src,
        };
        Some((RelayId(relay), News::Data { from, bytes: bytes.to_vec() }))
    }
}
