//! The Allocate request (RFC 8656 section 7.2): which relayed address, and whether at all.

use super::account::Account;
use super::allocation::{Allocation, Relayed};
use super::auth::Admitted;
use super::ports::Parity;
use super::reply::{Asked, BAD_REQUEST, Fault, MISMATCH, NO_CAPACITY, Question};
use super::{Path, Relay, Reservation, Step};
use crate::stun::types;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long an allocation lasts when nothing else is asked for, and at least.
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);
/// How long it lasts at most.
pub(super) const MOST_LIFETIME: Duration = Duration::from_secs(3600);
/// How long a port is kept for who reserved it (RFC 8656 section 7.2: 30 seconds).
const RESERVED: Duration = Duration::from_secs(30);
/// Ports that are tried for one allocation: others on this host may have some of the range.
const TRIES: u32 = 64;
/// The IP protocol number of UDP.
const UDP: u8 = 17;
/// IPv6 in REQUESTED-ADDRESS-FAMILY and its like.
const IPV6: u8 = 2;

/// An address on which a socket is to be opened for an allocation; what came of it goes to
/// [`Relay::opened`].
#[derive(Debug)]
pub struct Opening {
    address: SocketAddr,
    pending: Box<Pending>,
}

impl Opening {
    /// The relayed address that is to be opened.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Why a socket could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unopened {
    /// Somebody else has the port: another may do.
    Taken,
    /// Another port would not help.
    Failed,
}

#[derive(Debug)]
struct Pending {
    path: Path,
    question: Question,
    admitted: Admitted,
    lifetime: Duration,
    /// What is still to be opened; the first is being opened.
    wanted: Vec<Wanted>,
    relayed: Vec<SocketAddr>,
    /// ADDRESS-ERROR-CODE for IPv6, which was asked for besides and cannot be had.
    lacking: Option<u16>,
    token: Option<u64>,
    tries: u32,
    /// Ports that others have; given back at the end, since that may change.
    avoided: Vec<SocketAddr>,
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    ip: IpAddr,
    parity: Parity,
    /// A port that was reserved.
    port: Option<u16>,
    /// Whether there is an allocation without it.
    optional: bool,
}

impl Relay {
    /// Serves an Allocate request of an admitted client.
    pub(super) fn allocate(
        &mut self,
        now: Duration,
        path: &Path,
        question: Question,
        admitted: Admitted,
        asked: &Asked,
        out: &mut Vec<u8>,
    ) -> Result<Step, Fault> {
        if let Some(allocation) = self.at(path) {
            if allocation.made_by != question.id || allocation.user != admitted.user {
                return Err(MISMATCH);
            }
            // Our answer was lost, and this is the same request.
            self.answer_allocate(now, path, question, None, out);
            return Ok(Step::Answer);
        }
        match asked.transport {
            Some(UDP) => {}
            Some(_) => return Err(Fault::new(442, "Unsupported Transport Protocol")),
            None => return Err(BAD_REQUEST),
        }
        let wanted = self.wanted(now, asked, &admitted)?;
        let (wanted, lacking) = self.affordable(wanted, asked, &admitted)?;
        if let Some(reservation) = asked.token.and_then(|token| self.reservations.remove(&token)) {
            self.release_account(&reservation.account);
        }
        let lifetime = asked.lifetime.map_or(DEFAULT_LIFETIME, |s| Duration::from_secs(s.into()));
        let pending = Pending {
            path: *path,
            question,
            admitted,
            lifetime: lifetime.clamp(DEFAULT_LIFETIME, MOST_LIFETIME),
            wanted,
            relayed: Vec::new(),
            lacking,
            token: None,
            tries: TRIES,
            avoided: Vec::new(),
        };
        self.open_next(now, Box::new(pending), out)
    }

