//! A world: a host, the boxes in front of it, the links, and the servers; and the run of a prober
//! in it.

use super::bytes;
use super::link::Link;
use super::nat::NatBox;
use super::queue::Queue;
use super::server::{Emit, Fault, ServerSpec, StunServer};
use super::vantage::{Done, RelaySpec, Vantage};
use crate::ground::icmp::IcmpKind;
use crate::nat::{NatSpec, Translation};
use crate::probe::record::Record;
use crate::probe::{Config, Input, News, Output, Prober, RelayId, SocketId, TcpId, Wish};
use crate::stun::{address::PLAIN, types};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The host's address behind a NAT, and without one.
const INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
const PUBLIC: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// The public address of the outermost NAT.
const OUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The router that refuses what is blocked.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// A prober that asks so often without time passing is not going to end.
const MOST_POLLS: u32 = 200_000;

/// The whole description: the same description gives the same run.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// Makes every choice.
    pub seed: u64,
    /// What stands between the host and the internet.
    pub nat: NatSpec,
    /// From the host to the first box, and back.
    pub lan: [Link; 2],
    /// The first NAT rewrites MAPPED-ADDRESS in answers.
    pub alg: bool,
    /// What is blocked is refused by ICMP (administratively prohibited) instead of dropped.
    pub refuses: bool,
    /// The servers, in the order they are given to the prober.
    pub servers: Vec<ServerSpec>,
    /// A TURN server that the prober may observe from.
    pub relay: Option<RelaySpec>,
    /// The prober's budget.
    pub budget: Duration,
}

/// A run that ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the prober saw.
    pub record: Record,
    /// When it was done.
    pub took: Duration,
}

/// A run that did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It asks for ever without waiting.
    #[error("the prober polls without end at {0:?}")]
    Spins(Duration),
    /// It did not end when its budget was spent.
    #[error("the prober still runs at {0:?}, after its budget")]
    OverBudget(Duration),
    /// It used a socket that it had not opened.
    #[error("the prober sent from a socket that is not open")]
    NotOpen,
}

#[derive(Debug, Clone)]
enum Payload {
    Datagram(Vec<u8>),
    /// About what `dst` of the packet had sent to `src`.
    Icmp(IpAddr, IcmpKind),
}

#[derive(Debug)]
struct Packet {
    src: SocketAddr,
    dst: SocketAddr,
    payload: Payload,
}

#[derive(Debug)]
enum Event {
    /// At the inner side of the first box.
    Out(SocketAddr, SocketAddr, Vec<u8>),
    /// At a server's network.
    Served(SocketAddr, SocketAddr, Vec<u8>),
    /// At the outer side of the last box.
    In(Packet),
    /// At the host.
    Home(Packet),
    /// A TCP exchange ended.
    Tcp(TcpId, Option<Vec<u8>>),
    /// The host hears of an allocation.
    Told(RelayId, News),
    /// A relay sends.
    Relayed(SocketAddr, SocketAddr, Vec<u8>),
}

/// A world in motion.
struct Run<'a> {
    world: &'a World,
    rng: StdRng,
    boxes: Vec<NatBox>,
    servers: Vec<StunServer>,
    relay: Option<Vantage>,
    queue: Queue<Event>,
    /// Local endpoint → socket.
    sockets: HashMap<SocketAddr, SocketId>,
    locals: HashMap<SocketId, SocketAddr>,
}

impl World {
    /// Runs a prober from beginning to end.
    ///
    /// # Errors
    /// When it does not end, or misuses its driver.
    pub fn run(&self) -> Result<Outcome, Failure> {
        Run::new(self).go()
    }

    fn translates(&self) -> bool {
        self.nat.stack().any(|s| s.translation == Translation::Nat)
    }
}

impl<'a> Run<'a> {
    fn new(world: &'a World) -> Self {
        let mut rng = StdRng::seed_from_u64(world.seed);
        let boxes = NatBox::stack(&world.nat, OUTER, 64, &mut rng);
        let servers = world
            .servers
            .iter()
            .map(|spec| StunServer::new(spec.clone(), StdRng::seed_from_u64(rng.random())))
            .collect();
        Self {
            world,
            rng,
            boxes,
            servers,
            relay: world.relay.clone().map(Vantage::new),
            queue: Queue::new(),
            sockets: HashMap::new(),
            locals: HashMap::new(),
        }
    }

