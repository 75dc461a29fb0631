//! One transaction in flight: when it is sent again, and which answers count (RFC 8489 section
//! 6.2, RFC 5780 section 4).

use super::record::{Outcome, Rejected, RejectedWhy, Reply, Transaction};
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
    /// A plain request repeated beside the filter tests: the socket works, and how much is lost.
    Heartbeat,
    /// The mapping socket's request to the server.
    MapPrimary,
    /// The same to the other port of the same address.
    MapPort,
    /// The same to the other address and port.
    MapBoth,
    /// The filter socket's own flow to where unsolicited packets came from.
    Poison,
    /// CHANGE-REQUEST for the port through an open pinhole.
    ControlPort,
    /// CHANGE-REQUEST for address and port through an open pinhole.
    ControlBoth,
    /// A further mapping, to tell how ports are chosen.
    Extra,
    /// Does the server live, over TCP?
    Tcp,
}

/// When a transaction is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schedule {
    /// The planner decides each try.
    ByHand,
    /// Again after this gap, which doubles once, until answered or out of tries.
    Backoff { gap: Duration, tries: usize },
}

/// The live half of a [`Transaction`].
#[derive(Debug)]
pub(super) struct Live {
    pub role: Role,
    pub server: usize,
    pub socket: usize,
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
        if let Schedule::Backoff { gap, .. } = self.schedule {
            let doublings = u32::try_from(transaction.sent.len() - 1).unwrap_or(1).min(1);
            self.due = Some(now + gap * (1 << doublings));
        }
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
            // A server that repeats itself must not grow the record without bound.
            if t.rejected.len() < 16 {
                let code = message.error.as_ref().map(|(code, _)| *code);
                t.rejected.push(Rejected { at: ms(now), from, why, code });
            }
            true
        }
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
    message.reflexive().ok_or(RejectedWhy::NoMappedAddress)
}

fn reply(at: f64, from: SocketAddr, mapped: SocketAddr, message: &Message) -> Reply {
    Reply {
        at,
        from,
        mapped,
        mapped_plain: message.mapped,
        xor: message.xor_mapped.is_some(),
        origin: message.origin,
        other: message.other,
        software: message.software.clone(),
        defects: message
            .defects
            .iter()
            .take(8)
            .map(|d| format!("attribute 0x{:04x}: {}", d.attribute, d.what))
            .collect(),
    }
}

/// Reads a datagram as an answer to one of our requests; `None` for anything else.
pub(super) fn answer(bytes: &[u8]) -> Option<Message> {
    stun::read(bytes).ok().filter(|message| !message.is_classic())
}
