//! What is tested when (RFC 5780 section 4, with controls).
//!
//! First part, for every server side by side, each with a fresh *filter socket*: a plain request,
//! then CHANGE-REQUESTs that ask for answers from the alternate addresses, which nothing in this
//! run has touched yet, with a heartbeat beside them. When all servers are through, second part:
//! one fresh *mapping socket* asks every server and its alternates; then the pinhole controls ask
//! for answers from alternates that this socket has opened its own way to; and the filter socket
//! asks the alternate that sent it unsolicited packets, to see whether those spoiled its mapping.
//!
//! The other endpoints of a server with RFC 5780 are its other port, its other address with the other
//! port, and its other address with the first port. The last is asked only where the other port
//! shows nothing, which a firewall on the way may close; and then, before anything has touched the
//! other address, the filter test is made once more with an answer from there.
//!
//! Third part, where a TURN account is given and the servers left something open: `vantage`.
//!
//! Where the mapping differs per destination, a pinhole control needs RESPONSE-PORT: the answer is
//! asked for at the very mapping that was opened toward the alternate.

use super::address::{check_other, check_port, may_follow};
use super::exchange::{Exchange, Planned, Socket};
use super::record::{ServerRecord, Via};
use super::transaction::{Role, Schedule};
use crate::stun::Change;
use std::net::SocketAddr;
use std::time::Duration;
use vantage::Vantage;
use window::Window;

mod mapping;
mod vantage;
mod window;

/// How long a server may be silent before TCP is tried beside.
const TCP_AFTER: Duration = Duration::from_millis(500);
/// Tries of a plain request: at 30 % loss each way one in three thousand still fails.
const TRIES: usize = 12;
/// How long those take, at the gaps of a server that nothing is known of.
const USUAL: Duration = Duration::from_millis(2300);
/// Between two new requests: not a burst, and the order in which ports are given out shows.
const APART: Duration = Duration::from_millis(4);
/// What is kept of the budget for the end of the run.
const MARGIN: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Contact,
    Filter,
    Ready,
    Mapping,
    /// The filter test from the other address with the first port.
    Again,
    Controls,
    Done,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    /// The filter socket.
    socket: usize,
    phase: Phase,
    /// OTHER-ADDRESS where it is fit to be asked.
    both: Option<SocketAddr>,
    /// The other port of the same address, likewise.
    port: Option<SocketAddr>,
    window: Window,
    later: mapping::Later,
    /// The socket of the extra mapping.
    extra: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Plan {
    servers: Vec<Server>,
    /// The mapping socket, opened when the first part is through.
    mapping: Option<usize>,
    vantage: Vantage,
}

impl Server {
    fn new(exchange: &mut Exchange, address: SocketAddr) -> Self {
        Self {
            address,
            socket: exchange.open(address),
            phase: Phase::Contact,
            both: None,
            port: None,
            window: Window::default(),
            later: mapping::Later::default(),
            extra: None,
        }
    }
}

impl Plan {
    pub fn new(exchange: &mut Exchange) -> Self {
        let addresses: Vec<SocketAddr> =
            exchange.record.servers.iter().map(|s| s.address).collect();
        let servers = addresses.into_iter().map(|address| Server::new(exchange, address)).collect();
        Self { servers, mapping: None, vantage: Vantage::default() }
    }

    /// A server that sends its clients to another one (300) has that one asked in its place, once.
    fn follow(&mut self, exchange: &mut Exchange) {
        for index in 0..self.servers.len() {
            let Some((from, to)) = redirect(exchange, index) else { continue };
            let known = |server: &ServerRecord| server.address == to;
            if may_follow(from, to).is_ok() && !exchange.record.servers.iter().any(known) {
                let uri = format!("stun:{to}");
                exchange
                    .add_server(ServerRecord { sent_by: Some(from), ..ServerRecord::new(uri, to) });
                self.servers.push(Server::new(exchange, to));
            }
        }
    }

