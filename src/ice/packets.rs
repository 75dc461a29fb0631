//! Packets from the peer and to it, whatever way they come; and the connection's life: consent,
//! answers, payloads.

use super::Kind;
use super::agent::{Agent, Event, Output, State};
use super::consent;
use super::message::{self, Packet};
use super::round_trips::Payload;
use super::trace::Way;
use crate::stun::{self, Class};
use std::net::SocketAddr;
use std::time::Duration;

impl Agent {
    pub(super) fn pump_consent(&mut self, now: Duration) -> Duration {
        let (Some(consent), Some(terms)) = (&mut self.consent, self.session.terms()) else {
            return Duration::MAX;
        };
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
            return self.remotes.avoid(from);
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
        let relayed = self.relays.has(way.0) || self.remotes.relays().any(|relay| relay == way.1);
        if self.schedule.hold(way, relayed, bytes) {
            return;
        }
        // what we cannot read rice-proto judges
        if stun::read(bytes).map_or(true, |read| self.trace.received(now, way, &read)) {
            self.schedule.receive(now, way, bytes);
        }
    }

    /// STUN from the peer afterwards: it may still wait for its own success, asks for consent, or
    /// answers ours.
    fn connected(&mut self, now: Duration, packet: &Packet<'_>) {
        if let (Some(consent), Some(other)) = (&mut self.consent, self.session.other())
            && consent.receive(now, packet, other)
        {
            return;
        }
        let Packet { way, bytes, read } = *packet;
        match read.class {
            Class::Request => {
                let Some(answer) = message::answer(bytes, way.1, self.session.own()) else {
                    return;
                };
                self.trace.received(now, way, read);
                self.trace.answer_sent(read.id, None);
                self.dispatch(now, way, answer);
            }
            Class::Success => {
                let Some(other) = self.session.other() else { return };
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
        let mut of_peer = self.remotes.relays().filter(|to| fits(*to) && self.unfit(*to).is_none());
        let ours = || {
            let own =
                self.locals.all().iter().find(|own| relay(own.candidate.kind) && fits(own.base))?;
            Some((own.base, way.1))
        };
        of_peer.next().map(|relay| (way.0, relay)).or_else(ours)
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
