//! The relays of this side: one TURN client each.

use super::{Allocation, Pace};
use crate::turn;
use std::net::SocketAddr;
use std::time::Duration;

/// What a relay has to say.
#[derive(Debug)]
pub(super) enum Step {
    /// To the server.
    Send { turn: usize, bytes: Vec<u8> },
    /// It gave an address.
    Allocated { server: String, relayed: SocketAddr, mapped: Option<SocketAddr>, local: SocketAddr },
    /// A packet of a peer.
    Data { relayed: SocketAddr, peer: SocketAddr, payload: Vec<u8> },
    /// It does not let packets to this peer pass.
    Refused { relayed: SocketAddr, peer: std::net::IpAddr, failure: turn::Failure },
    /// There is no relay, or no longer.
    Lost { server: String, relayed: Option<SocketAddr>, failure: turn::Failure },
    /// Nothing before then.
    Wait(Duration),
}

#[derive(Debug)]
pub(super) struct Relays {
    all: Vec<Allocation>,
}

impl Relays {
    pub fn new(_servers: &[turn::Server], _pace: &Pace) -> Self {
        Self { all: Vec::new() }
    }

    pub fn opened(&mut self, _now: Duration, _turn: usize, _local: SocketAddr) {}

    pub fn failed(&mut self, _now: Duration, _turn: usize, _failure: turn::Failure) {}

    pub fn receive(&mut self, _now: Duration, _turn: usize, _bytes: &[u8]) {}

    pub fn has(&self, relayed: SocketAddr) -> bool {
        self.all.iter().any(|one| one.relayed == Some(relayed))
    }

    pub fn send(&mut self, _now: Duration, _relayed: SocketAddr, _to: SocketAddr, _bytes: &[u8]) {}

    pub fn bind(&mut self, _now: Duration, _relayed: SocketAddr, _peer: SocketAddr) {}

    pub fn close(&mut self, _now: Duration) {}

    pub fn done(&self) -> bool {
        true
    }

    pub fn poll(&mut self, _now: Duration) -> Step {
        Step::Wait(Duration::MAX)
    }

    pub fn record(&self) -> Vec<Allocation> {
        self.all.clone()
    }
}
