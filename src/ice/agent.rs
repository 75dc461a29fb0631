//! One side of a connection: what to send and when, and what came of it. No sockets, no clock:
//! [`Agent::poll`] says what to do next, and the other methods say what happened.

use super::checks::{self, Checks, Secrets};
use super::consent::{self, Consent, Rhythm, Terms};
use super::echo::{Echo, Payload};
use super::gather::{Answer, Gathering};
use super::local::{COMPONENT, Locals, priority};
use super::relays::{self, Relays};
use super::trace::{Trace, Way};
use super::{Candidate, CheckResult, Description, Kind, Pace, Pair, Policy, Role, Transport};
use crate::turn;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Packets of the peer that wait for the start, or for the relays' turn.
const MOST_WAITING: usize = 64;
/// Candidates that are taken from the peer (RFC 8445 section 6.1.2.5 would have 100 pairs in all).
const MOST_REMOTE: usize = 32;
/// What user name fragments and passwords are made of (RFC 8839 section 5.4).
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What the agent is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its role at first; a conflict is resolved as RFC 8445 section 7.3.1.1 says.
    pub role: Role,
    /// The times.
    pub pace: Pace,
    /// Which candidates are used.
    pub policy: Policy,
    /// STUN servers: as the user gave them, and their addresses.
    pub stun: Vec<(String, SocketAddr)>,
    /// TURN servers; in [`Output::Relay`] and elsewhere they are known by their index.
    pub turn: Vec<turn::Server>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this from one of the host addresses.
    Send {
        /// A host address.
        from: SocketAddr,
        /// Where to.
        to: SocketAddr,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// Send this over the link to a TURN server.
    Relay {
        /// Its index.
        turn: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Something worth knowing.
    Event(Event),
    /// Nothing until this time, from the start of the run.
    Wait(Duration),
}

/// Something worth knowing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A candidate for the peer.
    Candidate(Candidate),
    /// No more will come.
    Gathered,
    /// The first check has left.
    FirstCheck,
    /// The peers are connected.
    Selected(Pair),
    /// They are not: see the outcome.
    Failed,
    /// A TURN server gave no relay, or was lost: its URI and why.
    RelayLost(String, turn::Failure),
    /// The connection was lost: why.
    Lost(String),
    /// What the peer sent.
    Data(Vec<u8>),
    /// A ping came back.
    Pong {
        /// What [`Agent::ping`] gave.
        number: u64,
        /// Its round trip.
        round_trip: Duration,
    },
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Checking,
    Connected { way: Way, at: Duration },
    Failed { at: Duration },
}

/// A packet that waits: the base it came in at, whom it came from.
type Waiting = VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>;

/// One side.
#[derive(Debug)]
pub struct Agent {
    pub(super) config: Config,
    pub(super) rng: StdRng,
    pub(super) own: Secrets,
    pub(super) other: Option<Secrets>,
    tie_breaker: u64,
    pub(super) locals: Locals,
    hosts: Vec<SocketAddr>,
    hosts_complete: bool,
    pub(super) gathering: Gathering,
    pub(super) relays: Relays,
    pub(super) gathered: Option<Duration>,
    pub(super) remotes: Vec<Candidate>,
    pub(super) remote_complete: bool,
    started: Option<Duration>,
    checks: Option<Checks>,
    /// When they must be set up anew.
    checks_until: Duration,
    /// There are candidates that the checks do not have yet.
    fresh: bool,
    relays_released: bool,
    released_at: Duration,
    pub(super) trace: Trace,
    pub(super) first_check: Option<Duration>,
    pub(super) heard: Option<Duration>,
    consent: Option<Consent>,
    pub(super) state: State,
    pub(super) role: Role,
    pub(super) lost: Option<String>,
    echo: Echo,
    early: Waiting,
    held: Waiting,
    out: VecDeque<Output>,
}

