//! One transaction in flight: when it is sent again, and which answers count (RFC 8489 section
//! 6.2, RFC 5780 section 4).

use super::record::{Outcome, Rejected, RejectedWhy, Reply, Transaction, Via};
use crate::stun::{self, BINDING, Class, Message, TransactionId};
use std::net::SocketAddr;
use std::time::Duration;

/// Milliseconds, to the microsecond, as the record keeps them.
#[must_use]
pub(super) fn ms(time: Duration) -> f64 {
    f64::from(u32::try_from(time.as_micros()).unwrap_or(u32::MAX)) / 1000.0
}

/// What a transaction is for, to the planner. The judge does not see it: it goes by the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// The first request to a server.
    Contact,
    /// CHANGE-REQUEST for address and port, before the alternate was touched.
    FilterBoth,
    /// CHANGE-REQUEST for the port only, likewise.
    FilterPort,
    /// CHANGE-REQUEST for the address only, where the other port shows nothing.
    FilterAddress,
    /// A plain request repeated beside the filter tests: the socket works, and how much is lost.
    Heartbeat,
    /// The same beside the test from the other address with the first port.
    HeartbeatAgain,
    /// The mapping socket's request to the server.
    MapPrimary,
    /// The same to the other port of the same address.
    MapPort,
    /// The same to the other address and port.
    MapBoth,
    /// The same to the other address, where the other port shows nothing.
    MapAddress,
    /// The filter socket's own flow to where unsolicited packets came from.
    Poison,
    /// CHANGE-REQUEST for the port through an open pinhole.
    ControlPort,
    /// CHANGE-REQUEST for address and port through an open pinhole.
    ControlBoth,
    /// CHANGE-REQUEST for the address through an open pinhole.
    ControlAddress,
    /// A further mapping, to tell how ports are chosen.
    Extra,
    /// Does the server live, over TCP?
    Tcp,
    /// The plain request of the socket that a relay shall send to.
    RelayContact,
    /// From the relay to that socket, which has not sent there.
    RelayFirst,
    /// A plain request repeated beside it.
    RelayFirstBeat,
    /// That socket's own flow to the relay.
    RelayOwn,
    /// From another port of the relay to the mapping of that flow.
    RelaySecond,
    /// A plain request repeated beside it.
    RelaySecondBeat,
    /// That socket's own flow to the other port of the relay.
    RelayOther,
    /// From the relay through the way that the own flow opened.
    RelayControl,
    /// The same from its other port.
    RelayControlOther,
    /// A mapping socket's request to the server, before it sends to the relay.
    RelayMapServer,
    /// The same socket to the relay.
    RelayMap,
    /// The same socket to the relay's other port.
    RelayMapOther,
}

impl Role {
    /// Whether it goes on when it is answered: it shows how much is lost.
    pub const fn goes_on(self) -> bool {
        use Role::{Heartbeat, HeartbeatAgain, RelayControl, RelayControlOther};
        use Role::{RelayFirstBeat, RelaySecondBeat};
        matches!(
            self,
            Heartbeat
                | HeartbeatAgain
                | RelayFirstBeat
                | RelaySecondBeat
                | RelayControl
                | RelayControlOther
        )
    }
}

/// When a transaction is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schedule {
    /// The planner decides each try.
    ByHand,
    /// Again after this gap, which doubles once, until answered or out of tries.
    Backoff { gap: Duration, tries: usize },
    /// The same, and then again every second until the planner gives up: the first answer over a
    /// satellite or a modem that wakes up may take seconds.
    Patient { gap: Duration, tries: usize },
}

/// The live half of a [`Transaction`].
#[derive(Debug)]
pub(super) struct Live {
    pub role: Role,
    pub server: usize,
    pub socket: usize,
    /// The allocation that it goes to or comes from.
    pub relay: Option<usize>,
    pub id: TransactionId,
    pub bytes: Vec<u8>,
    pub schedule: Schedule,
    /// When to send again, or (out of tries) when to give up.
    pub due: Option<Duration>,
    /// The planner waits for it no longer; its answers are still recorded.
    pub settled: bool,
}

impl Live {
    /// Notes a try and plans the next.
    pub fn sent(&mut self, now: Duration, transaction: &mut Transaction) {
        transaction.sent.push(ms(now));
        let tried = transaction.sent.len();
        self.due = match self.schedule {
            Schedule::ByHand => return,
            Schedule::Patient { tries, .. } if tried > tries => Some(now + Duration::from_secs(1)),
            Schedule::Backoff { gap, .. } | Schedule::Patient { gap, .. } => {
                Some(now + if tried > 1 { gap * 2 } else { gap })
            }
        };
    }

    /// Whether all its tries are spent.
    pub fn spent(&self, transaction: &Transaction) -> bool {
        matches!(self.schedule, Schedule::Backoff { tries, .. } if transaction.sent.len() >= tries)
    }

    /// Ends the wait for it.
    pub fn settle(&mut self, now: Duration, transaction: &mut Transaction) {
        if !self.settled {
            self.settled = true;
            self.due = None;
            transaction.closed = ms(now);
            transaction.outcome = outcome(transaction);
        }
    }
}

