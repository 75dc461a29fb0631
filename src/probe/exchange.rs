//! The exchange with the servers, under the planner: what is sent, repeated, matched and recorded.

use super::loss;
use super::record::{
    IcmpError, Outcome, Record, Rejected, RejectedWhy, ServerRecord, SocketRecord, Transaction, Via,
};
use super::transaction::{self, Live, Role, Schedule, ms};
use super::vantage::Allocation;
use super::{Config, Output, RelayId, SocketId, TcpId, Wish};
use crate::ground::icmp::IcmpKind;
use crate::stun::{self, Change, Message, Request, TransactionId};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// RFC 5780 section 4: a client should not begin more than ten transactions a second.
const NEW_PER_SECOND: usize = 10;
/// The window of that rule, with a little room for the jitter of a clock.
const SECOND: Duration = Duration::from_millis(1005);

/// What the planner works with: the record, the transactions in flight, and the outbox.
#[derive(Debug)]
pub(super) struct Exchange {
    pub record: Record,
    pub live: Vec<Live>,
    pub now: Duration,
    sockets: Vec<Socket>,
    pub waiting: Vec<Planned>,
    begun: Vec<Vec<Duration>>,
    by_id: HashMap<TransactionId, usize>,
    pub out: VecDeque<Output>,
    rng: StdRng,
    pub budget: Duration,
    fixed: bool,
    /// TURN servers, as configured.
    pub relays: Vec<(String, SocketAddr)>,
    pub allocations: Vec<Allocation>,
    pub stopped: bool,
    pub done: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Socket {
    Opening,
    Open,
    Failed,
}

/// A transaction to begin as soon as its time and the rate allow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned {
    pub role: Role,
    pub server: usize,
    pub socket: usize,
    pub to: SocketAddr,
    pub expected_from: SocketAddr,
    pub change: Change,
    pub response_port: Option<u16>,
    pub via: Via,
    /// The allocation that it goes to or comes from.
    pub relay: Option<usize>,
    pub schedule: Schedule,
    pub not_before: Duration,
}

