//! The relays of this side: one TURN client for each server.

use super::Allocation;
use crate::ground::ms;
use crate::stun::Patience;
use crate::turn::client::{Event, Poll};
use crate::turn::{Client, Failure, Server, address};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What a relay has to say.
#[derive(Debug)]
pub(super) enum Step {
    /// To the server.
    Send { turn: usize, bytes: Vec<u8> },
    /// It gave an address; `related` is what it saw of ours, or ours.
    Allocated { server: String, relayed: SocketAddr, related: SocketAddr },
    /// A packet of a peer.
    Data { relayed: SocketAddr, peer: SocketAddr, payload: Vec<u8> },
    /// It does not let packets to this peer pass.
    Refused { relayed: SocketAddr, peer: IpAddr, failure: Failure },
    /// There is no relay, or no longer.
    Lost { server: String, relayed: Option<SocketAddr>, failure: Failure },
    /// Nothing before then.
    Wait(Duration),
}

/// One server.
#[derive(Debug)]
struct Slot {
    server: Server,
    client: Option<Client>,
    local: Option<SocketAddr>,
    /// A link that failed, until it is told.
    failed: Option<Failure>,
    record: Allocation,
}

#[derive(Debug)]
pub(super) struct Relays {
    slots: Vec<Slot>,
    patience: Patience,
}

impl Relays {
    pub fn new(servers: &[Server], patience: Patience) -> Self {
        let slot = |server: &Server| Slot {
            server: server.clone(),
            client: None,
            local: None,
            failed: None,
            record: Allocation { server: server.uri.clone(), ..Allocation::default() },
        };
        Self { slots: servers.iter().map(slot).collect(), patience }
    }

    /// The link stands, or at least its near end.
    pub fn opened(&mut self, now: Duration, turn: usize, local: SocketAddr) {
        let Some(slot) = self.slots.get_mut(turn) else { return };
        if slot.client.is_none() && slot.record.failure.is_none() {
            slot.local = Some(local);
            slot.client = Some(Client::new(slot.server.clone(), local, self.patience, now));
        }
    }

    /// The link does not stand, or no longer.
    pub fn failed(&mut self, turn: usize, failure: Failure) {
        let Some(slot) = self.slots.get_mut(turn) else { return };
        match &mut slot.client {
            Some(client) => client.broken(failure),
            None => slot.failed = Some(failure),
        }
    }

    pub fn receive(&mut self, now: Duration, turn: usize, bytes: &[u8]) {
        if let Some(client) = self.slots.get_mut(turn).and_then(|slot| slot.client.as_mut()) {
            client.receive(now, bytes);
        }
    }

    /// Whether this address is, or was, a relay of this side.
    pub fn has(&self, relayed: SocketAddr) -> bool {
        self.slots.iter().any(|slot| slot.record.relayed == Some(relayed))
    }

    pub fn send(&mut self, now: Duration, relayed: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some(client) = self.client(relayed) {
            client.send(now, to, bytes);
        }
    }

    /// Asks every relay to let this peer through.
    pub fn permit(&mut self, now: Duration, peer: IpAddr) {
        for client in self.slots.iter_mut().filter_map(|slot| slot.client.as_mut()) {
            client.permit(now, peer);
        }
    }

    /// Makes the packets of a connection smaller.
    pub fn bind(&mut self, now: Duration, relayed: SocketAddr, peer: SocketAddr) {
        if let Some(client) = self.client(relayed) {
            client.bind_channel(now, peer);
        }
    }

    pub fn close(&mut self, now: Duration) {
        for client in self.slots.iter_mut().filter_map(|slot| slot.client.as_mut()) {
            client.close(now);
        }
    }

    /// Every server has given a relay, or will not.
    pub fn done(&self) -> bool {
        self.slots.iter().all(|slot| slot.record.relayed.is_some() || slot.record.failure.is_some())
    }

    pub fn record(&self) -> Vec<Allocation> {
        self.slots.iter().map(|slot| slot.record.clone()).collect()
    }

    fn client(&mut self, relayed: SocketAddr) -> Option<&mut Client> {
        let slot = self.slots.iter_mut().find(|slot| slot.record.relayed == Some(relayed))?;
        slot.client.as_mut()
    }

    pub fn poll(&mut self, now: Duration) -> Step {
        let mut wait = Duration::MAX;
        for (turn, slot) in self.slots.iter_mut().enumerate() {
            if let Some(failure) = slot.failed.take() {
                return slot.lost(failure);
            }
            // An event that says nothing here must not hide the next.
            while let Some(client) = &mut slot.client {
                if let Some(bytes) = client.transmit(now) {
                    return Step::Send { turn, bytes };
                }
                match client.poll(now) {
                    Poll::Wait(until) => {
                        wait = wait.min(until);
                        break;
                    }
                    Poll::Event(event) => {
                        if let Some(step) = slot.take(now, event) {
                            return step;
                        }
                    }
                }
            }
        }
        Step::Wait(wait)
    }
}

impl Slot {
    fn lost(&mut self, failure: Failure) -> Step {
        self.record.failure = Some(failure.clone());
        Step::Lost { server: self.server.uri.clone(), relayed: self.record.relayed, failure }
    }

    /// What an event means; `None` when nothing.
    fn take(&mut self, now: Duration, event: Event) -> Option<Step> {
        let had = self.record.relayed;
        match event {
            // a candidate that nobody can send to; others may be right inside the server's network
            Event::Allocated { relayed, .. } if address::is_nowhere(relayed) => {
                let why = address::unusable(relayed, self.server.address).unwrap_or_default();
                Some(self.lost(Failure::RelayedAddress { relayed, why }))
            }
            Event::Allocated { relayed, mapped } => {
                self.record.relayed = Some(relayed);
                self.record.mapped = mapped;
                self.record.ms = Some(ms(now));
                let related = mapped.or(self.local).unwrap_or(relayed);
                Some(Step::Allocated { server: self.server.uri.clone(), relayed, related })
            }
            Event::Data { peer, payload } => Some(Step::Data { relayed: had?, peer, payload }),
            Event::Refused { peer, failure } => {
                Some(Step::Refused { relayed: had?, peer, failure })
            }
            Event::Failed(failure) => Some(self.lost(failure)),
            Event::Permitted(_) | Event::Bound(_) | Event::Unbound { .. } => None,
        }
    }
}
