//! The trace: every check of either side, made from the packets that pass.

use super::{Check, CheckResult, Pair, PairEnd, Transport};
use crate::stun::{self, Class, Message, TransactionId};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Pairs that are traced; a peer cannot make it more.
const MOST_PAIRS: usize = 256;
/// Times that are kept of one pair and direction.
const MOST_TIMES: usize = 64;
/// Requests of the peer that wait for our answer.
const MOST_PENDING: usize = 64;
/// USE-CANDIDATE (RFC 8445 section 16.1).
const USE_CANDIDATE: u16 = 0x0025;

/// Where a check goes from and to, as this host sees it.
pub(super) type Way = (SocketAddr, SocketAddr);

/// What is known of one pair.
#[derive(Debug)]
pub(super) struct Entry {
    pub way: Way,
    pub sent: Vec<Duration>,
    pub received: Vec<Duration>,
    pub answered: Option<Duration>,
    pub mapped: Option<SocketAddr>,
    pub trouble: Option<CheckResult>,
    pub nominated: bool,
}

#[derive(Debug, Default)]
pub(super) struct Trace {
    entries: Vec<Entry>,
    /// Our requests that may still be answered.
    ours: HashMap<TransactionId, usize>,
    /// The peer's that we have not answered yet.
    theirs: VecDeque<(TransactionId, Way, Duration, bool)>,
    /// When a check was last begun (not repeated).
    begun: Option<Duration>,
    /// Requests with credentials that are not ours.
    strangers: u32,
}

impl Trace {
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn entry(&self, way: Way) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.way == way)
    }

    /// When a check was last begun.
    pub const fn begun(&self) -> Option<Duration> {
        self.begun
    }

    /// How many requests came with credentials that are not ours.
    pub const fn strangers(&self) -> u32 {
        self.strangers
    }

    /// Something leaves for the peer.
    pub fn sent(&mut self, now: Duration, way: Way, bytes: &[u8]) {
        let Ok(message) = stun::read(bytes) else { return };
        match message.class {
            Class::Request => self.request_sent(now, way, &message),
            Class::Success | Class::Error => self.answer_sent(&message),
            Class::Indication => {}
        }
    }

    fn request_sent(&mut self, now: Duration, way: Way, message: &Message) {
        let Some(index) = self.index(way) else { return };
        if self.ours.insert(message.id, index).is_none() {
            self.begun = Some(now);
        }
        let Some(entry) = self.entries.get_mut(index) else { return };
        push(&mut entry.sent, now);
        entry.nominated |= message.unknown_required.contains(&USE_CANDIDATE);
    }

    /// A request of the peer's counts when it was answered with anything but `401`.
    fn answer_sent(&mut self, message: &Message) {
        let Some(at) = self.theirs.iter().position(|(id, ..)| *id == message.id) else { return };
        let Some((_, way, at, nominated)) = self.theirs.remove(at) else { return };
        if message.error.as_ref().is_some_and(|(code, _)| *code == 401) {
            self.strangers = self.strangers.saturating_add(1);
            return;
        }
        let Some(entry) = self.index(way).and_then(|index| self.entries.get_mut(index)) else {
            return;
        };
        push(&mut entry.received, at);
        entry.nominated |= nominated && message.class == Class::Success;
    }

    /// Something came from the peer.
    pub fn received(&mut self, now: Duration, way: Way, bytes: &[u8]) {
        let Ok(message) = stun::read(bytes) else { return };
        match message.class {
            Class::Request => {
                if self.theirs.len() >= MOST_PENDING {
                    self.theirs.pop_front();
                }
                let nominated = message.unknown_required.contains(&USE_CANDIDATE);
                self.theirs.push_back((message.id, way, now, nominated));
            }
            Class::Success | Class::Error => self.answered(now, way, &message),
            Class::Indication => {}
        }
    }

    fn answered(&mut self, now: Duration, way: Way, message: &Message) {
        let Some(&index) = self.ours.get(&message.id) else { return };
        let Some(entry) = self.entries.get_mut(index) else { return };
        if way.1 != entry.way.1 {
            entry.trouble.get_or_insert(CheckResult::NotSymmetric { from: way.1 });
            return;
        }
        match (message.class, &message.error) {
            (Class::Success, _) => {
                entry.answered.get_or_insert(now);
                entry.mapped = message.xor_mapped.or(entry.mapped);
            }
            (_, Some((code, _))) => {
                entry.trouble = Some(CheckResult::Error { code: *code });
            }
            _ => {}
        }
    }

    /// What we sent that way could not be delivered.
    pub fn trouble(&mut self, way: Way, trouble: CheckResult) {
        if let Some(entry) = self.index(way).and_then(|index| self.entries.get_mut(index)) {
            entry.trouble.get_or_insert(trouble);
        }
    }

    fn index(&mut self, way: Way) -> Option<usize> {
        if let Some(index) = self.entries.iter().position(|entry| entry.way == way) {
            return Some(index);
        }
        if self.entries.len() >= MOST_PAIRS {
            return None;
        }
        self.entries.push(Entry {
            way,
            sent: Vec::new(),
            received: Vec::new(),
            answered: None,
            mapped: None,
            trouble: None,
            nominated: false,
        });
        Some(self.entries.len() - 1)
    }
}

impl Entry {
    /// The record of this pair; `ended`: no answer is waited for any more.
    pub fn check(&self, local: PairEnd, remote: PairEnd, ended: bool) -> Check {
        let result = match (&self.trouble, self.answered) {
            (_, Some(_)) => CheckResult::Succeeded,
            (Some(trouble), None) => trouble.clone(),
            (None, None) if ended && !self.sent.is_empty() => CheckResult::Unanswered,
            (None, None) => CheckResult::InProgress,
        };
        Check {
            pair: Pair { local, remote, transport: Transport::Udp },
            sent_ms: self.sent.iter().copied().map(ms).collect(),
            answered_ms: self.answered.map(ms),
            received_ms: self.received.iter().copied().map(ms).collect(),
            mapped: self.mapped,
            result,
            nominated: self.nominated,
        }
    }
}

fn push(times: &mut Vec<Duration>, now: Duration) {
    if times.len() < MOST_TIMES {
        times.push(now);
    }
}

/// Milliseconds, to the microsecond.
pub(super) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
