//! The filter test: requests for answers from endpoints that nothing has sent to, and beside them a
//! heartbeat that shows that the socket works.

use super::{Phase, Server, plain};
use crate::probe::exchange::{Exchange, Planned};
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
        Self::of(port.into_iter().chain(both).collect(), Some(Role::Heartbeat))
    }

    /// The other address with the first port.
    pub fn again() -> Self {
        Self::of(vec![Role::FilterAddress], Some(Role::HeartbeatAgain))
    }

    /// Of these tests, with this beside them.
    pub fn of(tests: Vec<Role>, beat: Option<Role>) -> Self {
        Self { tests, beat, ..Self::default() }
    }

    /// Whether nothing is to be tested.
    pub const fn is_empty(&self) -> bool {
        self.tests.is_empty()
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

/// Goes on with the filter test of a server; true when it is over.
pub(super) fn filter(exchange: &mut Exchange, index: usize, server: &mut Server) -> bool {
    let mut window = std::mem::take(&mut server.window);
    // An answer from the other address settles the question: nothing is filtered.
    let open = [Role::FilterBoth, Role::FilterAddress]
        .iter()
        .any(|role| window.tests.contains(role) && exchange.was_answered(index, *role));
    let about = |_| index;
    let over = if open {
        window.end(exchange, about);
        true
    } else {
        window.go_on(exchange, index, about, |exchange, role| {
            let mut request = plain(role, index, server.socket, server.address, exchange);
            if let Some((change, from)) = asked_for(server, role) {
                request.change = change;
                request.expected_from = from;
            }
            Some(request)
        })
    };
    server.window = window;
    over
}

impl Window {
    /// Sends one try per slot, the transactions in turn and in random order, so that a server that
    /// limits its rate cannot swallow always the same one. `sample` is the server whose losses say
    /// how many tries are needed, `about` the one that each transaction is about. True when the test
    /// is over.
    pub fn go_on(
        &mut self,
        exchange: &mut Exchange,
        sample: usize,
        about: impl Fn(Role) -> usize + Copy,
        request: impl Fn(&Exchange, Role) -> Option<Planned>,
    ) -> bool {
        let all_over = self.tests.iter().all(|&role| exchange.is_settled(about(role), role));
        if all_over || self.closing.is_some_and(|t| t <= exchange.now) {
            self.end(exchange, about);
            return true;
        }
        if self.closing.is_some() || self.next.is_some_and(|t| t > exchange.now) {
            return false;
        }
        if self.turn.is_empty() && !self.next_round(exchange, sample) {
            return false;
        }
        self.next = Some(exchange.now + SLOT);
        if let Some(role) = self.turn.pop() {
            match exchange.find(about(role), role) {
                None if exchange.is_waiting(about(role), role) => {}
                None => {
                    if let Some(request) = request(exchange, role) {
                        exchange.plan(Planned { schedule: Schedule::ByHand, ..request });
                    }
                }
                Some(test) if !exchange.live[test].settled => exchange.send(test),
                Some(_) => {}
            }
        }
        false
    }

    fn end(&self, exchange: &mut Exchange, about: impl Fn(Role) -> usize) {
        for &role in self.tests.iter().chain(&self.beat) {
            if let Some(test) = exchange.find(about(role), role) {
                exchange.settle(test);
            }
        }
    }

    /// Deals the turns of another round; false when the test has run long enough.
    fn next_round(&mut self, exchange: &mut Exchange, sample: usize) -> bool {
        let rtt = loss::rtt(&exchange.record, sample).unwrap_or(100.0);
        let patience = loss::patience(rtt);
        let seen = loss::sample(&exchange.record, sample, ms(exchange.now), patience);
        if self.round >= MAX_ROUNDS || seen.chance_all_lost(self.round) <= SILENCE_PLANNED {
            let wait = Duration::from_micros(crate::probe::whole(patience * 1000.0));
            self.closing = Some(exchange.now + wait);
            return false;
        }
        let mut turn: Vec<Role> = self.beat.into_iter().collect();
        turn.extend(&self.tests);
        // The first round asks for the most telling answer first; the last of the turn goes first.
        if self.round > 0 {
            exchange.shuffle(&mut turn);
        }
        self.turn = turn;
        self.round += 1;
        true
    }
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
