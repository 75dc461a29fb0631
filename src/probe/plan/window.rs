//! The filter test: requests for answers from endpoints that nothing has sent to, and beside them a
//! heartbeat that shows that the socket works.

use super::{Phase, Server, plain};
use crate::probe::exchange::Exchange;
use crate::probe::loss;
use crate::probe::transaction::{Role, Schedule, ms};
use crate::stun::Change;
use std::net::SocketAddr;
use std::time::Duration;

/// Gap between two packets of a filter test; the transactions take turns.
const SLOT: Duration = Duration::from_millis(20);
/// A filter test goes on until silence by chance is less likely than this.
const SILENCE_PLANNED: f64 = 2e-7;
/// The longest filter test, in tries of each transaction.
const MAX_ROUNDS: u32 = 40;

/// The filter test in progress.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// What is asked for, the most telling last: it is asked for first.
    tests: Vec<Role>,
    /// What runs beside.
    beat: Option<Role>,
    round: u32,
    turn: Vec<Role>,
    next: Option<Duration>,
    /// All tries are out; listening ends at this time.
    closing: Option<Duration>,
}

impl Window {
    /// The other port, and the other address with it.
    pub fn first(server: &Server) -> Self {
        let port = server.port.map(|_| Role::FilterPort);
        let both = server.both.map(|_| Role::FilterBoth);
        Self {
            tests: port.into_iter().chain(both).collect(),
            beat: Some(Role::Heartbeat),
            ..Self::default()
        }
    }

    /// The other address with the first port.
    pub fn again() -> Self {
        Self {
            tests: vec![Role::FilterAddress],
            beat: Some(Role::HeartbeatAgain),
            ..Self::default()
        }
    }

    /// When it wants to go on.
    pub fn next_wake(&self) -> Option<Duration> {
        self.closing.or(self.next)
    }
}

/// Goes on with the first filter test; when it is over, the server is ready for the second part.
pub(super) fn first_test(exchange: &mut Exchange, index: usize, server: &mut Server) {
    if filter(exchange, index, server) {
        server.phase = Phase::Ready;
    }
}

/// Sends one try per slot, the transactions in turn and in random order, so that a server that
/// limits its rate cannot swallow always the same one. True when the test is over.
pub(super) fn filter(exchange: &mut Exchange, index: usize, server: &mut Server) -> bool {
    let all_over = server.window.tests.iter().all(|&role| exchange.is_settled(index, role));
    // An answer from the other address settles the question: nothing is filtered.
    let open = [Role::FilterBoth, Role::FilterAddress]
        .iter()
        .any(|role| server.window.tests.contains(role) && exchange.was_answered(index, *role));
    if open || all_over || server.window.closing.is_some_and(|t| t <= exchange.now) {
        for &role in server.window.tests.iter().chain(&server.window.beat) {
            if let Some(test) = exchange.find(index, role) {
                exchange.settle(test);
            }
        }
        return true;
    }
    if server.window.closing.is_some() || server.window.next.is_some_and(|t| t > exchange.now) {
        return false;
    }
    if server.window.turn.is_empty() && !next_round(exchange, index, server) {
        return false;
    }
    server.window.next = Some(exchange.now + SLOT);
    if let Some(role) = server.window.turn.pop() {
        match exchange.find(index, role) {
            None => begin(exchange, index, server, role),
            Some(test) if !exchange.live[test].settled => exchange.send(test),
            Some(_) => {}
        }
    }
    false
}

/// Deals the turns of another round; false when the test has run long enough.
fn next_round(exchange: &mut Exchange, index: usize, server: &mut Server) -> bool {
    let rtt = loss::rtt(&exchange.record, index).unwrap_or(100.0);
    let patience = loss::patience(rtt);
    let sample = loss::sample(&exchange.record, index, ms(exchange.now), patience);
    let rounds = server.window.round;
    if rounds >= MAX_ROUNDS || sample.chance_all_lost(rounds) <= SILENCE_PLANNED {
        let wait = Duration::from_micros(crate::probe::whole(patience * 1000.0));
        server.window.closing = Some(exchange.now + wait);
        return false;
    }
    let mut turn: Vec<Role> = server.window.beat.into_iter().collect();
    turn.extend(&server.window.tests);
    // The first round asks for the most telling answer first; the last of the turn goes first.
    if rounds > 0 {
        exchange.shuffle(&mut turn);
    }
    server.window.turn = turn;
    server.window.round += 1;
    true
}

fn begin(exchange: &mut Exchange, index: usize, server: &Server, role: Role) {
    let mut request = plain(role, index, server.socket, server.address, exchange);
    request.schedule = Schedule::ByHand;
    if let Some((change, from)) = asked_for(server, role) {
        request.change = change;
        request.expected_from = from;
    }
    exchange.plan(request);
}

/// The change that a test or its control asks for, and the endpoint that the answer comes from.
pub(super) fn asked_for(server: &Server, role: Role) -> Option<(Change, SocketAddr)> {
    match role {
        Role::FilterBoth | Role::ControlBoth => Some((Change::BOTH, server.both?)),
        Role::FilterPort | Role::ControlPort => Some((Change::PORT, server.port?)),
        Role::FilterAddress | Role::ControlAddress => {
            Some((Change { ip: true, port: false }, server.other_address()?))
        }
        _ => None,
    }
}