    /// Which addresses are asked for.
    fn wanted(
        &self,
        now: Duration,
        asked: &Asked,
        admitted: &Admitted,
    ) -> Result<Vec<Wanted>, Fault> {
        let several = [asked.family.is_some(), asked.additional.is_some(), asked.token.is_some()];
        if several.iter().filter(|&&given| given).count() > 1
            || (asked.even_port.is_some() && (asked.token.is_some() || asked.additional.is_some()))
            || asked.additional == Some(1)
        {
            return Err(BAD_REQUEST);
        }
        if let Some(token) = asked.token {
            let address = self.reserved(now, token, &admitted.account).ok_or(NO_CAPACITY)?;
            let (ip, port) = (address.ip(), Some(address.port()));
            return Ok(vec![Wanted { ip, parity: Parity::Any, port, optional: false }]);
        }
        let parity = match asked.even_port {
            None => Parity::Any,
            Some(false) => Parity::Even,
            Some(true) => Parity::EvenAndNext,
        };
        let unsupported = Fault::new(440, "Address Family not Supported");
        let ip = self.relay_ip(asked.family.unwrap_or(1)).ok_or(unsupported)?;
        let mut wanted = vec![Wanted { ip, parity, port: None, optional: false }];
        if let Some(ip) = asked.additional.and_then(|family| self.relay_ip(family)) {
            wanted.push(Wanted { ip, parity, port: None, optional: true });
        }
        Ok(wanted)
    }

    /// What the quota and the capacity leave of that: each relayed address counts, and the port that
    /// EVEN-PORT reserves; one that was reserved is counted already. With it the code for the family
    /// that was asked for besides and cannot be had.
    fn affordable(
        &self,
        mut wanted: Vec<Wanted>,
        asked: &Asked,
        admitted: &Admitted,
    ) -> Result<(Vec<Wanted>, Option<u16>), Fault> {
        let mut lacking = asked.additional.filter(|_| wanted.len() < 2).map(|_| 440);
        let reserves = usize::from(asked.even_port == Some(true));
        let held = self.held_by(&admitted.account);
        let mut over = |wanted: &mut Vec<Wanted>, most: usize, held: usize, fault: Fault| {
            while held.saturating_add(wanted.len()) > most {
                if wanted.len() < 2 || !wanted.pop().is_some_and(|last| last.optional) {
                    return Err(fault);
                }
                lacking = Some(NO_CAPACITY.code);
            }
            Ok(())
        };
        if let Some(quota) = self.quota.filter(|_| asked.token.is_none()) {
            let reason = match admitted.account {
                Account::Nameless => "Allocation Quota Reached: users without a name share one",
                _ => "Allocation Quota Reached",
            };
            over(&mut wanted, quota, held + reserves, Fault::new(486, reason))?;
        }
        over(&mut wanted, self.capacity, self.sockets.len(), NO_CAPACITY)?;
        Ok((wanted, lacking))
    }

    /// The relay's address of a family (1 or 2).
    fn relay_ip(&self, family: u8) -> Option<IpAddr> {
        let mut all = self.ports.iter().map(|(ip, _)| *ip);
        all.find(|ip| family == if ip.is_ipv4() { 1 } else { 2 })
    }

    /// The port that a token was given for.
    fn reserved(&self, now: Duration, token: u64, account: &Account) -> Option<SocketAddr> {
        let found = self.reservations.get(&token)?;
        (found.account == *account && now < found.expires).then_some(found.address)
    }

    /// Asks for the next socket, or finishes when all are open.
    fn open_next(
        &mut self,
        now: Duration,
        mut pending: Box<Pending>,
        out: &mut Vec<u8>,
    ) -> Result<Step, Fault> {
        loop {
            let Some(&wanted) = pending.wanted.first() else {
                return Ok(self.allocated(now, *pending, out));
            };
            self.drawn = self.drawn.wrapping_add(1);
            let random = self.auth.random(b"port", self.drawn);
            let port = match wanted.port {
                Some(port) => Some(port),
                None if pending.tries == 0 => None,
                None => self.pool(wanted.ip).and_then(|ports| ports.take(random, wanted.parity)),
            };
            if let Some(port) = port {
                pending.tries = pending.tries.saturating_sub(1);
                let address = SocketAddr::new(wanted.ip, port);
                return Ok(Step::Open(Opening { address, pending }));
            }
            self.lack(&mut pending)?;
        }
    }

    /// The first of what is wanted cannot be had.
    fn lack(&mut self, pending: &mut Pending) -> Result<(), Fault> {
        let wanted = pending.wanted.remove(0);
        if wanted.optional {
            pending.lacking = Some(NO_CAPACITY.code);
            return Ok(());
        }
        self.give_back_avoided(pending);
        Err(NO_CAPACITY)
    }

    fn give_back_avoided(&mut self, pending: &mut Pending) {
        for address in pending.avoided.drain(..) {
            self.release(address);
        }
    }

