//! The trace: every check of either side, made from the packets that pass.

use super::{Check, CheckResult, Pair, PairEnd, Transport};
use crate::ground::ms;
use crate::stun::{self, Class, Message, TransactionId, types};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Pairs that are traced; a peer cannot make it more.
const MOST_PAIRS: usize = 256;
/// Times that are kept of one pair and direction.
const MOST_TIMES: usize = 64;
/// Requests of the peer that wait for our answer.
const MOST_PENDING: usize = 64;
/// RFC 8445 section 7.2.5.1.
const ROLE_CONFLICT: u16 = 487;

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
    /// Our requests: which pair, and how often sent.
    ours: HashMap<TransactionId, (usize, u32)>,
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

    /// Something wants to leave for the peer; false when it is a repetition beyond `tries`.
    pub fn sent(&mut self, now: Duration, way: Way, bytes: &[u8], tries: u32) -> bool {
        let Ok(message) = stun::read(bytes) else { return true };
        match message.class {
            Class::Request => return self.request_sent(now, way, &message, tries),
            Class::Success => self.answer_sent(message.id, None),
            Class::Error => {
                let code = message.error.map_or(0, |(code, _)| code);
                self.answer_sent(message.id, Some(code));
            }
            Class::Indication => {}
        }
        true
    }

    fn request_sent(&mut self, now: Duration, way: Way, message: &Message, tries: u32) -> bool {
        let Some(index) = self.index(way) else { return true };
        let (_, times) = self.ours.entry(message.id).or_insert((index, 0));
        *times += 1;
        let times = *times;
        if times > tries.max(1) {
            return false;
        }
        if times == 1 {
            self.begun = Some(now);
        }
        if let Some(entry) = self.entries.get_mut(index) {
            push(&mut entry.sent, now);
            entry.nominated |= message.unknown_required.contains(&types::USE_CANDIDATE);
        }
        true
    }

    /// A request of the peer's counts when it was answered with anything but `401`.
    pub fn answer_sent(&mut self, to: TransactionId, error: Option<u16>) {
        let Some(at) = self.theirs.iter().position(|(id, ..)| *id == to) else { return };
        let Some((_, way, at, nominated)) = self.theirs.remove(at) else { return };
        if error == Some(401) {
            self.strangers = self.strangers.saturating_add(1);
            return;
        }
        let Some(entry) = self.index(way).and_then(|index| self.entries.get_mut(index)) else {
            return;
        };
        push(&mut entry.received, at);
        entry.nominated |= nominated && error.is_none();
    }

    /// Something came from the peer; false when it is an answer that makes its check fail.
    pub fn received(&mut self, now: Duration, way: Way, message: &Message) -> bool {
        match message.class {
            Class::Request => {
                if self.theirs.len() >= MOST_PENDING {
                    self.theirs.pop_front();
                }
                let nominated = message.unknown_required.contains(&types::USE_CANDIDATE);
                self.theirs.push_back((message.id, way, now, nominated));
            }
            Class::Success | Class::Error => return self.answered(now, way, message),
            Class::Indication => {}
        }
        true
    }

    fn answered(&mut self, now: Duration, way: Way, message: &Message) -> bool {
        let Some(&(index, _)) = self.ours.get(&message.id) else { return true };
        let Some(entry) = self.entries.get_mut(index) else { return true };
        if way != entry.way {
            entry.trouble.get_or_insert(CheckResult::NotSymmetric { from: way.1 });
            return false;
        }
        let code = message.error.as_ref().map(|(code, _)| *code);
        if message.class == Class::Success && message.xor_mapped.is_some() {
            entry.answered.get_or_insert(now);
            entry.mapped = message.xor_mapped;
            return true;
        }
        entry.trouble = Some(CheckResult::Error { code: code.unwrap_or(0) });
        // A role conflict is resolved by another check.
        code == Some(ROLE_CONFLICT)
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
