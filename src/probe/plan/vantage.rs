//! A relay as vantage point: where the servers leave the filtering or the mapping open, two relayed
//! addresses of a TURN account do what the other endpoints of an RFC 5780 server would.
//!
//! A fresh *filter socket* asks a STUN server only; the relay sends to its mapping; then the socket
//! sends to the relay, and the relay's other port sends to the mapping of that flow. Silence counts
//! when both ports of the relay come in by the ways that the socket opened to them. A *mapping
//! socket* of its own, which no relay has sent to, asks the server and both ports: an uninvited
//! packet that got in leaves a session in many NATs that the next flow to its sender would take.

use super::window::Window;
use super::{APART, plain};
use crate::ground::fact::Grade;
use crate::probe::exchange::{Exchange, Planned, Socket};
use crate::probe::judge::judge;
use crate::probe::record::{RelayRecord, ServerRecord, Via};
use crate::probe::transaction::Role;
use crate::turn::address;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What a relay may take to give an address or a permission.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Step {
    #[default]
    Idle,
    Opening,
    Contact,
    Permission,
    First,
    Own,
    Second,
    Looks,
    MapLooks,
    Controls,
    Done,
}

#[derive(Debug, Default)]
pub(super) struct Vantage {
    step: Step,
    /// The next TURN server to try.
    next: usize,
    /// The one that is tried, in the record.
    about: usize,
    /// The STUN server beside it, likewise, and its address.
    server: usize,
    at: Option<SocketAddr>,
    filter: usize,
    mapping: usize,
    /// The allocations that stand, two at most.
    relays: Vec<(usize, SocketAddr)>,
    asked: Vec<usize>,
    window: Window,
    /// When the relay must have given what it was asked for.
    until: Option<Duration>,
}

impl Vantage {
    /// Does what can be done now; true when there is nothing left to do.
    pub fn advance(&mut self, exchange: &mut Exchange) -> bool {
        while let Some(step) = self.go_on(exchange) {
            self.step = step;
        }
        self.step == Step::Done
    }

    pub fn next_wake(&self) -> Option<Duration> {
        self.window.next_wake().into_iter().chain(self.until).min()
    }

    /// The next step, when this one is through.
    fn go_on(&mut self, exchange: &mut Exchange) -> Option<Step> {
        match self.step {
            Step::Idle => Some(self.begin(exchange)),
            Step::Opening => self.opening(exchange),
            Step::Contact => self.contact(exchange),
            Step::Permission => self.permission(exchange),
            Step::First => self.run(exchange).then_some(Step::Own),
            Step::Own => self.own(exchange),
            Step::Second => self.run(exchange).then_some(Step::Looks),
            Step::Looks => self.looks(exchange),
            Step::MapLooks => self.map_looks(exchange),
            Step::Controls => self.controls(exchange),
            Step::Done => None,
        }
    }

    fn begin(&mut self, exchange: &mut Exchange) -> Step {
        let Some((uri, address)) = exchange.relays.get(self.next).cloned() else {
            return Step::Done;
        };
        if !leaves_open(exchange) {
            return Step::Done;
        }
        let relay = Some(RelayRecord::default());
        self.about = exchange.record.servers.len();
        exchange.add_server(ServerRecord { relay, ..ServerRecord::new(uri, address) });
        self.asked = (0..2).map(|_| exchange.allocate(self.next)).collect();
        self.next += 1;
        self.until = Some(exchange.now + PATIENCE);
        Step::Opening
    }

    /// Notes why this relay is of no use; perhaps the next one is.
    fn failed(&mut self, exchange: &mut Exchange, why: String) -> Step {
        self.record(exchange).failed = Some(why);
        self.until = None;
        Step::Idle
    }

