//! When checks begin, which candidates have their turn, when pairs with a relay join, and when it is
//! over without success.

use super::checks::{Checks, Step};
use super::own::{COMPONENT, Own};
use super::session::Session;
use super::trace::{Trace, Way};
use super::{Candidate, Kind, Pace, Role, Transport};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Packets of the peer that wait for the start, or for the relays' turn.
const MOST_WAITING: usize = 64;

/// Packets that wait: the base each came in at, whom it came from.
pub(super) type Waiting = VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>;

/// How an attempt that has not succeeded goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// It may end, or be made again, then.
    Until(Duration),
    /// All checks have failed, and are made again from now on.
    Again,
    /// It has failed.
    Over,
}

#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    started: Option<Duration>,
    checks: Option<Checks>,
    /// When they must be set up anew.
    checks_until: Duration,
    /// There are candidates that the checks do not have yet.
    fresh: bool,
    /// Since when pairs with a relay may be checked, in this round of checks.
    released: Option<Duration>,
    first_check: Option<Duration>,
    /// The peer was.
    heard: bool,
    /// What came before the checks could take it.
    early: Waiting,
    /// What came by a relay before the relays' turn.
    held: Waiting,
}

impl Schedule {
    pub const fn new(pace: Pace) -> Self {
        Self {
            pace,
            started: None,
            checks: None,
            checks_until: Duration::ZERO,
            fresh: false,
            released: None,
            first_check: None,
            heard: false,
            early: VecDeque::new(),
            held: VecDeque::new(),
        }
    }

    /// False when that was before.
    pub const fn start(&mut self, now: Duration) -> bool {
        let first = self.started.is_none();
        if first {
            self.started = Some(now);
        }
        first
    }

    pub const fn started(&self) -> bool {
        self.started.is_some()
    }

    /// There is a candidate more.
    pub const fn renew(&mut self) {
        self.fresh = true;
    }

    /// Whether there were candidates more since this was last asked.
    pub const fn take_fresh(&mut self) -> bool {
        std::mem::replace(&mut self.fresh, false)
    }

    /// Sets the checks up when there are none, or none that may live on: what waited for them.
    pub fn set_up(&mut self, now: Duration, session: &Session) -> Option<Waiting> {
        if now >= self.checks_until {
            self.checks = None;
        }
        if self.checks.is_some() {
            return None;
        }
        self.checks_until = now + Checks::life(&self.pace);
        self.checks = Checks::new(session.role(), &self.pace, session.own(), session.other()?);
        Some(std::mem::take(&mut self.early))
    }

    /// Lets pairs with a relay join when their time has come, or no others are to be had: what
    /// waited for them.
    pub fn release(&mut self, now: Duration, none: bool) -> Option<Waiting> {
        if self.released.is_some() || !(none || now >= self.started? + self.pace.relay_after) {
            return None;
        }
        self.released = Some(now);
        Some(std::mem::take(&mut self.held))
    }

    fn due(&self, kind: Kind) -> bool {
        kind != Kind::Relayed || self.released.is_some()
    }

    /// Gives the checks a candidate of ours if its turn has come; one that they have does not count.
    pub fn offer(&mut self, own: &Own) {
        let due = own.candidate.kind != Kind::ServerReflexive && self.due(own.candidate.kind);
        if let Some(checks) = self.checks.as_mut().filter(|_| due) {
            checks.add_local(own.base, own.candidate.priority);
        }
    }

    /// The same for one of the peer's.
    pub fn offer_remote(&mut self, remote: &Candidate) {
        let fits = remote.component == COMPONENT && remote.transport == Transport::Udp;
        let due = fits && self.due(remote.kind);
        if let Some(checks) = self.checks.as_mut().filter(|_| due) {
            checks.add_remote(remote.address, remote.priority);
        }
    }

    /// What the checks want; `None` while there are none.
    pub fn poll(&mut self, now: Duration) -> Option<Step> {
        self.checks.as_mut().map(|checks| checks.poll(now))
    }

    pub fn role(&self) -> Option<Role> {
        self.checks.as_ref().map(Checks::role)
    }

    /// A check has left; whether it is the first.
    pub const fn note_check(&mut self, now: Duration) -> bool {
        let first = self.first_check.is_none();
        if first {
            self.first_check = Some(now);
        }
        first
    }

    pub const fn first_check(&self) -> Option<Duration> {
        self.first_check
    }

    /// Keeps a packet whose turn has not come; whether that is so.
    pub fn hold(&mut self, way: Way, relayed: bool, bytes: &[u8]) -> bool {
        let waiting = match &self.checks {
            None => &mut self.early,
            Some(_) if relayed && self.released.is_none() => &mut self.held,
            Some(_) => return false,
        };
        if waiting.len() < MOST_WAITING {
            waiting.push_back((way.0, way.1, bytes.to_vec()));
        }
        true
    }

    /// A packet of the peer's for the checks.
    pub fn receive(&mut self, now: Duration, way: Way, bytes: &[u8]) {
        if let Some(checks) = &mut self.checks {
            self.heard = true;
            checks.receive(now, way.0, way.1, bytes);
        }
    }

    /// No more checks.
    pub fn stop(&mut self) {
        self.checks = None;
    }

    /// How it goes on after what was seen; `complete`: no side will have more candidates.
    pub fn course(&mut self, now: Duration, complete: bool, trace: &Trace) -> Course {
        let Some(started) = self.started else { return Course::Until(Duration::MAX) };
        let pace = self.pace;
        let mut end = started + pace.patience + pace.peer_within;
        let mut next = Duration::MAX;
        match self.released {
            None => next = started + pace.relay_after,
            Some(released) if complete => {
                let begun = trace.begun().unwrap_or(started).max(released);
                let over = begun + pace.check.total() + pace.between;
                // A peer that has not been heard may yet begin; and where a check was answered, only
                // the nomination is missing.
                let late = !self.heard && over < started + pace.peer_within;
                let near = trace.entries().iter().any(|entry| entry.answered.is_some());
                let waits = late || (near && over < end);
                if !waits {
                    end = end.min(over);
                } else if over <= now {
                    self.checks = None;
                    self.released = Some(now);
                    return Course::Again;
                } else {
                    next = over;
                }
            }
            Some(_) => {}
        }
        if now < end { Course::Until(next.min(end)) } else { Course::Over }
    }
}
