//! Packets from the peer and to it, whatever way they come; and the connection's life: consent,
//! answers, payloads.

use super::agent::{Agent, Event, Output, State, Waiting};
use super::checks::Secrets;
use super::consent;
use super::message::{self, Packet, Terms};
use super::own::priority;
use super::round_trips::Payload;
use super::trace::Way;
use super::{Candidate, Kind, Role};
use crate::stun::{self, Class};
use std::net::SocketAddr;
use std::time::Duration;

/// Packets of the peer that wait for the start, or for the relays' turn.
const MOST_WAITING: usize = 64;

impl Agent {
    pub(super) fn pump_consent(&mut self, now: Duration) -> Duration {
        let (Some(consent), Some(other)) = (&mut self.consent, &self.other) else {
            return Duration::MAX;
        };
        let terms = terms(&self.own, other, self.role, self.tie_breaker);
        match consent.poll(now, &terms, &mut self.rng) {
            consent::Step::Send(bytes) => {
                let way = consent.way;
                self.dispatch(now, way, bytes);
                now
            }
            consent::Step::Wait(until) => until,
            consent::Step::Lost(why) => {
                self.lose(why);
                Duration::MAX
            }
        }
    }

    pub(super) fn terms(&self) -> Option<Terms<'_>> {
        Some(terms(&self.own, self.other.as_ref()?, self.role, self.tie_breaker))
    }

    pub(super) fn lose(&mut self, why: String) {
        if self.lost.is_none() {
            self.consent = None;
            self.out.push_back(Output::Event(Event::Lost(why.clone())));
            self.lost = Some(why);
        }
    }

    /// Sends by a socket or by a relay.
    pub(super) fn dispatch(&mut self, now: Duration, (from, to): Way, bytes: Vec<u8>) {
        if self.relays.has(from) {
            self.relays.send(now, from, to, &bytes);
        } else {
            self.out.push_back(Output::Send { from, to, bytes });
        }
    }

    /// A packet from the peer, or from anybody.
    pub(super) fn route(
        &mut self,
        now: Duration,
        base: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        if bytes.first().is_none_or(|first| *first > 3) {
            return self.payload(now, (base, from), bytes);
        }
        if self.lost.is_some() {
            return;
        }
        // an answer, and a check in return, would go where none goes
        if self.unfit(from).is_some() {
            return self.avoid(from);
        }
        match self.state {
            State::Failed { .. } => {}
            State::Connected { .. } => {
                if let Ok(read) = &stun::read(bytes) {
                    self.connected(now, &Packet { way: (base, from), bytes, read });
                }
            }
            State::Idle | State::Checking => self.checking(now, (base, from), bytes),
        }
    }

    /// STUN from the peer before a pair is selected.
    fn checking(&mut self, now: Duration, way: Way, bytes: &[u8]) {
        if self.checks.is_none() {
            return wait(&mut self.early, way, bytes);
        }
        let by_relay =
            |candidate: &Candidate| candidate.kind == Kind::Relayed && candidate.address == way.1;
        let relayed = self.relays.has(way.0) || self.remotes.iter().any(by_relay);
        if relayed && !self.relays_released {
            return wait(&mut self.held, way, bytes);
        }
        // what we cannot read rice-proto judges
        let good = stun::read(bytes).map_or(true, |read| self.trace.received(now, way, &read));
        if let Some(checks) = self.checks.as_mut().filter(|_| good) {
            self.heard.get_or_insert(now);
            checks.receive(now, way.0, way.1, bytes);
        }
    }

    /// STUN from the peer afterwards: it may still wait for its own success, asks for consent, or
    /// answers ours.
    fn connected(&mut self, now: Duration, packet: &Packet<'_>) {
        if let (Some(consent), Some(other)) = (&mut self.consent, &self.other)
            && consent.receive(now, packet, other)
        {
            return;
        }
        let Packet { way, bytes, read } = *packet;
        match read.class {
            Class::Request => {
                let Some(answer) = message::answer(bytes, way.1, &self.own) else { return };
                self.trace.received(now, way, read);
                self.trace.answer_sent(read.id, None);
                self.dispatch(now, way, answer);
            }
            Class::Success => {
                let Some(other) = &self.other else { return };
                if packet.is_of(other)
                    && let Some((number, round_trip)) = self.echo.answered(now, &read.id)
                {
                    self.out.push_back(Output::Event(Event::Pong { number, round_trip }));
                }
            }
            Class::Error | Class::Indication => {}
        }
    }

    /// A way by a relay, besides the direct one: to the peer's relay, or else from ours.
    pub(super) fn relayed_way(&self) -> Option<Way> {
        let State::Connected { way, .. } = self.state else { return None };
        let relay = |kind: Kind| kind == Kind::Relayed;
        let pair = self.pair(way);
        if relay(pair.local.kind) || relay(pair.remote.kind) {
            return None;
        }
        let fits = |address: SocketAddr| address.is_ipv4() == way.1.is_ipv4();
        let of_peer = self
            .remotes
            .iter()
            .find(|c| relay(c.kind) && fits(c.address) && self.unfit(c.address).is_none());
        let ours = || {
            let own =
                self.locals.all().iter().find(|own| relay(own.candidate.kind) && fits(own.base))?;
            Some((own.base, way.1))
        };
        of_peer.map(|candidate| (way.0, candidate.address)).or_else(ours)
    }

    /// Payloads count only from where a check has been answered.
    fn payload(&mut self, now: Duration, way: Way, bytes: &[u8]) {
        if self.trace.entry(way).is_none_or(|entry| entry.answered.is_none()) {
            return;
        }
        match self.echo.receive(now, bytes) {
            Payload::Ping(answer) => self.dispatch(now, way, answer),
            Payload::Pong { number, round_trip } => {
                self.out.push_back(Output::Event(Event::Pong { number, round_trip }));
            }
            Payload::Other => self.out.push_back(Output::Event(Event::Data(bytes.to_vec()))),
        }
    }
}

fn terms<'a>(own: &'a Secrets, other: &'a Secrets, role: Role, tie_breaker: u64) -> Terms<'a> {
    Terms { own, other, role, tie_breaker, priority: priority(Kind::PeerReflexive, u16::MAX) }
}

fn wait(waiting: &mut Waiting, way: Way, bytes: &[u8]) {
    if waiting.len() < MOST_WAITING {
        waiting.push_back((way.0, way.1, bytes.to_vec()));
    }
}