/// How a transaction ended, from what it received.
pub(super) fn outcome(t: &Transaction) -> Outcome {
    if t.received.is_some() {
        Outcome::Answered
    } else if !t.rejected.is_empty() {
        Outcome::Rejected
    } else if t.sent.is_empty() {
        Outcome::Unsent
    } else if !t.icmp.is_empty() {
        Outcome::Refused
    } else {
        Outcome::Silent
    }
}

/// Records one message that carries the transaction's id. Returns whether it was news.
pub(super) fn take(
    t: &mut Transaction,
    now: Duration,
    from: SocketAddr,
    right_socket: bool,
    message: &Message,
) -> bool {
    match weigh(t, from, right_socket, message) {
        Ok(mapped) if t.received.is_none() => {
            t.received = Some(reply(ms(now), from, mapped, message));
            t.outcome = Outcome::Answered;
            true
        }
        Ok(_) => {
            t.again.push(ms(now));
            false
        }
        Err(why) => {
            let (code, says) = message.error.clone().unzip();
            let says = says.filter(|says| !says.is_empty()).or_else(|| unknown(message));
            let (realm, alternate) = (message.realm.clone(), message.alternate_server);
            let rejected = Rejected { code, says, ..Rejected::new(ms(now), from, why) };
            reject(t, Rejected { realm, alternate, ..rejected });
            true
        }
    }
}

/// Records that a datagram of the socket came to a relayed address, from `mapped`.
pub(super) fn relayed(t: &mut Transaction, now: Duration, mapped: SocketAddr, message: &Message) {
    if t.received.is_some() {
        t.again.push(ms(now));
    } else {
        t.received = Some(reply(ms(now), t.server, mapped, message));
        t.outcome = Outcome::Answered;
    }
}

/// The attributes that a 420 did not understand.
fn unknown(message: &Message) -> Option<String> {
    let names: Vec<String> =
        message.unknown_attributes.iter().take(8).map(|kind| format!("0x{kind:04x}")).collect();
    (!names.is_empty()).then(|| format!("unknown attributes {}", names.join(", ")))
}

/// Records what did not count; a server that repeats itself must not grow the record without bound.
pub(super) fn reject(t: &mut Transaction, rejected: Rejected) {
    if t.rejected.len() < 16 {
        t.rejected.push(rejected);
    }
}

/// The mapped address, when the answer counts.
fn weigh(
    t: &Transaction,
    from: SocketAddr,
    right_socket: bool,
    message: &Message,
) -> Result<SocketAddr, RejectedWhy> {
    if message.method != BINDING {
        return Err(RejectedWhy::WrongClass);
    }
    if t.via == Via::FromRelay {
        let right = message.class == Class::Indication && right_socket;
        return match (right, from == t.expected_from) {
            (false, _) => Err(RejectedWhy::WrongClass),
            (_, false) => Err(RejectedWhy::WrongSource),
            _ => Ok(t.server),
        };
    }
    match message.class {
        Class::Success => {}
        Class::Error => return Err(RejectedWhy::Error),
        Class::Request | Class::Indication => return Err(RejectedWhy::WrongClass),
    }
    if !right_socket {
        return Err(RejectedWhy::WrongSocket);
    }
    if from != t.expected_from {
        return Err(RejectedWhy::WrongSource);
    }
    // Many servers stand behind a one-to-one NAT and name a private origin. For a plain request the
    // source address decides (the finding says so); what proves obedience must agree in full.
    if t.change.any() && message.origin.is_some_and(|origin| origin != from) {
        return Err(RejectedWhy::WrongOrigin);
    }
    seen(message).ok_or(RejectedWhy::NoMappedAddress)
}

/// The mapped address. Of a server that does not give back the magic cookie only MAPPED-ADDRESS
/// can be read: nobody knows what it XORs with (RFC 3489 has no XOR).
fn seen(message: &Message) -> Option<SocketAddr> {
    if message.is_classic() { message.mapped } else { message.reflexive() }
}

fn reply(at: f64, from: SocketAddr, mapped: SocketAddr, message: &Message) -> Reply {
    Reply {
        at,
        from,
        mapped,
        mapped_plain: message.mapped,
        xor: message.xor_mapped.is_some() && !message.is_classic(),
        origin: message.origin,
        other: message.other,
        software: message.software.clone(),
        defects: defects(message),
    }
}

fn defects(message: &Message) -> Vec<String> {
    let cookie = message.is_classic().then(|| "the magic cookie is not given back".to_owned());
    let others = message.defects.iter().map(|d| match d.attribute {
        0 => d.what.clone(),
        kind => format!("attribute 0x{kind:04x}: {}", d.what),
    });
    cookie.into_iter().chain(others).take(8).collect()
}

/// Reads a datagram as an answer to one of our requests.
///
/// # Errors
/// The transaction id, where there is one to read, and one clause: what cannot be read.
pub(super) fn answer(bytes: &[u8]) -> Result<Message, (Option<TransactionId>, String)> {
    stun::read_damaged(bytes).map_err(|error| {
        let id = bytes.get(8..20).and_then(|id| id.try_into().ok());
        let what = format!("{} bytes: {error}", bytes.len());
        (id.filter(|_| error != stun::ReadError::NotStun), what)
    })
}
