//! The checks, from the start until a pair is selected or it is over.

use super::agent::{Agent, Event, Output, State};
use super::checks::{self, Checks};
use super::consent::{Consent, Rhythm};
use super::own::COMPONENT;
use super::trace::{Entry, Way};
use super::{Candidate, Kind, Policy, Role, Transport};
use std::net::SocketAddr;
use std::time::Duration;

impl Agent {
    pub(super) fn pump_checks(&mut self, now: Duration) -> Duration {
        self.ready(now);
        let mut wait = Duration::MAX;
        while let Some(checks) = &mut self.checks {
            match checks.poll(now) {
                checks::Step::Send { from, to, bytes } => {
                    let tries = self.config.pace.check.tries;
                    if self.trace.sent(now, (from, to), &bytes, tries) {
                        self.dispatch(now, (from, to), bytes);
                    }
                    if self.first_check.is_none() && self.trace.begun().is_some() {
                        self.first_check = Some(now);
                        self.out.push_back(Output::Event(Event::FirstCheck));
                    }
                }
                checks::Step::Selected(base, remote) => self.selected(now, (base, remote)),
                checks::Step::Wait(until) => {
                    wait = until;
                    break;
                }
            }
        }
        if let Some(checks) = &self.checks {
            self.role = checks.role();
        }
        self.take_nomination(now);
        wait.min(self.deadline(now))
    }

    /// A controlled agent selects a pair that the peer has nominated and whose own check was
    /// answered, in either order (RFC 8445 section 7.3.1.5). rice-proto (0.4.3) forgets a nomination
    /// that comes while the answer is still under way.
    fn take_nomination(&mut self, now: Duration) {
        if self.state != State::Checking || self.role != Role::Controlled {
            return;
        }
        let nominated = |entry: &&Entry| entry.nominated && entry.answered.is_some();
        if let Some(way) = self.trace.entries().iter().find(nominated).map(|entry| entry.way) {
            self.selected(now, way);
        }
    }

    /// Sets the checks up when all is there for them, and lets the relays join in time.
    fn ready(&mut self, now: Duration) {
        let (Some(started), Some(other)) = (self.started, self.other.clone()) else { return };
        if self.state != State::Checking {
            return;
        }
        if now >= self.checks_until {
            self.checks = None;
        }
        if self.checks.is_none() {
            self.checks_until = now + Checks::life(&self.config.pace);
            self.checks = Checks::new(self.role, &self.config.pace, &self.own, &other);
            self.feed(now);
            for (base, from, bytes) in std::mem::take(&mut self.early) {
                self.route(now, base, from, &bytes);
            }
        }
        if std::mem::take(&mut self.fresh) {
            self.feed(now);
        }
        let due = now >= self.release(started) || self.no_relays();
        if !self.relays_released && due {
            self.relays_released = true;
            self.released_at = now;
            self.feed(now);
            for (base, from, bytes) in std::mem::take(&mut self.held) {
                self.route(now, base, from, &bytes);
            }
        }
    }

    /// No pair has a relay, and none will.
    fn no_relays(&self) -> bool {
        let own = self.locals.all().iter().map(|own| &own.candidate);
        let complete = self.gathered.is_some() && self.remote_complete;
        complete && own.chain(&self.remotes).all(|candidate| candidate.kind != Kind::Relayed)
    }

    /// When pairs with a relay may be checked.
    fn release(&self, started: Duration) -> Duration {
        match self.config.policy {
            Policy::All => started + self.config.pace.relay_after,
            Policy::RelayOnly => started,
        }
    }

    /// Gives the checks every candidate whose turn has come; those that they have do not count.
    fn feed(&mut self, now: Duration) {
        let fit = |address: SocketAddr| self.unfit(address).is_none();
        let remotes: Vec<Candidate> =
            self.remotes.iter().filter(|remote| fit(remote.address)).cloned().collect();
        let Some(checks) = &mut self.checks else { return };
        let due = |kind: Kind| kind != Kind::Relayed || self.relays_released;
        for own in self.locals.all() {
            if own.candidate.kind != Kind::ServerReflexive && due(own.candidate.kind) {
                checks.add_local(own.base, own.candidate.priority);
            }
        }
        for remote in remotes.iter().filter(|remote| due(remote.kind)) {
            if remote.component == COMPONENT && remote.transport == Transport::Udp {
                checks.add_remote(remote.address, remote.priority);
            }
        }
        // Relays take a round trip for each permission: asked for before they are needed, those that
        // may help first.
        for kind in [Kind::ServerReflexive, Kind::PeerReflexive, Kind::Relayed, Kind::Host] {
            for remote in remotes.iter().filter(|remote| remote.kind == kind) {
                self.relays.permit(now, remote.address.ip());
            }
        }
    }

    /// When it is over without success; ends it when that is now.
    fn deadline(&mut self, now: Duration) -> Duration {
        let (State::Checking, Some(started)) = (self.state, self.started) else {
            return Duration::MAX;
        };
        let pace = self.config.pace;
        let mut end = started + pace.patience + pace.peer_within;
        let mut next = Duration::MAX;
        if !self.relays_released {
            next = next.min(self.release(started));
        } else if self.gathered.is_some() && self.remote_complete {
            let begun = self.trace.begun().unwrap_or(started).max(self.released_at);
            let over = begun + pace.check.total() + pace.between;
            // A peer that has not been heard may yet begin; and where a check was answered, only the
            // nomination is missing.
            let late = self.heard.is_none() && over < started + pace.peer_within;
            let near = self.trace.entries().iter().any(|entry| entry.answered.is_some());
            if late || (near && over < end) {
                if over <= now {
                    self.checks = None;
                    self.released_at = now;
                    return now;
                }
                next = next.min(over);
            } else {
                end = end.min(over);
            }
        }
        if now < end {
            return next.min(end);
        }
        self.state = State::Failed { at: now };
        self.checks = None;
        self.gathering.stop_keeping();
        self.out.push_back(Output::Event(Event::Failed));
        Duration::MAX
    }

    fn selected(&mut self, now: Duration, way: Way) {
        if self.state != State::Checking {
            return;
        }
        self.state = State::Connected { way, at: now };
        // From here on there are only requests to answer, which `carry` does.
        self.checks = None;
        self.gathering.stop_keeping();
        let pace = self.config.pace;
        let rhythm =
            Rhythm { first: pace.check.first, every: pace.consent_every, lost: pace.consent_lost };
        self.consent = Some(Consent::new(now, way, rhythm));
        self.relays.bind(now, way.0, way.1);
        self.out.push_back(Output::Event(Event::Selected(self.pair(way))));
    }
}