    /// Does what can be done now; true when there is nothing left to do.
    pub fn advance(&mut self, exchange: &mut Exchange) -> bool {
        for (index, server) in self.servers.iter_mut().enumerate() {
            match server.phase {
                Phase::Contact => contact(exchange, index, server),
                Phase::Filter => window::first_test(exchange, index, server),
                _ => {}
            }
        }
        if self.mapping.is_none() {
            self.follow(exchange);
        }
        if self.servers.iter().any(|s| s.phase < Phase::Ready) {
            return false;
        }
        let Some(socket) = self.mapping else {
            let toward = self.servers.iter().enumerate();
            let alive =
                toward.filter(|(i, _)| exchange.was_answered(*i, Role::Contact)).map(|(_, s)| s);
            let Some(first) = alive.map(|s| s.address).next() else { return true };
            self.mapping = Some(exchange.open_fixed(first));
            return false;
        };
        if exchange.socket(socket) == Socket::Opening {
            return false;
        }
        for (index, server) in self.servers.iter_mut().enumerate() {
            match server.phase {
                Phase::Ready => mapping::begin(exchange, index, server, socket),
                Phase::Mapping => mapping::mapped(exchange, index, server, socket),
                Phase::Again => mapping::second_test(exchange, index, server, socket),
                Phase::Controls => mapping::controls(exchange, index, server),
                _ => {}
            }
        }
        self.servers.iter().all(|s| s.phase == Phase::Done) && self.vantage.advance(exchange)
    }

    pub fn next_wake(&self, exchange: &Exchange) -> Option<Duration> {
        let testing = |s: &&Server| matches!(s.phase, Phase::Filter | Phase::Again);
        let slots = self.servers.iter().filter(testing).filter_map(|s| s.window.next_wake());
        let contacts = self.servers.iter().enumerate();
        let tcp = contacts
            .filter(|(i, s)| s.phase == Phase::Contact && exchange.find(*i, Role::Tcp).is_none())
            .filter_map(|(i, _)| began(exchange, i, Role::Contact).map(|t| t + TCP_AFTER))
            .filter(|&t| t > exchange.now);
        let given_up = self.servers.iter().enumerate();
        let given_up = given_up
            .filter(|(i, s)| s.phase == Phase::Contact && !exchange.is_settled(*i, Role::Contact))
            .filter_map(|(i, _)| patience(exchange, i))
            .filter(|&t| t > exchange.now);
        slots.chain(tcp).chain(given_up).chain(self.vantage.next_wake()).min()
    }
}

/// Where a server that was asked sends its clients, and the server.
fn redirect(exchange: &Exchange, index: usize) -> Option<(SocketAddr, SocketAddr)> {
    let server = exchange.record.servers.get(index)?;
    let contact = &exchange.record.transactions[exchange.find(index, Role::Contact)?];
    let said = contact.rejected.iter().find(|r| r.from == contact.server && r.code == Some(300))?;
    let first = server.sent_by.is_none() && contact.received.is_none();
    Some((server.address, said.alternate.filter(|_| first)?))
}

/// Until when an answer of this server is waited for. As long as no server has said anything over
/// UDP, nor this one over TCP, until the budget is spent: the first answer may come after seconds.
/// Otherwise as long as its tries last, or twice the time of the slowest answer, so that one dead
/// server does not hold up the others.
fn patience(exchange: &Exchange, index: usize) -> Option<Duration> {
    let began = began(exchange, index, Role::Contact)?;
    let usual = began + USUAL;
    let slowest = (0..exchange.record.servers.len()).filter_map(|i| heard(exchange, i)).max();
    let until = match (slowest, tcp(exchange, index)) {
        (Some(slowest), _) => began + slowest * 2 + Duration::from_millis(500),
        (None, Some(took)) => began + took * 4,
        (None, None) => exchange.budget.saturating_sub(MARGIN),
    };
    Some(until.max(usual))
}

