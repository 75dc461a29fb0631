//! The second part: one mapping socket asks every server and its other endpoints, and then for the
//! answers that must come in through the pinholes it has opened.

use super::window::{Window, asked_for, filter};
use super::{APART, Phase, Server, plain, since};
use crate::probe::exchange::{Exchange, Planned, Socket};
use crate::probe::loss;
use crate::probe::transaction::Role;
use std::net::SocketAddr;
use std::time::Duration;

/// So many unanswered tries make an endpoint look dead. If it only lost them, nothing is lost but
/// the time for another test.
const LOOKS_DEAD: usize = 5;
/// An answer that is repeated later than this, in ms, is not waited for.
const MOST_LATE: f64 = 1000.0;

/// What of the other address is still to be asked.
#[derive(Debug, Default)]
pub(super) struct Later {
    /// The other address and port waits until the other port is seen to live.
    both: bool,
    /// The filter test from the other address with the first port was made.
    tested: bool,
    /// The other address with the first port was asked.
    address: bool,
}

impl Server {
    /// The other address with the first port.
    pub(super) fn other_address(&self) -> Option<SocketAddr> {
        self.both.map(|both| SocketAddr::new(both.ip(), self.address.port()))
    }
}

/// The alternate whose silence the filtering verdict rests on, and which therefore sent the filter
/// socket what the NAT may have refused.
fn suspect(exchange: &Exchange, index: usize, server: &Server) -> Option<SocketAddr> {
    let silent_port = server.port.filter(|_| !exchange.was_answered(index, Role::FilterPort));
    if exchange.was_answered(index, Role::FilterBoth) {
        server.both
    } else {
        silent_port.or(server.both)
    }
}

pub(super) fn begin(exchange: &mut Exchange, index: usize, server: &mut Server, mapping: usize) {
    if exchange.socket(mapping) == Socket::Failed || !exchange.was_answered(index, Role::Contact) {
        server.phase = Phase::Done;
        return;
    }
    // Where neither alternate got through, the other port may be closed on the way. Then the filter
    // test must be made from the other address, which nothing may touch before.
    let silent = |role| !exchange.was_answered(index, role);
    server.later.both = server.port.is_some()
        && server.both.is_some()
        && silent(Role::FilterBoth)
        && silent(Role::FilterPort);
    let both = server.both.filter(|_| !server.later.both);
    let targets = [
        (Role::MapPrimary, Some(server.address), mapping),
        (Role::MapBoth, both, mapping),
        (Role::MapPort, server.port, mapping),
        (Role::Poison, suspect(exchange, index, server), server.socket),
    ];
    let mut at = exchange.now;
    for (role, to, socket) in targets {
        if let Some(to) = to {
            if role == Role::Poison {
                at = at.max(repeated(exchange, index));
            }
            exchange.plan(Planned { not_before: at, ..plain(role, index, socket, to, exchange) });
            at += APART;
        }
    }
    let kept = exchange.mapped(index, Role::Contact).map(|m| m.port())
        == exchange.local(server.socket).map(|l| l.port());
    if !kept {
        server.extra = Some(exchange.open(server.address));
    }
    server.phase = Phase::Mapping;
}

/// Until when a server that repeats its answers may still repeat those of the filter test: a late
/// copy would come in by the way that the filter socket opens for its own test, and would look like
/// an answer that the NAT let in unasked.
fn repeated(exchange: &Exchange, index: usize) -> Duration {
    let of = |role| exchange.find(index, role).map(|i| &exchange.record.transactions[i]);
    let late = of(Role::Contact).and_then(|t| Some(t.again.last()? - t.sent.last()?));
    let Some(late) = late else { return Duration::ZERO };
    let tests = [Role::FilterBoth, Role::FilterPort, Role::FilterAddress].into_iter();
    let last = tests.filter_map(|role| of(role)?.sent.last().copied()).fold(0.0, f64::max);
    let rtt = loss::rtt(&exchange.record, index).unwrap_or(0.0);
    since(last + late.min(MOST_LATE) + loss::patience(rtt))
}

pub(super) fn mapped(exchange: &mut Exchange, index: usize, server: &mut Server, mapping: usize) {
    if server.later.both {
        if exchange.was_answered(index, Role::MapPort) {
            ask_both(exchange, index, server, mapping);
        } else if looks_dead(exchange, index, Role::MapPort) {
            test_again(exchange, index, server);
            return;
        }
    } else if server.both.is_some() && !server.later.address {
        let dead = |role| looks_dead(exchange, index, role);
        let undecided = exchange.was_answered(index, Role::FilterPort)
            && !exchange.was_answered(index, Role::FilterBoth);
        if dead(Role::MapBoth) && undecided && !server.later.tested {
            test_again(exchange, index, server);
            return;
        }
        if dead(Role::MapBoth) || dead(Role::MapPort) {
            ask_address(exchange, index, server, mapping);
        }
    }
    let needed = [
        (Role::MapPrimary, true),
        (Role::MapBoth, server.both.is_some()),
        (Role::MapPort, server.port.is_some()),
        (Role::MapAddress, server.later.address),
    ];
    if needed.iter().any(|&(role, wanted)| wanted && !exchange.is_settled(index, role)) {
        return;
    }
    for role in wanted_controls(exchange, index, server) {
        plan_control(exchange, index, server, mapping, role);
    }
    plan_extra(exchange, index, server);
    server.phase = Phase::Controls;
    controls(exchange, index, server);
}

