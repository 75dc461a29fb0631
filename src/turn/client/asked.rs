//! Which requests are under way, read off the bytes that leave.

use crate::stun::{self, Class, Patience, Strict, TransactionId, types};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Requests that are remembered; there are never so many under way.
const MOST: usize = 512;

/// A request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// What it asks for.
    pub method: u16,
    /// Whether it carries credentials.
    pub signed: bool,
    /// XOR-PEER-ADDRESS.
    pub peer: Option<SocketAddr>,
    at: Duration,
}

/// The requests under way.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeMap<TransactionId, Request>);

impl Asked {
    /// Remembers a message that leaves, when it is a request.
    pub(super) fn note(&mut self, now: Duration, bytes: &[u8]) {
        let Ok(message) = stun::read(bytes) else { return };
        if message.class != Class::Request || self.0.contains_key(&message.id) {
            return;
        }
        if self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, request)| request.at).map(|(&id, _)| id);
            oldest.and_then(|id| self.0.remove(&id));
        }
        let request = Request {
            method: message.method,
            signed: message.integrity,
            peer: Strict::read(bytes).and_then(|read| read.xor_address(types::XOR_PEER)),
            at: now,
        };
        self.0.insert(message.id, request);
    }

    /// The request that an answer belongs to; it is answered now.
    pub(super) fn take(&mut self, id: &TransactionId) -> Option<Request> {
        self.0.remove(id)
    }

    /// How many have left and are unanswered.
    pub(super) fn any(&self, method: u16, signed: bool) -> bool {
        self.0.values().any(|request| request.method == method && request.signed == signed)
    }
}

/// A request of our own, beside turn-client-proto's.
#[derive(Debug)]
pub(super) struct Repeat {
    /// Its transaction.
    pub id: TransactionId,
    bytes: Vec<u8>,
    sent: u32,
    next: Duration,
    given_up: bool,
}

/// What to do with a [`Repeat`].
pub(super) enum Due {
    /// Send this.
    Send(Vec<u8>),
    /// Not yet.
    Wait,
    /// It was never answered.
    GivenUp,
}

impl Repeat {
    pub(super) fn new(id: TransactionId, bytes: Vec<u8>, now: Duration) -> Self {
        Self { id, bytes, sent: 0, next: now, given_up: false }
    }

    pub(super) fn due(&mut self, now: Duration, patience: &Patience, stream: bool) -> Due {
        if now < self.next {
            return Due::Wait;
        }
        if self.sent >= patience.tries.max(1) || (stream && self.sent > 0) {
            self.given_up = true;
            return Due::GivenUp;
        }
        self.sent += 1;
        self.next = now + if stream { patience.total() } else { patience.wait(self.sent) };
        Due::Send(self.bytes.clone())
    }

    /// When it is due next; `None` when it was given up.
    pub(super) fn next(&self) -> Option<Duration> {
        (!self.given_up).then_some(self.next)
    }
}