/// How long the first sign of life of a server took.
fn heard(exchange: &Exchange, index: usize) -> Option<Duration> {
    let contact = &exchange.record.transactions[exchange.find(index, Role::Contact)?];
    let answer = contact.received.as_ref().map(|reply| reply.at);
    let at = answer.or_else(|| contact.rejected.first().map(|r| r.at))?;
    Some(since(at - contact.sent.first()?))
}

/// How long the server took to answer over TCP.
fn tcp(exchange: &Exchange, index: usize) -> Option<Duration> {
    let tcp = &exchange.record.transactions[exchange.find(index, Role::Tcp)?];
    Some(since(tcp.received.as_ref()?.at - tcp.sent.first()?))
}

/// So many milliseconds, as the record has them.
fn since(ms: f64) -> Duration {
    Duration::from_micros(crate::probe::whole(ms * 1000.0))
}

/// When the transaction of this role was first sent.
fn began(exchange: &Exchange, server: usize, role: Role) -> Option<Duration> {
    let sent = *exchange.record.transactions[exchange.find(server, role)?].sent.first()?;
    Some(Duration::from_micros(crate::probe::whole(sent * 1000.0)))
}

fn plain(role: Role, server: usize, socket: usize, to: SocketAddr, exchange: &Exchange) -> Planned {
    Planned {
        role,
        server,
        socket,
        to,
        expected_from: to,
        change: Change::NONE,
        response_port: None,
        via: if role == Role::Tcp { Via::Tcp } else { Via::Udp },
        relay: None,
        schedule: Schedule::Backoff { gap: exchange.gap(server), tries: TRIES },
        not_before: exchange.now,
    }
}

fn contact(exchange: &mut Exchange, index: usize, server: &mut Server) {
    if exchange.socket(server.socket) == Socket::Opening {
        return;
    }
    let Some(contact) = exchange.find(index, Role::Contact) else {
        if !exchange.is_waiting(index, Role::Contact) {
            let mut request = plain(Role::Contact, index, server.socket, server.address, exchange);
            request.schedule = Schedule::Patient { gap: exchange.gap(index), tries: TRIES };
            exchange.plan(request);
        }
        return;
    };
    if exchange.was_answered(index, Role::Contact) {
        learn_alternates(exchange, contact, server);
        server.phase =
            if server.port.or(server.both).is_some() { Phase::Filter } else { Phase::Ready };
        if server.phase == Phase::Filter {
            server.window = Window::first(server);
            window::first_test(exchange, index, server);
        }
        return;
    }
    if patience(exchange, index).is_some_and(|until| until <= exchange.now) {
        exchange.settle(contact);
    }
    let settled = exchange.is_settled(index, Role::Contact);
    // It lives and said no, or nothing could be sent at all: TCP would show nothing more.
    let t = &exchange.record.transactions[contact];
    if settled && (t.sent.is_empty() || t.rejected.iter().any(|r| r.from == t.server)) {
        server.phase = Phase::Ready;
        return;
    }
    let late = began(exchange, index, Role::Contact).is_some_and(|t| exchange.now >= t + TCP_AFTER);
    if exchange.find(index, Role::Tcp).is_none() && !exchange.is_waiting(index, Role::Tcp) {
        if late || settled {
            let request = plain(Role::Tcp, index, server.socket, server.address, exchange);
            exchange.plan(request);
        }
    } else if settled && exchange.is_settled(index, Role::Tcp) {
        server.phase = Phase::Ready;
    }
}

fn learn_alternates(exchange: &Exchange, contact: usize, server: &mut Server) {
    let Some(reply) = &exchange.record.transactions[contact].received else { return };
    let Some(other) = reply.other else { return };
    server.both = check_other(server.address, other).is_ok().then_some(other);
    server.port = check_port(server.address, other)
        .is_ok()
        .then(|| SocketAddr::new(server.address.ip(), other.port()));
}
