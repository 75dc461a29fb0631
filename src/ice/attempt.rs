//! The checks, from the start until a pair is selected or it is over.

use super::agent::{Agent, Event, Output, State};
use super::checks::Step;
use super::consent::Consent;
use super::schedule::{Course, Waiting};
use super::trace::{Entry, Way};
use super::{Candidate, Kind, Role};
use std::time::Duration;

impl Agent {
    pub(super) fn pump_checks(&mut self, now: Duration) -> Duration {
        self.ready(now);
        let mut wait = Duration::MAX;
        while let Some(step) = self.schedule.poll(now) {
            match step {
                Step::Send { from, to, bytes } => {
                    let tries = self.config.pace.check.tries;
                    if self.trace.sent(now, (from, to), &bytes, tries) {
                        self.dispatch(now, (from, to), bytes);
                    }
                    if self.trace.begun().is_some() && self.schedule.note_check(now) {
                        self.out.push_back(Output::Event(Event::FirstCheck));
                    }
                }
                Step::Selected(base, remote) => self.selected(now, (base, remote)),
                Step::Wait(until) => {
                    wait = until;
                    break;
                }
            }
        }
        if let Some(role) = self.schedule.role() {
            self.session.take_role(role);
        }
        self.take_nomination(now);
        wait.min(self.deadline(now))
    }

    /// A controlled agent selects a pair that the peer has nominated and whose own check was
    /// answered, in either order (RFC 8445 section 7.3.1.5). rice-proto (0.4.3) forgets a nomination
    /// that comes while the answer is still under way.
    fn take_nomination(&mut self, now: Duration) {
        if self.state != State::Checking || self.session.role() != Role::Controlled {
            return;
        }
        let nominated = |entry: &&Entry| entry.nominated && entry.answered.is_some();
        if let Some(way) = self.trace.entries().iter().find(nominated).map(|entry| entry.way) {
            self.selected(now, way);
        }
    }

    /// Sets the checks up when all is there for them, and lets the relays join in time.
    fn ready(&mut self, now: Duration) {
        if self.state != State::Checking || self.session.other().is_none() {
            return;
        }
        if let Some(early) = self.schedule.set_up(now, &self.session) {
            self.admit(now, early);
        }
        if self.schedule.take_fresh() {
            self.feed(now);
        }
        if let Some(held) = self.schedule.release(now, self.no_relays()) {
            self.admit(now, held);
        }
    }

    fn admit(&mut self, now: Duration, waiting: Waiting) {
        self.feed(now);
        for (base, from, bytes) in waiting {
            self.route(now, base, from, &bytes);
        }
    }

    /// No side will have more candidates.
    const fn complete(&self) -> bool {
        self.gathering.ended().is_some() && self.remotes.complete()
    }

    /// No pair has a relay, and none will.
    fn no_relays(&self) -> bool {
        let own = self.locals.all().iter().map(|own| &own.candidate);
        let mut all = own.chain(self.remotes.all());
        self.complete() && all.all(|candidate| candidate.kind != Kind::Relayed)
    }

    /// Gives the checks every candidate whose turn has come.
    fn feed(&mut self, now: Duration) {
        self.locals.all().iter().for_each(|own| self.schedule.offer(own));
        let fit = |remote: &&Candidate| self.unfit(remote.address).is_none();
        let remotes: Vec<Candidate> = self.remotes.all().iter().filter(fit).cloned().collect();
        for remote in &remotes {
            self.schedule.offer_remote(remote);
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
        if self.state != State::Checking {
            return Duration::MAX;
        }
        match self.schedule.course(now, self.complete(), &self.trace) {
            Course::Until(next) => next,
            Course::Again => now,
            Course::Over => {
                self.state = State::Failed { at: now };
                self.settle();
                self.out.push_back(Output::Event(Event::Failed));
                Duration::MAX
            }
        }
    }

    /// Whatever came of it: no more checks, and no bindings to keep for them.
    fn settle(&mut self) {
        self.schedule.stop();
        self.gathering.stop_keeping();
    }

    fn selected(&mut self, now: Duration, way: Way) {
        if self.state != State::Checking {
            return;
        }
        self.state = State::Connected { way, at: now };
        // From here on there are only requests to answer, which `packets` does.
        self.settle();
        self.consent = Some(Consent::new(now, way, self.config.pace));
        self.relays.bind(now, way.0, way.1);
        self.out.push_back(Output::Event(Event::Selected(self.pair(way))));
    }
}
