//! What is tested when (RFC 5780 section 4, with controls).
//!
//! First part, for every server side by side, each with a fresh *filter socket*: a plain request,
//! then CHANGE-REQUESTs that ask for answers from the alternate addresses, which nothing in this
//! run has touched yet, with a heartbeat beside them. When all servers are through, second part:
//! one fresh *mapping socket* asks every server and its alternates; then the pinhole controls ask
//! for answers from alternates that this socket has opened its own way to; and the filter socket
//! asks the alternate that sent it unsolicited packets, to see whether those spoiled its mapping.
//!
//! Where the mapping differs per destination, a pinhole control needs RESPONSE-PORT: the answer is
//! asked for at the very mapping that was opened toward the alternate.

use super::address::{check_other, check_port, may_follow};
use super::core::{Core, Planned, Socket};
use super::loss;
use super::record::ServerRecord;
use super::transaction::{Role, Schedule, ms};
use crate::stun::Change;
use std::net::SocketAddr;
use std::time::Duration;

/// Gap between two packets of a filter test; three transactions take turns.
const SLOT: Duration = Duration::from_millis(20);
/// A filter test goes on until silence by chance is less likely than this.
pub(super) const SILENCE_PLANNED: f64 = 2e-7;
/// The longest filter test, in tries of each transaction.
const MAX_ROUNDS: u32 = 40;
/// How long a server may be silent before TCP is tried beside.
const TCP_AFTER: Duration = Duration::from_millis(500);
/// Tries of a plain request: at 30 % loss each way one in three thousand still fails.
const TRIES: usize = 12;
/// How long those take, at the gaps of a server that nothing is known of.
const USUAL: Duration = Duration::from_millis(2300);
/// What is kept of the budget for the end of the run.
const MARGIN: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Contact,
    Filter,
    Ready,
    Mapping,
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
    /// The socket of the extra mapping.
    extra: Option<usize>,
}

/// The filter test in progress.
#[derive(Debug, Default)]
struct Window {
    round: u32,
    turn: Vec<Role>,
    next: Option<Duration>,
    /// All tries are out; listening ends at this time.
    closing: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Plan {
    servers: Vec<Server>,
    /// The mapping socket, opened when the first part is through.
    mapping: Option<usize>,
}

impl Server {
    fn new(core: &mut Core, address: SocketAddr) -> Self {
        Self {
            address,
            socket: core.open(address),
            phase: Phase::Contact,
            both: None,
            port: None,
            window: Window::default(),
            extra: None,
        }
    }
}

impl Plan {
    pub fn new(core: &mut Core) -> Self {
        let addresses: Vec<SocketAddr> = core.record.servers.iter().map(|s| s.address).collect();
        let servers = addresses.into_iter().map(|address| Server::new(core, address)).collect();
        Self { servers, mapping: None }
    }

    /// A server that sends its clients to another one (300) has that one asked in its place, once.
    fn follow(&mut self, core: &mut Core) {
        for index in 0..self.servers.len() {
            let Some((from, to)) = redirect(core, index) else { continue };
            let known = |server: &ServerRecord| server.address == to;
            if may_follow(from, to).is_ok() && !core.record.servers.iter().any(known) {
                let uri = format!("stun:{to}");
                core.add_server(ServerRecord { uri, address: to, sent_by: Some(from) });
                self.servers.push(Server::new(core, to));
            }
        }
    }

    /// Does what can be done now; true when there is nothing left to do.
    pub fn advance(&mut self, core: &mut Core) -> bool {
        for (index, server) in self.servers.iter_mut().enumerate() {
            match server.phase {
                Phase::Contact => contact(core, index, server),
                Phase::Filter => filter(core, index, server),
                _ => {}
            }
        }
        if self.mapping.is_none() {
            self.follow(core);
        }
        if self.servers.iter().any(|s| s.phase < Phase::Ready) {
            return false;
        }
        let Some(mapping) = self.mapping else {
            let toward = self.servers.iter().enumerate();
            let alive =
                toward.filter(|(i, _)| core.was_answered(*i, Role::Contact)).map(|(_, s)| s);
            let Some(first) = alive.map(|s| s.address).next() else { return true };
            self.mapping = Some(core.open_fixed(first));
            return false;
        };
        if core.socket(mapping) == Socket::Opening {
            return false;
        }
        for (index, server) in self.servers.iter_mut().enumerate() {
            match server.phase {
                Phase::Ready => begin_mapping(core, index, server, mapping),
                Phase::Mapping => mapped(core, index, server, mapping),
                Phase::Controls => controls(core, index, server),
                _ => {}
            }
        }
        self.servers.iter().all(|s| s.phase == Phase::Done)
    }

