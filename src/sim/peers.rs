//! Two peers, each behind NATs of its own, two STUN servers and a relay between them, in virtual
//! time: the real agents, with the NATs of [`super::nat`].

use super::link::Link;
use super::nat::NatBox;
use super::queue::Queue;
use super::relay::TurnServer;
use crate::ice::{Agent, Config, Description, Event, Kind, Outcome, Output, Pace, Policy, Role};
use crate::nat::pair::End;
use crate::nat::{NatSpec, Translation};
use crate::turn;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The STUN servers; the relay is at the first.
pub const SERVERS: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), 3478),
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2)), 3478),
];
/// An agent that asks so often without time passing is not going to end.
const MOST_POLLS: u32 = 1_000_000;
/// No attempt takes so long.
const END: Duration = Duration::from_secs(1000);

/// The whole description. The same description gives the same run but for what rice-proto draws:
/// transaction ids and tie-breakers, which decide nothing here.
#[derive(Debug, Clone, PartialEq)]
pub struct Meeting {
    /// Makes every choice of NATs, links and agents.
    pub seed: u64,
    /// What stands in front of each.
    pub nats: [NatSpec; 2],
    /// From each host to the internet, and from there to the other; both ways.
    pub link: Link,
    /// Who sends first; A makes the offer.
    pub first: End,
    /// The other side starts so long after the first check has left.
    pub lag: Duration,
    /// Both have the relay.
    pub relay: bool,
    /// The times.
    pub pace: Pace,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Met {
    /// As each side saw it.
    pub outcomes: [Outcome; 2],
    /// Payloads that the relay carried.
    pub relayed: u64,
    /// When both were done.
    pub took: Duration,
}

/// A run that did not end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unended {
    /// An agent asks for ever without waiting.
    #[error("an agent polls without end at {0:?}")]
    Spins(Duration),
    /// One side has not come to an outcome.
    #[error("still undecided at {0:?}")]
    Undecided(Duration),
}

#[derive(Debug)]
enum Packet {
    /// At the inner side of a side's first box.
    Out(End, SocketAddr, SocketAddr, Vec<u8>),
    /// In the internet.
    Net(SocketAddr, SocketAddr, Vec<u8>),
    /// At the host.
    Home(End, SocketAddr, SocketAddr, Vec<u8>),
}

struct Host {
    agent: Agent,
    local: SocketAddr,
    /// Its own socket towards the relay.
    to_relay: SocketAddr,
    boxes: Vec<NatBox>,
    first_check: Option<Duration>,
    decided: bool,
}

struct Run<'a> {
    meeting: &'a Meeting,
    rng: StdRng,
    hosts: [Host; 2],
    relay: TurnServer,
    queue: Queue<Packet>,
    polls: u32,
}

impl Meeting {
    /// Lets them meet.
    ///
    /// # Errors
    /// When they come to no end.
    pub fn run(&self) -> Result<Met, Unended> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let hosts = [self.host(End::A, &mut rng), self.host(End::B, &mut rng)];
        let relay = TurnServer::new(SERVERS[0], rng.random());
        Run { meeting: self, rng, hosts, relay, queue: Queue::new(), polls: 0 }.go()
    }

    fn host(&self, side: End, rng: &mut StdRng) -> Host {
        let spec = &self.nats[side as usize];
        let number = if side == End::A { 1 } else { 2 };
        let translates = spec.stack().any(|layer| layer.translation == Translation::Nat);
        let ip = if translates {
            Ipv4Addr::new(192, 168, number, 2)
        } else {
            Ipv4Addr::new(198, 51, 100, 100 + number)
        };
        let local = SocketAddr::new(ip.into(), rng.random_range(32_768..=60_999));
        let to_relay = SocketAddr::new(ip.into(), rng.random_range(20_000..=32_767));
        let role = if side == End::A { Role::Controlling } else { Role::Controlled };
        let server = turn::Server {
            uri: format!("turn:{}", SERVERS[0]),
            name: String::new(),
            address: SERVERS[0],
            over: turn::Over::Udp,
            user: "lab".to_owned(),
            password: "lab".to_owned(),
        };
        let config = Config {
            role,
            pace: self.pace,
            policy: Policy::All,
            stun: SERVERS.iter().map(|at| (format!("stun:{at}"), *at)).collect(),
            turn: self.relay.then_some(server).into_iter().collect(),
        };
        let mut agent = Agent::new(config, rng.random());
        agent.add_host(local);
        agent.end_hosts();
        if self.relay {
            agent.relay_opened(Duration::ZERO, 0, to_relay);
        }
        let public = Ipv4Addr::new(198, 51, 100, number);
        let boxes = NatBox::stack(spec, public, 64 + number, rng);
        Host { agent, local, to_relay, boxes, first_check: None, decided: false }
    }
}