/// Whether this endpoint has left enough tries unanswered.
fn looks_dead(exchange: &Exchange, index: usize, role: Role) -> bool {
    let Some(asked) = exchange.find(index, role) else { return false };
    !exchange.was_answered(index, role)
        && (exchange.live[asked].settled
            || exchange.record.transactions[asked].sent.len() > LOOKS_DEAD)
}

fn test_again(exchange: &mut Exchange, index: usize, server: &mut Server) {
    server.window = Window::again();
    server.later.tested = true;
    server.phase = Phase::Again;
    filter(exchange, index, server);
}

/// Goes on with the second filter test; when it is over, with what had to wait for it.
pub(super) fn second_test(
    exchange: &mut Exchange,
    index: usize,
    server: &mut Server,
    mapping: usize,
) {
    if !filter(exchange, index, server) {
        return;
    }
    if server.later.both {
        ask_both(exchange, index, server, mapping);
    }
    ask_address(exchange, index, server, mapping);
    server.phase = Phase::Mapping;
}

fn ask_both(exchange: &mut Exchange, index: usize, server: &mut Server, mapping: usize) {
    server.later.both = false;
    if let Some(to) = server.both {
        exchange.plan(plain(Role::MapBoth, index, mapping, to, exchange));
    }
}

fn ask_address(exchange: &mut Exchange, index: usize, server: &mut Server, mapping: usize) {
    server.later.address = true;
    if let Some(to) = server.other_address() {
        let request = plain(Role::MapAddress, index, mapping, to, exchange);
        exchange.plan(Planned { not_before: exchange.now + APART, ..request });
    }
}

/// Silence on the other port alone proves the strictest filter; otherwise the other address is to
/// be controlled, at the port of it that lives.
fn wanted_controls(exchange: &Exchange, index: usize, server: &Server) -> Vec<Role> {
    let lives = |role| exchange.was_answered(index, role);
    let silent = |role| exchange.find(index, role).is_some() && !lives(role);
    if lives(Role::FilterBoth) || lives(Role::FilterAddress) {
        return Vec::new();
    }
    let mut wanted = Vec::new();
    if server.port.is_some() && silent(Role::FilterPort) && lives(Role::MapPort) {
        wanted.push(Role::ControlPort);
    } else if silent(Role::FilterBoth) && lives(Role::MapBoth) {
        wanted.push(Role::ControlBoth);
    } else if silent(Role::FilterAddress) && lives(Role::MapAddress) {
        wanted.push(Role::ControlAddress);
    }
    wanted
}

fn plan_extra(exchange: &mut Exchange, index: usize, server: &mut Server) {
    let Some(extra) = server.extra else { return };
    // Three mappings show how ports are chosen; a dependent mapping has shown them already.
    let primary = exchange.mapped(index, Role::MapPrimary);
    let dependent = [Role::MapBoth, Role::MapPort, Role::MapAddress]
        .iter()
        .any(|&role| exchange.mapped(index, role).is_some_and(|m| Some(m) != primary));
    if dependent || exchange.socket(extra) != Socket::Open {
        server.extra = None;
    } else {
        let request = plain(Role::Extra, index, extra, server.address, exchange);
        exchange.plan(request);
    }
}

/// The pinhole control: an answer that must come in, because this socket has sent to where it
/// comes from.
fn plan_control(
    exchange: &mut Exchange,
    index: usize,
    server: &Server,
    mapping: usize,
    role: Role,
) {
    let opened = match role {
        Role::ControlPort => Role::MapPort,
        Role::ControlAddress => Role::MapAddress,
        _ => Role::MapBoth,
    };
    let (Some((change, from)), Some(here), Some(there)) = (
        asked_for(server, role),
        exchange.mapped(index, Role::MapPrimary),
        exchange.mapped(index, opened),
    ) else {
        return;
    };
    let mut request = plain(role, index, mapping, server.address, exchange);
    request.change = change;
    request.expected_from = from;
    if here.port() != there.port() {
        request.response_port = Some(there.port());
    }
    // With another external address for the alternate, no answer can be sent there.
    if here.ip() == there.ip() {
        exchange.plan(request);
    }
}

pub(super) fn controls(exchange: &mut Exchange, index: usize, server: &mut Server) {
    let roles =
        [Role::ControlPort, Role::ControlBoth, Role::ControlAddress, Role::Poison, Role::Extra];
    let open = roles.iter().any(|&role| {
        exchange.is_waiting(index, role)
            || exchange.find(index, role).is_some_and(|test| !exchange.live[test].settled)
    });
    if !open {
        server.phase = Phase::Done;
    }
}