    fn record<'e>(&self, exchange: &'e mut Exchange) -> &'e mut RelayRecord {
        exchange.record.servers[self.about].relay.get_or_insert_default()
    }

    fn late(&self, exchange: &Exchange) -> bool {
        self.until.is_some_and(|until| until <= exchange.now)
    }

    fn opening(&mut self, exchange: &mut Exchange) -> Option<Step> {
        let of = |i: &usize| &exchange.allocations[*i];
        let open = |i: &usize| of(i).relayed.is_none() && of(i).failed.is_none();
        if self.asked.iter().any(open) && !self.late(exchange) {
            return None;
        }
        let at = exchange.record.servers[self.about].address;
        let mut why = "it gave no relayed address in time".to_owned();
        self.relays.clear();
        for &relay in &self.asked {
            match (of(&relay).relayed, &of(&relay).failed) {
                (Some(relayed), None) => match address::unusable(relayed, at) {
                    Some(what) => why = format!("its relayed address is {relayed}: {what}"),
                    None if relayed.is_ipv4() != at.is_ipv4() => {
                        why = format!("its relayed address {relayed} is of another family");
                    }
                    None => self.relays.push((relay, relayed)),
                },
                (_, Some(failed)) => why.clone_from(failed),
                (None, None) => {}
            }
        }
        let Some(&(_, first)) = self.relays.first() else {
            return Some(self.failed(exchange, why));
        };
        let udp = self.relays.iter().any(|(i, _)| of(i).udp);
        let relayed = self.relays.iter().map(|(_, address)| *address).collect();
        *self.record(exchange) = RelayRecord { relayed, udp, failed: None };
        self.until = None;
        self.choose(exchange, first.ip());
        Some(Step::Contact)
    }

    /// The STUN server that the sockets ask: one at another address than the relay's shows the most.
    fn choose(&mut self, exchange: &mut Exchange, relay: IpAddr) {
        let all = exchange.record.servers.iter().enumerate();
        let answering = all.filter(|(i, _)| exchange.was_answered(*i, Role::Contact));
        let best = answering.min_by_key(|(_, server)| server.address.ip() == relay);
        let Some((index, address)) = best.map(|(i, server)| (i, server.address)) else { return };
        self.server = index;
        self.at = Some(address);
        self.filter = exchange.open(address);
    }

    fn contact(&mut self, exchange: &mut Exchange) -> Option<Step> {
        let (server, role) = (self.server, Role::RelayContact);
        if exchange.socket(self.filter) == Socket::Opening {
            return None;
        }
        if exchange.find(server, role).is_none() {
            self.ask(exchange, role, self.filter);
            return None;
        }
        match (exchange.was_answered(server, role), exchange.is_settled(server, role)) {
            (true, _) => Some(Step::Permission),
            (_, true) => Some(Step::Done),
            _ => None,
        }
    }

    /// A plain request to the STUN server.
    fn ask(&self, exchange: &mut Exchange, role: Role, socket: usize) {
        if let (Some(at), false) = (self.at, exchange.is_waiting(self.server, role)) {
            exchange.plan(plain(role, self.server, socket, at, exchange));
        }
    }

    /// What comes of asking the relays to let packets from and to this address through, once they
    /// have said it or had their time.
    fn permitted(&mut self, exchange: &mut Exchange, ip: IpAddr) -> Option<Result<(), String>> {
        self.until.get_or_insert(exchange.now + PATIENCE);
        let said: Vec<_> = self.relays.iter().map(|(i, _)| exchange.permission(*i, ip)).collect();
        let refused = said.iter().flatten().find(|said| said.is_err()).cloned();
        let all = said.iter().all(Option::is_some).then_some(Ok(()));
        let late = || Err("no answer to the request in time".to_owned());
        let answer = refused.or(all).or_else(|| self.late(exchange).then(late))?;
        self.until = None;
        Some(answer)
    }

    fn permission(&mut self, exchange: &mut Exchange) -> Option<Step> {
        let ip = exchange.mapped(self.server, Role::RelayContact)?.ip();
        match self.permitted(exchange, ip)? {
            Ok(()) => {
                self.window = Window::of(vec![Role::RelayFirst], Some(Role::RelayFirstBeat));
                Some(Step::First)
            }
            Err(why) => {
                let why = format!("it lets no packets to {ip} through ({why})");
                Some(self.failed(exchange, why))
            }
        }
    }

    /// What a role sends by way of the n-th relay.
    fn relayed(&self, exchange: &Exchange, role: Role, nth: usize) -> Option<Planned> {
        let &(relay, relayed) = self.relays.get(nth)?;
        let request = plain(role, self.about, self.filter, relayed, exchange);
        Some(Planned { via: Via::ToRelay, relay: Some(relay), ..request })
    }

    /// What a role sends from the n-th relay to a mapping of the filter socket.
    fn from(&self, exchange: &Exchange, role: Role, nth: usize, to: SocketAddr) -> Option<Planned> {
        let request = self.relayed(exchange, role, nth)?;
        Some(Planned { via: Via::FromRelay, expected_from: request.to, to, ..request })
    }

    fn run(&mut self, exchange: &mut Exchange) -> bool {
        let mut window = std::mem::take(&mut self.window);
        let beats = [Role::RelayFirstBeat, Role::RelaySecondBeat];
        let about = |role| if beats.contains(&role) { self.server } else { self.about };
        let over = window.go_on(exchange, self.server, about, |exchange, role| {
            let seen = |role| exchange.mapped(self.about, role);
            match role {
                Role::RelayFirst => {
                    let to = exchange.mapped(self.server, Role::RelayContact)?;
                    self.from(exchange, role, 0, to)
                }
                Role::RelaySecond => self.from(exchange, role, 1, seen(Role::RelayOwn)?),
                Role::RelayControl => self.from(exchange, role, 0, seen(Role::RelayOwn)?),
                Role::RelayControlOther => self.from(exchange, role, 1, seen(Role::RelayOther)?),
                _ => Some(plain(role, self.server, self.filter, self.at?, exchange)),
            }
        });
        self.window = if over { Window::default() } else { window };
        over
    }

    /// Begins this flow to the n-th relay when it was not begun. True when it is over.
    fn flow(&self, exchange: &mut Exchange, role: Role, nth: usize, socket: usize) -> bool {
        if exchange.find(self.about, role).is_none() && !exchange.is_waiting(self.about, role) {
            let Some(request) = self.relayed(exchange, role, nth) else { return true };
            let not_before = exchange.now + APART * u32::try_from(nth).unwrap_or(0);
            exchange.plan(Planned { socket, not_before, ..request });
        }
        exchange.is_settled(self.about, role)
    }

    fn own(&mut self, exchange: &mut Exchange) -> Option<Step> {
        if !self.flow(exchange, Role::RelayOwn, 0, self.filter) {
            return None;
        }
        let seen = exchange.mapped(self.about, Role::RelayOwn);
        let open = exchange.was_answered(self.about, Role::RelayFirst);
        let more = self.relays.len() > 1 && !open;
        let Some(seen) = seen.filter(|_| more) else { return Some(Step::Looks) };
        let permitted = self.permitted(exchange, seen.ip())?;
        self.window = Window::of(vec![Role::RelaySecond], Some(Role::RelaySecondBeat));
        Some(if permitted.is_ok() { Step::Second } else { Step::Looks })
    }

    /// The mapping socket asks the server, and the filter socket opens its way to the other port.
    fn looks(&mut self, exchange: &mut Exchange) -> Option<Step> {
        let other = exchange.find(self.about, Role::RelaySecond).is_none()
            || self.flow(exchange, Role::RelayOther, 1, self.filter);
        if self.mapping == 0 {
            self.mapping = exchange.open(self.at?);
        }
        if exchange.socket(self.mapping) == Socket::Opening {
            return None;
        }
        let role = Role::RelayMapServer;
        if exchange.find(self.server, role).is_none() {
            self.ask(exchange, role, self.mapping);
            return None;
        }
        if !other || !exchange.is_settled(self.server, role) {
            return None;
        }
        let Some(seen) = exchange.mapped(self.server, role) else { return Some(self.controlled()) };
        let permitted = self.permitted(exchange, seen.ip())?;
        Some(if permitted.is_ok() { Step::MapLooks } else { self.controlled() })
    }

    fn map_looks(&mut self, exchange: &mut Exchange) -> Option<Step> {
        let one = self.flow(exchange, Role::RelayMap, 0, self.mapping);
        let two = self.flow(exchange, Role::RelayMapOther, 1, self.mapping);
        (one && two).then(|| self.controlled())
    }

    fn controlled(&mut self) -> Step {
        self.window = Window::default();
        Step::Controls
    }

    /// Both ports of the relay, by the ways that were opened to them.
    fn controls(&mut self, exchange: &mut Exchange) -> Option<Step> {
        if self.window.is_empty() {
            let opened =
                [(Role::RelayControl, Role::RelayOwn), (Role::RelayControlOther, Role::RelayOther)];
            let silent = !exchange.was_answered(self.about, Role::RelayFirst);
            let opened = opened
                .into_iter()
                .filter(|(_, by)| silent && exchange.was_answered(self.about, *by));
            let tests: Vec<Role> = opened.map(|(control, _)| control).collect();
            if tests.is_empty() {
                return Some(Step::Done);
            }
            self.window = Window::of(tests, None);
        }
        self.run(exchange).then_some(Step::Done)
    }
}

/// Whether the servers answered, and left open what a relay could show.
fn leaves_open(exchange: &Exchange) -> bool {
    let judged = judge(&exchange.record).facts;
    let answered =
        (0..exchange.record.servers.len()).any(|i| exchange.was_answered(i, Role::Contact));
    let proven = Some(Grade::Proven);
    answered && (judged.mapping.grade() != proven || judged.filtering.grade() != proven)
}