impl Run<'_> {
    fn go(mut self) -> Result<Met, Unended> {
        let mut now = Duration::ZERO;
        loop {
            let mut wait = self.agent(now, End::A)?.min(self.agent(now, End::B)?);
            let told = self.signal(now);
            if told <= now {
                continue;
            }
            wait = wait.min(told);
            if self.hosts.iter().all(|host| host.decided) {
                // The other's last packets are still under way; they change nothing.
                let outcomes = [self.hosts[0].agent.outcome(), self.hosts[1].agent.outcome()];
                return Ok(Met { outcomes, relayed: self.relay.carried(), took: now });
            }
            wait = wait.min(self.queue.due().unwrap_or(Duration::MAX)).max(now);
            if wait > END {
                return Err(Unended::Undecided(now));
            }
            now = wait;
            while let Some((at, packet)) = self.queue.pop(now) {
                self.pass(at, packet);
            }
        }
    }

    /// Lets an agent do what it wants; when it wants to be woken.
    fn agent(&mut self, now: Duration, side: End) -> Result<Duration, Unended> {
        loop {
            self.polls += 1;
            if self.polls > MOST_POLLS {
                return Err(Unended::Spins(now));
            }
            let host = &mut self.hosts[side as usize];
            match host.agent.poll(now) {
                Output::Send { from, to, bytes } => self.leave(now, side, from, to, &bytes),
                Output::Relay { bytes, .. } => {
                    let from = host.to_relay;
                    self.leave(now, side, from, SERVERS[0], &bytes);
                }
                Output::Event(Event::FirstCheck) => host.first_check = Some(now),
                Output::Event(Event::Selected(_) | Event::Failed) => host.decided = true,
                Output::Event(_) => {}
                Output::Wait(until) => return Ok(until),
            }
        }
    }

    /// The descriptions pass at once, when both have gathered; then the first side starts, and the
    /// other `lag` after its first check has left. When there is something to do for it; `now` when
    /// it was done.
    fn signal(&mut self, now: Duration) -> Duration {
        let [a, b] = &self.hosts;
        let (of_a, of_b) = (told(a.agent.description()), told(b.agent.description()));
        if !(of_a.complete && of_b.complete) {
            return Duration::MAX;
        }
        let first = self.meeting.first as usize;
        if !self.hosts[first].agent.started() {
            self.hosts[0].agent.set_remote(&of_b);
            self.hosts[1].agent.set_remote(&of_a);
            self.hosts[first].agent.start(now);
            return now;
        }
        // A side that is blocked never sends a check, but it does end.
        let ended = self.hosts[first].decided.then_some(now);
        let due = self.hosts[first].first_check.map(|at| at + self.meeting.lag).or(ended);
        let second = &mut self.hosts[self.meeting.first.other() as usize].agent;
        match due {
            Some(due) if !second.started() => {
                if due <= now {
                    second.start(now);
                }
                due
            }
            _ => Duration::MAX,
        }
    }

    fn leave(&mut self, now: Duration, side: End, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        for at in self.meeting.link.arrivals(now, &mut self.rng) {
            self.queue.at(at, Packet::Out(side, from, to, bytes.to_vec()));
        }
    }

    fn pass(&mut self, now: Duration, packet: Packet) {
        match packet {
            Packet::Out(side, from, to, bytes) => {
                let mut source = from;
                for layer in &mut self.hosts[side as usize].boxes {
                    let Some(external) = layer.outbound(now, source, to) else { return };
                    source = external;
                }
                self.travel(now, source, to, &bytes);
            }
            Packet::Net(from, to, bytes) => self.arrive(now, from, to, &bytes),
            Packet::Home(side, from, to, bytes) => {
                let host = &mut self.hosts[side as usize];
                if to == host.local {
                    host.agent.receive(now, to, from, &bytes);
                } else if to == host.to_relay && from == SERVERS[0] {
                    host.agent.relay_receive(now, 0, &bytes);
                }
            }
        }
    }

    fn travel(&mut self, now: Duration, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let link = Link { delay: Duration::from_micros(100), ..Link::clean(Duration::ZERO) };
        for at in link.arrivals(now, &mut self.rng) {
            self.queue.at(at, Packet::Net(from, to, bytes.to_vec()));
        }
    }

    /// At a server, or at the outer side of somebody's boxes.
    fn arrive(&mut self, now: Duration, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some(answer) = SERVERS.contains(&to).then(|| super::binding(from, bytes)).flatten() {
            return self.travel(now, to, from, &answer);
        }
        if to.ip() == SERVERS[0].ip() {
            if let Some((from, to, bytes)) = self.relay.receive(now, from, to, bytes) {
                self.travel(now, from, to, &bytes);
            }
            return;
        }
        for side in End::BOTH {
            if self.outer(side) == to.ip() {
                return self.inbound(now, side, from, to, bytes);
            }
        }
    }

    /// The address that the internet knows a side by.
    fn outer(&self, side: End) -> IpAddr {
        let host = &self.hosts[side as usize];
        let outermost = host.boxes.iter().rev().find(|layer| layer.translates());
        outermost.map_or(host.local.ip(), NatBox::external)
    }

    fn inbound(
        &mut self,
        now: Duration,
        side: End,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) {
        let mut target = to;
        for layer in self.hosts[side as usize].boxes.iter_mut().rev() {
            let Some(inside) = layer.inbound(now, from, target) else { return };
            target = inside;
        }
        for at in self.meeting.link.arrivals(now, &mut self.rng) {
            self.queue.at(at, Packet::Home(side, from, target, bytes.to_vec()));
        }
    }
}

/// A description without private host addresses, as a browser hides them: they lead nowhere here,
/// and the first check is to go to where the other's NAT is.
fn told(mut description: Description) -> Description {
    let public = |ip: IpAddr| !matches!(ip, IpAddr::V4(v4) if v4.is_private());
    description.candidates.retain(|c| c.kind != Kind::Host || public(c.address.ip()));
    description
}