impl Exchange {
    /// Nothing sent yet; `seed` makes the transaction ids.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let servers: Vec<ServerRecord> = config
            .servers
            .into_iter()
            .map(|(uri, address)| ServerRecord::new(uri, address))
            .collect();
        Self {
            begun: vec![Vec::new(); servers.len()],
            record: Record { servers, ..Record::default() },
            live: Vec::new(),
            now: Duration::ZERO,
            sockets: Vec::new(),
            waiting: Vec::new(),
            by_id: HashMap::new(),
            out: VecDeque::new(),
            rng: StdRng::from_seed(seed),
            budget: config.budget,
            fixed: config.fixed,
            relays: config.relays,
            allocations: Vec::new(),
            stopped: false,
            done: false,
        }
    }

    /// Asks for a fresh socket; its index is also its [`SocketId`].
    pub fn open(&mut self, toward: SocketAddr) -> usize {
        self.open_socket(toward, false)
    }

    /// The same on the port of the user's choice, where there is one.
    pub fn open_fixed(&mut self, toward: SocketAddr) -> usize {
        self.open_socket(toward, self.fixed)
    }

    fn open_socket(&mut self, toward: SocketAddr, fixed: bool) -> usize {
        let index = self.sockets.len();
        self.sockets.push(Socket::Opening);
        let local = SocketAddr::new(unspecified(toward), 0);
        let socket = SocketRecord::new(format!("s{}", index + 1), local);
        self.record.sockets.push(SocketRecord { fixed, ..socket });
        self.out.push_back(Output::Open { socket: SocketId(index), toward, fixed });
        index
    }

    /// One more server to ask, which another one named.
    pub fn add_server(&mut self, server: ServerRecord) {
        self.record.servers.push(server);
        self.begun.push(Vec::new());
    }

    pub fn socket(&self, index: usize) -> Socket {
        self.sockets.get(index).copied().unwrap_or(Socket::Failed)
    }

    /// The address of the socket, once open.
    pub fn local(&self, index: usize) -> Option<SocketAddr> {
        (self.socket(index) == Socket::Open).then(|| self.record.sockets[index].local)
    }

    pub fn plan(&mut self, planned: Planned) {
        self.waiting.push(planned);
    }

    /// Whether a transaction of this role waits to begin.
    pub fn is_waiting(&self, server: usize, role: Role) -> bool {
        self.waiting.iter().any(|p| p.server == server && p.role == role)
    }

    /// The last transaction of this role about this server.
    pub fn find(&self, server: usize, role: Role) -> Option<usize> {
        self.live.iter().rposition(|live| live.server == server && live.role == role)
    }

    /// Whether it was begun and the planner need wait for it no longer.
    pub fn is_settled(&self, server: usize, role: Role) -> bool {
        self.find(server, role).is_some_and(|index| self.live[index].settled)
    }

    /// The mapped address that the transaction of this role learned.
    pub fn mapped(&self, server: usize, role: Role) -> Option<SocketAddr> {
        let index = self.find(server, role)?;
        self.record.transactions[index].received.as_ref().map(|reply| reply.mapped)
    }

    pub fn was_answered(&self, server: usize, role: Role) -> bool {
        self.mapped(server, role).is_some()
    }

    /// Ends the wait for it without an answer.
    pub fn settle(&mut self, index: usize) {
        self.live[index].settle(self.now, &mut self.record.transactions[index]);
    }

    /// The first gap of retransmissions to a server: 100 ms until its round trip is known.
    pub fn gap(&self, server: usize) -> Duration {
        loss::rtt(&self.record, server).map_or(Duration::from_millis(100), |rtt| {
            Duration::from_micros(crate::probe::whole(rtt.mul_add(1750.0, 40_000.0)))
        })
    }

    /// A random order of these items.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.rng.random_range(0..=i));
        }
    }

    pub fn begin_planned(&mut self) {
        let mut index = 0;
        while index < self.waiting.len() {
            let planned = self.waiting[index];
            if self.may_begin(&planned) {
                self.waiting.remove(index);
                self.begin(planned);
            } else {
                index += 1;
            }
        }
    }

    fn may_begin(&mut self, planned: &Planned) -> bool {
        planned.not_before <= self.now && self.rate_allows_at(planned.server) <= self.now
    }

    /// When the next transaction may begin by the rate alone.
    fn rate_allows_at(&self, server: usize) -> Duration {
        let begun = &self.begun[server];
        begun.len().checked_sub(NEW_PER_SECOND).map_or(Duration::ZERO, |i| begun[i] + SECOND)
    }

    fn begin(&mut self, planned: Planned) {
        let mut id = TransactionId::default();
        self.rng.fill_bytes(&mut id);
        let request = Request { change: planned.change, response_port: planned.response_port };
        let index = self.record.transactions.len();
        let tcp = planned.via == Via::Tcp;
        self.record.transactions.push(Transaction {
            id: format!("t{}", index + 1),
            socket: if tcp {
                String::new()
            } else {
                self.record.sockets[planned.socket].id.clone()
            },
            about: planned.server,
            server: planned.to,
            via: planned.via,
            change: planned.change,
            response_port: planned.response_port,
            expected_from: planned.expected_from,
            sent: Vec::new(),
            closed: ms(self.now),
            received: None,
            again: Vec::new(),
            rejected: Vec::new(),
            icmp: Vec::new(),
            outcome: Outcome::Unsent,
        });
        self.live.push(Live {
            role: planned.role,
            server: planned.server,
            socket: planned.socket,
            relay: planned.relay,
            id,
            bytes: match planned.via {
                Via::Udp | Via::Tcp => stun::encode_request(id, request),
                Via::ToRelay | Via::FromRelay => stun::encode_indication(id),
            },
            schedule: planned.schedule,
            due: None,
            settled: false,
        });
        self.by_id.insert(id, index);
        self.begun[planned.server].push(self.now);
        if tcp { self.send_tcp(index) } else { self.send(index) }
    }

    /// Sends one try.
    pub fn send(&mut self, index: usize) {
        let live = &mut self.live[index];
        let transaction = &mut self.record.transactions[index];
        if self.sockets.get(live.socket) != Some(&Socket::Open) {
            live.settle(self.now, transaction);
            return;
        }
        live.sent(self.now, transaction);
        let (to, bytes) = (transaction.server, live.bytes.clone());
        self.out.push_back(match live.relay.filter(|_| transaction.via == Via::FromRelay) {
            Some(relay) => Output::Relay { relay: RelayId(relay), wish: Wish::Send { to, bytes } },
            None => Output::Send { socket: SocketId(live.socket), to, bytes },
        });
    }

    fn send_tcp(&mut self, index: usize) {
        let live = &mut self.live[index];
        let transaction = &mut self.record.transactions[index];
        transaction.sent.push(ms(self.now));
        let patience = Duration::from_secs(2);
        live.due = Some(self.now + patience);
        let (to, bytes) = (transaction.server, live.bytes.clone());
        self.out.push_back(Output::Tcp { tcp: TcpId(index), to, bytes, patience });
    }

    pub fn retransmit(&mut self) {
        for index in 0..self.live.len() {
            let live = &self.live[index];
            if live.settled || live.due.is_none_or(|due| due > self.now) {
                continue;
            }
            if live.role == Role::Tcp || live.spent(&self.record.transactions[index]) {
                self.settle(index);
            } else {
                self.send(index);
            }
        }
    }

    pub fn next_wake(&self) -> Option<Duration> {
        let retries = self.live.iter().filter(|live| !live.settled).filter_map(|live| live.due);
        let begins = self.waiting.iter().map(|p| p.not_before.max(self.rate_allows_at(p.server)));
        retries.chain(begins).min()
    }

    pub fn opened(&mut self, socket: SocketId, local: SocketAddr) {
        if let Some(state) = self.sockets.get_mut(socket.0) {
            *state = Socket::Open;
            self.record.sockets[socket.0].local = local;
        }
    }

    pub fn open_failed(&mut self, socket: SocketId, why: &str) {
        if let Some(state) = self.sockets.get_mut(socket.0) {
            *state = Socket::Failed;
            self.record.sockets[socket.0].failed = Some(stun::text::safe(why.as_bytes()));
        }
    }

    pub fn datagram(&mut self, socket: SocketId, from: SocketAddr, bytes: &[u8]) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let read = transaction::answer(bytes);
        let id = match &read {
            Ok(message) => Some(message.id),
            Err((id, _)) => *id,
        };
        let known = id.and_then(|id| self.transaction_of(id));
        let Some(index) = known.or_else(|| self.expects(socket, from)) else {
            self.record.strays = self.record.strays.saturating_add(1);
            return;
        };
        let news = match read {
            Ok(message) if known.is_some() => self.take(index, socket, from, &message),
            Ok(_) => self.reject(index, Rejected::new(ms(self.now), from, RejectedWhy::WrongId)),
            Err((_, what)) => {
                let rejected = Rejected::new(ms(self.now), from, RejectedWhy::Malformed);
                self.reject(index, Rejected { says: Some(what), ..rejected })
            }
        };
        if news {
            self.out.push_back(Output::Progress);
        }
    }

    /// A message with a request's id. Returns whether it was news.
    fn take(
        &mut self,
        index: usize,
        socket: SocketId,
        from: SocketAddr,
        message: &Message,
    ) -> bool {
        let live = &self.live[index];
        let right_socket = live.socket == socket.0 && live.role != Role::Tcp;
        let transaction = &mut self.record.transactions[index];
        // Each try may be answered, and some servers answer twice: a flood is not worth recording.
        if transaction.again.len() >= 256 {
            return false;
        }
        let news = transaction::take(transaction, self.now, from, right_socket, message);
        if news {
            self.settle_on_news(index);
        }
        news
    }

    /// What is no answer, and must not end the wait for one: anybody may have sent it.
    fn reject(&mut self, index: usize, rejected: Rejected) -> bool {
        transaction::reject(&mut self.record.transactions[index], rejected);
        true
    }

    /// The last request of this socket that may be answered from there.
    fn expects(&self, socket: SocketId, from: SocketAddr) -> Option<usize> {
        let mut asked = self.live.iter().zip(&self.record.transactions);
        asked.rposition(|(live, t)| {
            live.socket == socket.0
                && live.role != Role::Tcp
                && (t.server == from || t.expected_from == from)
        })
    }

    /// The transaction that has this id.
    pub fn transaction_of(&self, id: TransactionId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// An answer ends the wait, and so does a refusal that no further try would change.
    pub fn settle_on_news(&mut self, index: usize) {
        let t = &self.record.transactions[index];
        let hopeless = t.rejected.iter().any(|r| {
            let damaged = matches!(r.why, RejectedWhy::Malformed | RejectedWhy::WrongId);
            r.from == t.server && r.code != Some(500) && !damaged
        });
        if (t.received.is_some() || hopeless) && !self.live[index].role.goes_on() {
            self.settle(index);
        }
    }

    pub fn icmp(
        &mut self,
        socket: SocketId,
        to: SocketAddr,
        offender: Option<IpAddr>,
        kind: IcmpKind,
    ) {
        let error = IcmpError { at: ms(self.now), offender, kind };
        for index in 0..self.live.len() {
            let (live, t) = (&self.live[index], &mut self.record.transactions[index]);
            if live.socket != socket.0 || t.server != to || live.role == Role::Tcp || live.settled {
                continue;
            }
            if t.icmp.len() < 8 {
                t.icmp.push(error.clone());
            }
            // One error may be forged or transient; two with no answer between are believed.
            if t.icmp.len() >= 2 && self.live[index].schedule != Schedule::ByHand {
                self.settle(index);
            }
        }
    }

    pub fn tcp(&mut self, tcp: TcpId, bytes: Option<&[u8]>) {
        let Some(live) = self.live.get(tcp.0).filter(|live| live.role == Role::Tcp) else { return };
        let id = live.id;
        let read = bytes.and_then(|bytes| transaction::answer(bytes).ok());
        if let Some(message) = read.filter(|message| message.id == id) {
            let transaction = &mut self.record.transactions[tcp.0];
            let from = transaction.server;
            transaction::take(transaction, self.now, from, true, &message);
        }
        self.settle(tcp.0);
        self.out.push_back(Output::Progress);
    }

    pub fn finish(&mut self, cut_short: bool) {
        for index in 0..self.live.len() {
            self.settle(index);
        }
        self.record.cut_short = cut_short;
        self.done = true;
        self.out.push_back(Output::Progress);
    }
}

fn unspecified(like: SocketAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}