    pub fn next_wake(&self, core: &Core) -> Option<Duration> {
        let windows = self.servers.iter().filter(|s| s.phase == Phase::Filter);
        let slots = windows.filter_map(|s| s.window.closing.or(s.window.next));
        let contacts = self.servers.iter().enumerate();
        let tcp = contacts
            .filter(|(i, s)| s.phase == Phase::Contact && core.find(*i, Role::Tcp).is_none())
            .filter_map(|(i, _)| began(core, i, Role::Contact).map(|t| t + TCP_AFTER))
            .filter(|&t| t > core.now);
        let given_up = self.servers.iter().enumerate();
        let given_up = given_up
            .filter(|(i, s)| s.phase == Phase::Contact && !core.is_settled(*i, Role::Contact))
            .filter_map(|(i, _)| patience(core, i))
            .filter(|&t| t > core.now);
        slots.chain(tcp).chain(given_up).min()
    }
}

/// Where a server that was asked sends its clients, and the server.
fn redirect(core: &Core, index: usize) -> Option<(SocketAddr, SocketAddr)> {
    let server = core.record.servers.get(index)?;
    let contact = &core.record.transactions[core.find(index, Role::Contact)?];
    let said = contact.rejected.iter().find(|r| r.from == contact.server && r.code == Some(300))?;
    let first = server.sent_by.is_none() && contact.received.is_none();
    Some((server.address, said.alternate.filter(|_| first)?))
}

/// Until when an answer of this server is waited for. As long as no server has said anything over
/// UDP, nor this one over TCP, until the budget is spent: the first answer may come after seconds.
/// Otherwise as long as its tries last, or twice the time of the slowest answer, so that one dead
/// server does not hold up the others.
fn patience(core: &Core, index: usize) -> Option<Duration> {
    let began = began(core, index, Role::Contact)?;
    let usual = began + USUAL;
    let slowest = (0..core.record.servers.len()).filter_map(|i| heard(core, i)).max();
    let until = match (slowest, tcp(core, index)) {
        (Some(slowest), _) => began + slowest * 2 + Duration::from_millis(500),
        (None, Some(took)) => began + took * 4,
        (None, None) => core.budget.saturating_sub(MARGIN),
    };
    Some(until.max(usual))
}

/// How long the first sign of life of a server took.
fn heard(core: &Core, index: usize) -> Option<Duration> {
    let contact = &core.record.transactions[core.find(index, Role::Contact)?];
    let answer = contact.received.as_ref().map(|reply| reply.at);
    let at = answer.or_else(|| contact.rejected.first().map(|r| r.at))?;
    Some(since(at - contact.sent.first()?))
}

/// How long the server took to answer over TCP.
fn tcp(core: &Core, index: usize) -> Option<Duration> {
    let tcp = &core.record.transactions[core.find(index, Role::Tcp)?];
    Some(since(tcp.received.as_ref()?.at - tcp.sent.first()?))
}

/// So many milliseconds, as the record has them.
fn since(ms: f64) -> Duration {
    Duration::from_micros(crate::probe::whole(ms * 1000.0))
}

/// When the transaction of this role was first sent.
fn began(core: &Core, server: usize, role: Role) -> Option<Duration> {
    let sent = *core.record.transactions[core.find(server, role)?].sent.first()?;
    Some(Duration::from_micros(crate::probe::whole(sent * 1000.0)))
}

fn plain(role: Role, server: usize, socket: usize, to: SocketAddr, core: &Core) -> Planned {
    Planned {
        role,
        server,
        socket,
        to,
        expected_from: to,
        change: Change::NONE,
        response_port: None,
        schedule: Schedule::Backoff { gap: core.gap(server), tries: TRIES },
        not_before: core.now,
    }
}

fn contact(core: &mut Core, index: usize, server: &mut Server) {
    if core.socket(server.socket) == Socket::Opening {
        return;
    }
    let Some(contact) = core.find(index, Role::Contact) else {
        if !core.is_waiting(index, Role::Contact) {
            let mut request = plain(Role::Contact, index, server.socket, server.address, core);
            request.schedule = Schedule::Patient { gap: core.gap(index), tries: TRIES };
            core.plan(request);
        }
        return;
    };
    if core.was_answered(index, Role::Contact) {
        learn_alternates(core, contact, server);
        server.phase =
            if server.port.or(server.both).is_some() { Phase::Filter } else { Phase::Ready };
        if server.phase == Phase::Filter {
            filter(core, index, server);
        }
        return;
    }
    if patience(core, index).is_some_and(|until| until <= core.now) {
        core.settle(contact);
    }
    let settled = core.is_settled(index, Role::Contact);
    // It lives and said no, or nothing could be sent at all: TCP would show nothing more.
    let t = &core.record.transactions[contact];
    if settled && (t.sent.is_empty() || t.rejected.iter().any(|r| r.from == t.server)) {
        server.phase = Phase::Ready;
        return;
    }
    let late = began(core, index, Role::Contact).is_some_and(|t| core.now >= t + TCP_AFTER);
    if core.find(index, Role::Tcp).is_none() && !core.is_waiting(index, Role::Tcp) {
        if late || settled {
            let request = plain(Role::Tcp, index, server.socket, server.address, core);
            core.plan(request);
        }
    } else if settled && core.is_settled(index, Role::Tcp) {
        server.phase = Phase::Ready;
    }
}

fn learn_alternates(core: &Core, contact: usize, server: &mut Server) {
    let Some(reply) = &core.record.transactions[contact].received else { return };
    let Some(other) = reply.other else { return };
    server.both = check_other(server.address, other).is_ok().then_some(other);
    server.port = check_port(server.address, other)
        .is_ok()
        .then(|| SocketAddr::new(server.address.ip(), other.port()));
}

/// The filter test: sends one try per slot, the transactions in turn and in random order, so that
/// a server that limits its rate cannot swallow always the same one.
fn filter(core: &mut Core, index: usize, server: &mut Server) {
    let answered = |core: &Core, role| core.was_answered(index, role);
    let over = |core: &Core, role, wanted: bool| !wanted || core.is_settled(index, role);
    let all_over = over(core, Role::FilterBoth, server.both.is_some())
        && over(core, Role::FilterPort, server.port.is_some());
    // An answer from the other address settles the question: nothing is filtered.
    let open = answered(core, Role::FilterBoth);
    if open || all_over || server.window.closing.is_some_and(|t| t <= core.now) {
        for role in [Role::FilterBoth, Role::FilterPort, Role::Heartbeat] {
            if let Some(test) = core.find(index, role) {
                core.settle(test);
            }
        }
        server.phase = Phase::Ready;
        return;
    }
    if server.window.closing.is_some() || server.window.next.is_some_and(|t| t > core.now) {
        return;
    }
    if server.window.turn.is_empty() && !next_round(core, index, server) {
        return;
    }
    server.window.next = Some(core.now + SLOT);
    if let Some(role) = server.window.turn.pop() {
        match core.find(index, role) {
            None => begin_filter(core, index, server, role),
            Some(test) if !core.live[test].settled => core.send(test),
            Some(_) => {}
        }
    }
}

/// Deals the turns of another round; false when the test has run long enough.
fn next_round(core: &mut Core, index: usize, server: &mut Server) -> bool {
    let rtt = loss::rtt(&core.record, index).unwrap_or(100.0);
    let patience = loss::patience(rtt);
    let sample = loss::sample(&core.record, index, ms(core.now), patience);
    let rounds = server.window.round;
    if rounds >= MAX_ROUNDS || sample.chance_all_lost(rounds) <= SILENCE_PLANNED {
        let wait = Duration::from_micros(crate::probe::whole(patience * 1000.0));
        server.window.closing = Some(core.now + wait);
        return false;
    }
    let mut turn = vec![Role::Heartbeat];
    turn.extend(server.port.map(|_| Role::FilterPort));
    turn.extend(server.both.map(|_| Role::FilterBoth));
    // The first round asks for the most telling answer first; the last of the turn goes first.
    if rounds > 0 {
        core.shuffle(&mut turn);
    }
    server.window.turn = turn;
    server.window.round += 1;
    true
}

fn begin_filter(core: &mut Core, index: usize, server: &Server, role: Role) {
    let mut request = plain(role, index, server.socket, server.address, core);
    request.schedule = Schedule::ByHand;
    match (role, server.both, server.port) {
        (Role::FilterBoth, Some(both), _) => {
            request.change = Change::BOTH;
            request.expected_from = both;
        }
        (Role::FilterPort, _, Some(port)) => {
            request.change = Change::PORT;
            request.expected_from = port;
        }
        _ => {}
    }
    core.plan(request);
}

/// The alternate whose silence the filtering verdict rests on, and which therefore sent the filter
/// socket what the NAT may have refused.
fn suspect(core: &Core, index: usize, server: &Server) -> Option<SocketAddr> {
    let silent_port = server.port.filter(|_| !core.was_answered(index, Role::FilterPort));
    if core.was_answered(index, Role::FilterBoth) {
        server.both
    } else {
        silent_port.or(server.both)
    }
}

fn begin_mapping(core: &mut Core, index: usize, server: &mut Server, mapping: usize) {
    if core.socket(mapping) == Socket::Failed || !core.was_answered(index, Role::Contact) {
        server.phase = Phase::Done;
        return;
    }
    let targets = [
        (Role::MapPrimary, Some(server.address), mapping),
        (Role::MapBoth, server.both, mapping),
        (Role::MapPort, server.port, mapping),
        (Role::Poison, suspect(core, index, server), server.socket),
    ];
    // A few milliseconds apart: not a burst, and the order in which ports are given out shows.
    let mut at = core.now;
    for (role, to, socket) in targets {
        if let Some(to) = to {
            core.plan(Planned { not_before: at, ..plain(role, index, socket, to, core) });
            at += Duration::from_millis(4);
        }
    }
    let kept = core.mapped(index, Role::Contact).map(|m| m.port())
        == core.local(server.socket).map(|l| l.port());
    if !kept {
        server.extra = Some(core.open(server.address));
    }
    server.phase = Phase::Mapping;
}

fn mapped(core: &mut Core, index: usize, server: &mut Server, mapping: usize) {
    let needed = [
        (Role::MapPrimary, true),
        (Role::MapBoth, server.both.is_some()),
        (Role::MapPort, server.port.is_some()),
    ];
    if needed.iter().any(|&(role, wanted)| wanted && !core.is_settled(index, role)) {
        return;
    }
    let port_silent = !core.was_answered(index, Role::FilterPort);
    let both_silent = !core.was_answered(index, Role::FilterBoth);
    // Silence on the other port alone proves the strictest filter; only an answer from there
    // leaves the other address to be controlled.
    let (port, both) = (server.port, server.both);
    if both_silent && port_silent && port.is_some() {
        plan_control(core, index, server, mapping, Role::ControlPort);
    } else if both_silent && both.is_some() {
        plan_control(core, index, server, mapping, Role::ControlBoth);
    }
    plan_extra(core, index, server);
    server.phase = Phase::Controls;
    controls(core, index, server);
}

fn plan_extra(core: &mut Core, index: usize, server: &mut Server) {
    let Some(extra) = server.extra else { return };
    // Three mappings show how ports are chosen; a dependent mapping has shown them already.
    let primary = core.mapped(index, Role::MapPrimary);
    let dependent = [Role::MapBoth, Role::MapPort]
        .iter()
        .any(|&role| core.mapped(index, role).is_some_and(|m| Some(m) != primary));
    if dependent || core.socket(extra) != Socket::Open {
        server.extra = None;
    } else {
        let request = plain(Role::Extra, index, extra, server.address, core);
        core.plan(request);
    }
}

/// The pinhole control: an answer that must come in, because this socket has sent to where it
/// comes from.
fn plan_control(core: &mut Core, index: usize, server: &Server, mapping: usize, role: Role) {
    let (change, from, opened) = match role {
        Role::ControlPort => (Change::PORT, server.port, Role::MapPort),
        _ => (Change::BOTH, server.both, Role::MapBoth),
    };
    let (Some(from), Some(here), Some(there)) =
        (from, core.mapped(index, Role::MapPrimary), core.mapped(index, opened))
    else {
        return;
    };
    let mut request = plain(role, index, mapping, server.address, core);
    request.change = change;
    request.expected_from = from;
    if here.port() != there.port() {
        request.response_port = Some(there.port());
    }
    // With another external address for the alternate, no answer can be sent there.
    if here.ip() == there.ip() {
        core.plan(request);
    }
}

fn controls(core: &mut Core, index: usize, server: &mut Server) {
    let roles = [Role::ControlPort, Role::ControlBoth, Role::Poison, Role::Extra];
    let open = roles.iter().any(|&role| {
        core.is_waiting(index, role)
            || core.find(index, role).is_some_and(|test| !core.live[test].settled)
    });
    if !open {
        server.phase = Phase::Done;
    }
}