    fn go(mut self) -> Result<Outcome, Failure> {
        let servers = self.servers.iter().map(|server| {
            let primary = server.spec.primary;
            (format!("stun:{primary}"), primary)
        });
        let relay = self.world.relay.iter();
        let relays = relay.map(|r| (format!("turn:{}", r.server), r.server)).collect();
        let config =
            Config { servers: servers.collect(), budget: self.world.budget, fixed: false, relays };
        let mut prober = Prober::new(config, self.rng.random());
        let end = self.world.budget + Duration::from_secs(1);
        let (mut now, mut polls) = (Duration::ZERO, 0);
        loop {
            polls += 1;
            if polls > MOST_POLLS {
                return Err(Failure::Spins(now));
            }
            match prober.poll(now) {
                Output::Open { socket, .. } => {
                    let local = self.open(socket);
                    prober.handle(now, Input::Opened { socket, local });
                }
                Output::Send { socket, to, bytes } => {
                    let from = *self.locals.get(&socket).ok_or(Failure::NotOpen)?;
                    let lan = self.world.lan[0];
                    for at in lan.arrivals(now, &mut self.rng) {
                        self.queue.at(at, Event::Out(from, to, bytes.clone()));
                    }
                }
                Output::Tcp { tcp, to, bytes, patience } => {
                    self.connect(now, tcp, to, &bytes, patience);
                }
                Output::Relay { relay, wish } => self.wish(now, relay, wish),
                Output::Progress => {}
                Output::Wait(until) => {
                    if until > end || now > end {
                        return Err(Failure::OverBudget(now));
                    }
                    now = self.pass(now, until, &mut prober);
                }
                Output::Done => {
                    return Ok(Outcome { record: prober.record().clone(), took: now });
                }
            }
        }
    }

    /// Lets time pass until something reaches the host, or until the prober wants to be woken.
    fn pass(&mut self, now: Duration, until: Duration, prober: &mut Prober) -> Duration {
        while let Some((at, event)) = self.queue.pop(until) {
            match event {
                Event::Home(packet) => {
                    if self.deliver(at, &packet, prober) {
                        return at;
                    }
                }
                Event::Tcp(tcp, bytes) => {
                    prober.handle(at, Input::Tcp { tcp, bytes: bytes.as_deref() });
                    return at;
                }
                Event::Told(relay, news) => {
                    prober.handle(at, Input::Relay { relay, news: &news });
                    return at;
                }
                Event::Relayed(src, dst, bytes) => {
                    self.reply(at, src, dst, &Payload::Datagram(bytes));
                }
                Event::Out(src, dst, bytes) => self.outbound(at, src, dst, &bytes),
                Event::Served(src, dst, bytes) => self.serve(at, src, dst, &bytes),
                Event::In(packet) => self.inbound(at, packet),
            }
        }
        let now = until.max(now);
        prober.handle(now, Input::Tick);
        now
    }

    fn open(&mut self, socket: SocketId) -> SocketAddr {
        let ip = if self.world.translates() { INSIDE } else { PUBLIC };
        let local = loop {
            let local = SocketAddr::new(ip.into(), self.rng.random_range(32_768..=60_999));
            if !self.sockets.contains_key(&local) {
                break local;
            }
        };
        self.sockets.insert(local, socket);
        self.locals.insert(socket, local);
        local
    }

    fn deliver(&mut self, now: Duration, packet: &Packet, prober: &mut Prober) -> bool {
        let Some(&socket) = self.sockets.get(&packet.dst) else { return false };
        let input = match &packet.payload {
            Payload::Datagram(bytes) => Input::Datagram { socket, from: packet.src, bytes },
            &Payload::Icmp(offender, kind) => {
                Input::Icmp { socket, to: packet.src, offender: Some(offender), kind }
            }
        };
        prober.handle(now, input);
        true
    }

    /// Through the boxes, inside to outside.
    fn outbound(&mut self, now: Duration, host: SocketAddr, dst: SocketAddr, bytes: &[u8]) {
        let mut src = host;
        for layer in &mut self.boxes {
            match layer.outbound(now, src, dst) {
                Some(external) => src = external,
                None => return self.refuse(now, host, dst),
            }
        }
        let Some(way) = self.way(dst.ip()).map(|(up, _)| up) else { return };
        for at in way.arrivals(now, &mut self.rng) {
            self.queue.at(at, Event::Served(src, dst, bytes.to_vec()));
        }
    }

    fn refuse(&mut self, now: Duration, host: SocketAddr, dst: SocketAddr) {
        if self.world.refuses {
            let payload = Payload::Icmp(GATEWAY.into(), IcmpKind::Prohibited);
            self.home(now, Packet { src: dst, dst: host, payload });
        }
    }

    /// What the host wishes of an allocation; what comes of it takes a round trip at the least.
    fn wish(&mut self, now: Duration, relay: RelayId, wish: Wish) {
        let lan = self.world.lan[0].delay + self.world.lan[1].delay;
        let Some(vantage) = &mut self.relay else { return };
        let there = now + lan + vantage.spec.up.delay;
        let back = there + vantage.spec.down.delay;
        if let (Wish::Open { .. }, true) = (&wish, vantage.spec.udp) {
            // the TURN client's own flow, which every filter on the way sees
            let (to, from) = (vantage.spec.server, SocketAddr::new(INSIDE.into(), 5000));
            self.boxes.iter_mut().try_fold(from, |src, layer| layer.outbound(now, src, to));
        }
        match vantage.wish(relay, wish) {
            Done::Told(told) => self.queue.at(back, Event::Told(relay, told)),
            Done::Send { from, to, bytes } => {
                self.queue.at(there, Event::Relayed(from, to, bytes));
            }
            Done::Nothing => {}
        }
    }