    /// What came of an [`Opening`]. The answer to the client is left in `out` (appended), or another
    /// is to be opened.
    pub fn opened(
        &mut self,
        now: Duration,
        opening: Opening,
        result: Result<(), Unopened>,
        out: &mut Vec<u8>,
    ) -> Step {
        let Opening { address, mut pending } = opening;
        let (path, question, key) = (pending.path, pending.question, pending.admitted.key.clone());
        let next = match result {
            Ok(()) => {
                self.keep(now, address, &mut pending);
                self.open_next(now, pending, out)
            }
            Err(why) => self.retry(now, address, why, pending, out),
        };
        let step = next.unwrap_or_else(|fault| {
            self.refuse(question, Some(&key), &fault, out);
            Step::Answer
        });
        debug_assert!(matches!(step, Step::Open(_) | Step::Answer), "{path:?}");
        step
    }

    fn keep(&mut self, now: Duration, address: SocketAddr, pending: &mut Pending) {
        if pending.wanted.is_empty() {
            return;
        }
        let wanted = pending.wanted.remove(0);
        pending.relayed.push(address);
        if wanted.parity == Parity::EvenAndNext && wanted.port.is_none() {
            self.drawn = self.drawn.wrapping_add(1);
            let token = self.auth.random(b"token", self.drawn);
            let next = SocketAddr::new(address.ip(), address.port() + 1);
            let account = pending.admitted.account.clone();
            self.count_account(&account);
            let reservation = Reservation { address: next, account, expires: now + RESERVED };
            self.reservations.insert(token, reservation);
            pending.token = Some(token);
        }
    }

    fn retry(
        &mut self,
        now: Duration,
        address: SocketAddr,
        why: Unopened,
        mut pending: Box<Pending>,
        out: &mut Vec<u8>,
    ) -> Result<Step, Fault> {
        pending.avoided.push(address);
        let wanted = pending.wanted.first().copied();
        if wanted.is_some_and(|w| w.parity == Parity::EvenAndNext && w.port.is_none()) {
            self.release(SocketAddr::new(address.ip(), address.port() + 1));
        }
        if why == Unopened::Failed || wanted.is_some_and(|w| w.port.is_some()) {
            self.lack(&mut pending)?;
        }
        self.open_next(now, pending, out)
    }

    /// All sockets are open.
    fn allocated(&mut self, now: Duration, mut pending: Pending, out: &mut Vec<u8>) -> Step {
        self.give_back_avoided(&mut pending);
        let Pending { path, question, admitted, lifetime, relayed, lacking, token, .. } = pending;
        self.next_id += 1;
        let Admitted { user, account, key, .. } = admitted;
        for _ in &relayed {
            self.count_account(&account);
        }
        let mut allocation = Allocation::new(path, user, account, now, key, question.id);
        allocation.token = token;
        for address in relayed {
            self.sockets.insert(address, self.next_id);
            allocation.relayed.push(Relayed { address, expires: now + lifetime });
        }
        self.events.push_back(allocation.usage(now, true));
        self.allocations.insert(self.next_id, allocation);
        self.paths.insert(path, self.next_id);
        self.answer_allocate(now, &path, question, lacking, out);
        Step::Answer
    }

    fn answer_allocate(
        &self,
        now: Duration,
        path: &Path,
        question: Question,
        lacking: Option<u16>,
        out: &mut Vec<u8>,
    ) {
        let Some(allocation) = self.at(path) else { return };
        let expires = allocation.relayed.iter().map(|r| r.expires).max().unwrap_or(now);
        let left = u32::try_from(expires.saturating_sub(now).as_secs()).unwrap_or(0);
        self.succeed(question, &allocation.key, out, |write| {
            for relayed in &allocation.relayed {
                write.xor_address(types::XOR_RELAYED, relayed.address);
            }
            write.attribute(types::LIFETIME, &left.to_be_bytes());
            write.xor_address(types::XOR_MAPPED, path.remote);
            if let Some(token) = allocation.token {
                write.attribute(types::RESERVATION_TOKEN, &token.to_be_bytes());
            }
            if let Some(code) = lacking {
                let short = code == NO_CAPACITY.code;
                let reason = if short { "No Capacity" } else { "Address Family not Supported" };
                write.error(Some(IPV6), code, reason);
            }
        });
    }
}