impl Agent {
    /// An agent without sockets yet. All its choices but rice-proto's come from the seed.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let own = (secret(&mut rng, 8), secret(&mut rng, 24));
        let tie_breaker = rng.random();
        let gathering = Gathering::new(config.pace.gather, config.pace.between);
        let relays = Relays::new(&config.turn, config.pace.gather);
        let role = config.role;
        Self {
            config,
            rng,
            own,
            other: None,
            tie_breaker,
            locals: Locals::default(),
            hosts: Vec::new(),
            hosts_complete: false,
            gathering,
            relays,
            gathered: None,
            remotes: Vec::new(),
            remote_complete: false,
            started: None,
            checks: None,
            checks_until: Duration::ZERO,
            fresh: false,
            relays_released: false,
            released_at: Duration::ZERO,
            trace: Trace::default(),
            first_check: None,
            heard: None,
            consent: None,
            state: State::Idle,
            role,
            lost: None,
            echo: Echo::default(),
            early: VecDeque::new(),
            held: VecDeque::new(),
            out: VecDeque::new(),
        }
    }

    /// A socket of this host. Its servers are asked from it at once.
    pub fn add_host(&mut self, local: SocketAddr) {
        self.hosts.push(local);
        if self.config.policy == Policy::RelayOnly {
            return;
        }
        let added = self.locals.add(Kind::Host, local, local, None, "");
        self.tell(added);
        for (server, to) in &self.config.stun {
            if to.is_ipv4() == local.is_ipv4() {
                self.gathering.add(server, *to, local, self.rng.random());
            }
        }
    }

    /// No more sockets will be added.
    pub const fn end_hosts(&mut self) {
        self.hosts_complete = true;
    }

    /// The link to a TURN server is open at this end.
    pub fn relay_opened(&mut self, now: Duration, turn: usize, local: SocketAddr) {
        self.relays.opened(now, turn, local);
    }

    /// The link to a TURN server could not be opened, or broke.
    pub fn relay_failed(&mut self, turn: usize, failure: turn::Failure) {
        self.relays.failed(turn, failure);
    }

    /// Bytes came from a TURN server.
    pub fn relay_receive(&mut self, now: Duration, turn: usize, bytes: &[u8]) {
        self.relays.receive(now, turn, bytes);
    }

    /// What to tell the peer, as gathered so far.
    #[must_use]
    pub fn description(&self) -> Description {
        Description {
            ufrag: self.own.0.clone(),
            pwd: self.own.1.clone(),
            candidates: self.locals.all().iter().map(|own| own.candidate.clone()).collect(),
            complete: self.gathered.is_some(),
            trickle: true,
        }
    }

    /// The peer's description. The first one counts; later ones only bring candidates.
    pub fn set_remote(&mut self, description: &Description) {
        if self.other.is_none() {
            // What is longer than SDP allows would not fit a request.
            let cut = |text: &str| text.chars().take(256).collect::<String>();
            self.other = Some((cut(&description.ufrag), cut(&description.pwd)));
        }
        for candidate in &description.candidates {
            self.add_remote(candidate.clone());
        }
        if description.complete || !description.trickle {
            self.end_remote();
        }
    }

    /// A candidate of the peer's. What cannot be used is noted all the same.
    pub fn add_remote(&mut self, candidate: Candidate) {
        let known = |other: &Candidate| {
            other.address == candidate.address && other.transport == candidate.transport
        };
        if self.remote_complete
            || self.remotes.len() >= MOST_REMOTE
            || self.remotes.iter().any(known)
        {
            return;
        }
        self.remotes.push(candidate);
        self.fresh = true;
    }

    /// The peer has no more candidates.
    pub const fn end_remote(&mut self) {
        self.remote_complete = true;
    }

    /// Lets the checks begin, as soon as there is something to check.
    pub fn start(&mut self, now: Duration) {
        if self.started.is_none() {
            self.started = Some(now);
            self.state = State::Checking;
        }
    }

    /// Whether [`Self::start`] was called.
    #[must_use]
    pub const fn started(&self) -> bool {
        self.started.is_some()
    }

    /// A packet came in at a host address.
    pub fn receive(&mut self, now: Duration, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        let news = self.gathering.receive(now, local, from, bytes);
        if news != Answer::Not {
            if let Answer::New(server, mapped) = news {
                let kind = Kind::ServerReflexive;
                let added = self.locals.add(kind, mapped, local, Some(local), &server);
                self.tell(added);
            }
            return;
        }
        self.route(now, local, from, bytes);
    }

    /// The network says that what went there from a host address does not arrive.
    pub fn unreachable(&mut self, local: SocketAddr, to: SocketAddr, why: &str) {
        if !self.gathering.unreachable(local, to, why) && self.trace.entry((local, to)).is_some() {
            self.trace.trouble((local, to), CheckResult::Unreachable { why: why.to_owned() });
        }
    }

    /// Why the connection was lost, once it is.
    #[must_use]
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Sends a payload to the peer; dropped while there is no connection. It must not look like
    /// STUN: its first byte is 4 or more.
    pub fn send(&mut self, now: Duration, payload: &[u8]) {
        if let State::Connected { way, .. } = self.state {
            self.dispatch(now, way, payload.to_vec());
        }
    }

    /// Sends a ping to a peer that is a natscope; its number comes back in [`Event::Pong`].
    pub fn ping(&mut self, now: Duration) -> u64 {
        let (number, payload) = self.echo.ping(now);
        self.send(now, &payload);
        number
    }

    /// Gives the relays back; what [`Self::poll`] still gives should be sent.
    pub fn close(&mut self, now: Duration) {
        self.consent = None;
        self.checks = None;
        self.relays.close(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self, now: Duration) -> Output {
        if let Some(output) = self.out.pop_front() {
            return output;
        }
        let wait = self.pump(now);
        self.out.pop_front().unwrap_or(Output::Wait(wait))
    }

    /// Lets every part do what is due; how long all of them can wait.
    fn pump(&mut self, now: Duration) -> Duration {
        let mut wait = self.pump_relays(now);
        wait = wait.min(self.pump_gathering(now));
        if self.started.is_some() && self.lost.is_none() {
            wait = wait.min(self.pump_checks(now));
            wait = wait.min(self.pump_consent(now));
        }
        wait
    }

    fn pump_relays(&mut self, now: Duration) -> Duration {
        loop {
            match self.relays.poll(now) {
                relays::Step::Send { turn, bytes } => {
                    self.out.push_back(Output::Relay { turn, bytes });
                }
                relays::Step::Allocated { server, relayed, related } => {
                    let related = Some(related);
                    let added = self.locals.add(Kind::Relayed, relayed, relayed, related, &server);
                    self.tell(added);
                }
                relays::Step::Data { relayed, peer, payload } => {
                    self.route(now, relayed, peer, &payload);
                }
                relays::Step::Refused { relayed, peer, failure } => {
                    self.refused(relayed, peer, &failure);
                }
                relays::Step::Lost { server, relayed, failure } => {
                    self.relay_lost(&server, relayed, failure);
                }
                relays::Step::Wait(until) => return until,
            }
        }
    }

    /// The relay lets nothing through to this address of the peer's.
    fn refused(&mut self, relayed: SocketAddr, peer: std::net::IpAddr, failure: &turn::Failure) {
        let ways: Vec<Way> = self.trace.entries().iter().map(|entry| entry.way).collect();
        for way in ways.into_iter().filter(|way| way.0 == relayed && way.1.ip() == peer) {
            self.trace.trouble(way, CheckResult::NotRelayed { failure: failure.clone() });
        }
    }

    fn relay_lost(&mut self, server: &str, relayed: Option<SocketAddr>, failure: turn::Failure) {
        let why = format!("the relay {server} was lost: {failure}");
        self.out.push_back(Output::Event(Event::RelayLost(server.to_owned(), failure)));
        if matches!(self.state, State::Connected { way, .. } if Some(way.0) == relayed) {
            self.lose(why);
        }
    }

    fn pump_gathering(&mut self, now: Duration) -> Duration {
        let wait = loop {
            match self.gathering.poll(now) {
                Ok(ask) => {
                    let (from, to, bytes) = (ask.from, ask.to, ask.bytes);
                    self.out.push_back(Output::Send { from, to, bytes });
                }
                Err(wait) => break wait,
            }
        };
        let done = self.hosts_complete && self.gathering.done() && self.relays.done();
        if done && self.gathered.is_none() {
            self.gathered = Some(now);
            self.out.push_back(Output::Event(Event::Gathered));
        }
        wait
    }

    fn pump_checks(&mut self, now: Duration) -> Duration {
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
        let nominated = |entry: &&super::trace::Entry| entry.nominated && entry.answered.is_some();
        if let Some(way) = self.trace.entries().iter().find(nominated).map(|entry| entry.way) {
            self.selected(now, way);
        }
    }

    /// Sets the checks up when all is there for them, and lets the relays join in time.
    fn ready(&mut self, now: Duration) {
        let (Some(started), Some(other)) = (self.started, self.other.clone()) else { return };
        if matches!(self.state, State::Failed { .. }) {
            return;
        }
        if matches!(self.state, State::Checking) && now >= self.checks_until {
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
        // once connected they are not needed any more
        if self.state == State::Checking && !self.relays_released && due {
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
        let Some(checks) = &mut self.checks else { return };
        let due = |kind: Kind| kind != Kind::Relayed || self.relays_released;
        for own in self.locals.all() {
            if own.candidate.kind != Kind::ServerReflexive && due(own.candidate.kind) {
                checks.add_local(own.base, own.candidate.priority);
            }
        }
        for remote in self.remotes.iter().filter(|remote| due(remote.kind)) {
            if remote.component == COMPONENT && remote.transport == Transport::Udp {
                checks.add_remote(remote.address, remote.priority);
            }
        }
        // Relays take a round trip for each permission: asked for before they are needed, those that
        // may help first.
        for kind in [Kind::ServerReflexive, Kind::PeerReflexive, Kind::Relayed, Kind::Host] {
            for remote in self.remotes.iter().filter(|remote| remote.kind == kind) {
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
            // A peer that has not been heard may yet begin.
            if self.heard.is_none() && over < started + pace.peer_within {
                if over <= now {
                    self.checks = None;
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
        self.gathering.stop_keeping();
        let pace = self.config.pace;
        let rhythm =
            Rhythm { first: pace.check.first, every: pace.consent_every, lost: pace.consent_lost };
        self.consent = Some(Consent::new(now, way, rhythm));
        self.relays.bind(now, way.0, way.1);
        self.out.push_back(Output::Event(Event::Selected(self.pair(way))));
    }

    fn pump_consent(&mut self, now: Duration) -> Duration {
        let (Some(consent), Some(other)) = (&mut self.consent, &self.other) else {
            return Duration::MAX;
        };
        let (tie_breaker, role) = (self.tie_breaker, self.role);
        let priority = priority(Kind::PeerReflexive, u16::MAX);
        let terms = Terms { own: &self.own, other, role, tie_breaker, priority };
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

    fn lose(&mut self, why: String) {
        if self.lost.is_none() {
            self.consent = None;
            self.out.push_back(Output::Event(Event::Lost(why.clone())));
            self.lost = Some(why);
        }
    }

    /// Sends by a socket or by a relay.
    fn dispatch(&mut self, now: Duration, (from, to): Way, bytes: Vec<u8>) {
        if self.relays.has(from) {
            self.relays.send(now, from, to, &bytes);
        } else {
            self.out.push_back(Output::Send { from, to, bytes });
        }
    }

    /// A packet from the peer, or from anybody.
    fn route(&mut self, now: Duration, base: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        if bytes.first().is_none_or(|first| *first > 3) {
            return self.payload(now, (base, from), bytes);
        }
        if matches!(self.state, State::Failed { .. }) || self.lost.is_some() {
            return;
        }
        if self.checks.is_none() {
            return wait(&mut self.early, base, from, bytes);
        }
        let by_relay =
            |candidate: &Candidate| candidate.kind == Kind::Relayed && candidate.address == from;
        let relayed = self.relays.has(base) || self.remotes.iter().any(by_relay);
        if relayed && !self.relays_released {
            return wait(&mut self.held, base, from, bytes);
        }
        let good = self.trace.received(now, (base, from), bytes);
        if let (Some(consent), Some(other)) = (&mut self.consent, &self.other)
            && consent.receive(now, (base, from), other, bytes)
        {
            return;
        }
        if let Some(checks) = self.checks.as_mut().filter(|_| good) {
            self.heard.get_or_insert(now);
            checks.receive(now, base, from, bytes);
        }
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

    fn tell(&mut self, added: Option<Candidate>) {
        if let Some(candidate) = added {
            self.out.push_back(Output::Event(Event::Candidate(candidate)));
            self.fresh = true;
        }
    }
}

fn wait(waiting: &mut Waiting, base: SocketAddr, from: SocketAddr, bytes: &[u8]) {
    if waiting.len() < MOST_WAITING {
        waiting.push_back((base, from, bytes.to_vec()));
    }
}

fn secret(rng: &mut StdRng, length: usize) -> String {
    let pick = |_| char::from(ICE_CHARS[rng.random_range(0..ICE_CHARS.len())]);
    (0..length).map(pick).collect()
}