    /// The links to and from an address, `None` when it leads nowhere.
    fn way(&self, ip: IpAddr) -> Option<(Link, Link)> {
        let of = |server: &StunServer| {
            let spec = &server.spec;
            let detour = if ip == spec.primary.ip() { Duration::ZERO } else { spec.detour };
            let longer = |link: Link| Link { delay: link.delay + detour, ..link };
            (longer(spec.up), longer(spec.down))
        };
        if ip == IpAddr::from(super::server::STRANGER) {
            return self.servers.first().map(of);
        }
        let knows = |s: &&StunServer| s.spec.primary.ip() == ip || s.spec.alternate.ip() == ip;
        let relay = self.relay.iter().find(|relay| relay.is_at(ip));
        let relay = relay.map(|relay| (relay.spec.up, relay.spec.down));
        self.servers.iter().find(knows).map(of).or(relay)
    }

    fn serve(&mut self, now: Duration, src: SocketAddr, dst: SocketAddr, bytes: &[u8]) {
        if dst.ip() == IpAddr::from(super::server::STRANGER) {
            if let Some(bytes) = super::binding(src, bytes) {
                self.reply(now, dst, src, &Payload::Datagram(bytes));
            }
            return;
        }
        if let Some((relay, told)) = self.relay.as_ref().and_then(|r| r.hears(src, dst, bytes)) {
            let back = self.relay.as_ref().map_or(Duration::ZERO, |r| r.spec.down.delay);
            self.queue.at(now + back + self.world.lan[1].delay, Event::Told(relay, told));
            return;
        }
        let emits = self.servers.iter_mut().find_map(|server| {
            let corner = server.corner(dst)?;
            Some(server.datagram(now, corner, src, bytes))
        });
        for emit in emits.into_iter().flatten() {
            match emit {
                Emit::Datagram { after, from, to, bytes } => {
                    self.reply(now + after, from, to, &Payload::Datagram(bytes));
                }
                Emit::Unreachable => {
                    let icmp = Payload::Icmp(dst.ip(), IcmpKind::PortUnreachable);
                    self.reply(now, dst, src, &icmp);
                }
            }
        }
    }

    fn reply(&mut self, now: Duration, src: SocketAddr, dst: SocketAddr, payload: &Payload) {
        let Some((_, down)) = self.way(src.ip()) else { return };
        for at in down.arrivals(now, &mut self.rng) {
            self.queue.at(at, Event::In(Packet { src, dst, payload: payload.clone() }));
        }
    }

    /// Through the boxes, outside to inside.
    fn inbound(&mut self, now: Duration, mut packet: Packet) {
        let alg = self.world.alg.then(|| self.boxes.iter().position(NatBox::translates)).flatten();
        for (index, layer) in self.boxes.iter_mut().enumerate().rev() {
            let outer = packet.dst;
            let inside = match packet.payload {
                Payload::Datagram(_) => layer.inbound(now, packet.src, outer),
                Payload::Icmp(..) => layer.inside_of(outer),
            };
            let Some(inside) = inside else { return };
            packet.dst = inside;
            if let (Payload::Datagram(bytes), true) = (&mut packet.payload, alg == Some(index)) {
                bytes::edit(bytes, types::MAPPED, |_| Some(bytes::address(inside, &PLAIN)));
            }
        }
        self.home(now, packet);
    }

    fn home(&mut self, now: Duration, packet: Packet) {
        let lan = self.world.lan[1];
        // A duplicate on the inside is the same as one outside: take the first copy only.
        if let Some(&at) = lan.arrivals(now, &mut self.rng).first() {
            self.queue.at(at, Event::Home(packet));
        }
    }

    /// TCP is a matter of round trips: the kernels see to losses.
    fn connect(
        &mut self,
        now: Duration,
        tcp: TcpId,
        to: SocketAddr,
        bytes: &[u8],
        patience: Duration,
    ) {
        let outer = if self.world.translates() { OUTER } else { PUBLIC };
        let source = SocketAddr::new(outer.into(), self.rng.random_range(32_768..=60_999));
        let trip = self.way(to.ip()).map(|(up, down)| {
            up.delay + down.delay + self.world.lan[0].delay + self.world.lan[1].delay
        });
        let answer = self.servers.iter_mut().find_map(|server| {
            let corner = server.corner(to)?;
            Some((server.tcp(now, corner, source, bytes), server.spec.faults.clone()))
        });
        let (after, answer) = match (trip, answer) {
            (Some(trip), Some((Some(bytes), _))) => (trip * 2, Some(bytes)),
            // No TCP service: refused, or swallowed like its UDP.
            (Some(trip), Some((None, faults)))
                if !faults.contains(&Fault::WhollyDead { icmp: false }) =>
            {
                (trip, None)
            }
            _ => (patience, None),
        };
        self.queue.at(now + after.min(patience), Event::Tcp(tcp, answer));
    }
}
