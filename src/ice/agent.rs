//! One side of a connection: what to send and when, and what came of it. No sockets, no clock:
//! [`Agent::poll`] says what to do next, and the other methods say what happened.

use super::consent::Consent;
use super::gather::{Answer, Gathering};
use super::message;
use super::own::Locals;
use super::relays::{self, Relays};
use super::remotes::Remotes;
use super::round_trips::Echo;
use super::schedule::Schedule;
use super::session::Session;
use super::trace::{Trace, Way};
use super::{Candidate, CheckResult, Description, Kind, Pace, Pair, Policy, Role};
use crate::turn;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// What the agent is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its role at first; a conflict is resolved as RFC 8445 section 7.3.1.1 says.
    pub role: Role,
    /// How patiently it asks and checks.
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
        /// The address to send it to.
        to: SocketAddr,
        /// The payload of the datagram.
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

/// One side.
#[derive(Debug)]
pub struct Agent {
    pub(super) config: Config,
    pub(super) rng: StdRng,
    pub(super) session: Session,
    pub(super) locals: Locals,
    pub(super) gathering: Gathering,
    pub(super) relays: Relays,
    pub(super) remotes: Remotes,
    pub(super) schedule: Schedule,
    pub(super) trace: Trace,
    pub(super) state: State,
    pub(super) consent: Option<Consent>,
    pub(super) lost: Option<String>,
    pub(super) echo: Echo,
    pub(super) out: VecDeque<Output>,
}

impl Agent {
    /// An agent without sockets yet. All its choices but rice-proto's come from the seed.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let relay_after = match config.policy {
            Policy::All => config.pace.relay_after,
            Policy::RelayOnly => Duration::ZERO,
        };
        Self {
            session: Session::new(config.role, &mut rng),
            locals: Locals::default(),
            gathering: Gathering::new(config.pace.gather, config.pace.between),
            relays: Relays::new(&config.turn, config.pace.gather),
            remotes: Remotes::default(),
            schedule: Schedule::new(Pace { relay_after, ..config.pace }),
            trace: Trace::default(),
            state: State::Idle,
            consent: None,
            lost: None,
            echo: Echo::default(),
            out: VecDeque::new(),
            config,
            rng,
        }
    }

    /// A socket of this host. Its servers are asked from it at once.
    pub fn add_host(&mut self, local: SocketAddr) {
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
        self.gathering.end_hosts();
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
            ufrag: self.session.own().0.clone(),
            pwd: self.session.own().1.clone(),
            candidates: self.locals.all().iter().map(|own| own.candidate.clone()).collect(),
            complete: self.gathering.ended().is_some(),
            trickle: true,
        }
    }

    /// The peer's description. The first one counts; later ones only bring candidates.
    pub fn set_remote(&mut self, description: &Description) {
        self.session.meet(description);
        for candidate in &description.candidates {
            self.add_remote(candidate.clone());
        }
        if description.complete || !description.trickle {
            self.end_remote();
        }
    }

    /// A candidate of the peer's. What cannot be used is noted all the same.
    pub fn add_remote(&mut self, candidate: Candidate) {
        if self.remotes.add(candidate) {
            self.schedule.renew();
        }
    }

    /// The peer has no more candidates.
    pub const fn end_remote(&mut self) {
        self.remotes.end();
    }

    /// Lets the checks begin, as soon as there is something to check.
    pub fn start(&mut self, now: Duration) {
        if self.schedule.start(now) {
            self.state = State::Checking;
        }
    }

    /// Whether [`Self::start`] was called.
    #[must_use]
    pub const fn started(&self) -> bool {
        self.schedule.started()
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

    /// Sends a ping by way of a relay while the connection is direct, so that both can be compared;
    /// `None` when there is no relay on either side, or the connection is relayed anyway.
    pub fn ping_relayed(&mut self, now: Duration) -> Option<u64> {
        let way = self.relayed_way()?;
        let id = self.rng.random();
        let bytes = message::request(id, &self.session.terms()?)?;
        self.dispatch(now, way, bytes);
        Some(self.echo.request(now, id))
    }

    /// Gives the relays back; what [`Self::poll`] still gives should be sent.
    pub fn close(&mut self, now: Duration) {
        self.consent = None;
        self.schedule.stop();
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
        if self.schedule.started() && self.lost.is_none() {
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
                    self.remotes.refuse(relayed, peer, failure);
                }
                relays::Step::Lost { server, relayed, failure } => {
                    self.relay_lost(&server, relayed, failure);
                }
                relays::Step::Wait(until) => return until,
            }
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
                Output::Wait(until) => break until,
                ask => self.out.push_back(ask),
            }
        };
        if self.relays.done() && self.gathering.end(now) {
            self.out.push_back(Output::Event(Event::Gathered));
        }
        wait
    }

    fn tell(&mut self, added: Option<Candidate>) {
        if let Some(candidate) = added {
            self.out.push_back(Output::Event(Event::Candidate(candidate)));
            self.schedule.renew();
        }
    }
}
