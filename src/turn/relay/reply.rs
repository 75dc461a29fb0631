//! Answers to requests.

use super::Relay;
use crate::stun::{Class, Key, Strict, TransactionId, Writer, address, types};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

/// Which request is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub method: u16,
    pub id: TransactionId,
    /// Whether it had a FINGERPRINT: then the answer has one.
    pub fingerprint: bool,
}

impl Question {
    pub fn of(message: &Strict<'_>) -> Self {
        let fingerprint = message.value(types::FINGERPRINT).is_some();
        Self { method: message.method(), id: message.id(), fingerprint }
    }
}

/// An error response to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub code: u16,
    pub reason: Cow<'static, str>,
    /// UNKNOWN-ATTRIBUTES of a 420.
    pub unknown: Vec<u16>,
}

impl Fault {
    pub const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason), unknown: Vec::new() }
    }

    /// 403, with its reason.
    pub fn forbidden(why: super::Refusal) -> Self {
        let reason = Cow::Owned(format!("Forbidden: the peer is {why}"));
        Self { code: 403, reason, unknown: Vec::new() }
    }
}

pub(super) const BAD_REQUEST: Fault = Fault::new(400, "Bad Request");
pub(super) const MISMATCH: Fault = Fault::new(437, "Allocation Mismatch");
pub(super) const OTHER_FAMILY: Fault = Fault::new(443, "Peer Address Family Mismatch");
pub(super) const NO_CAPACITY: Fault = Fault::new(508, "Insufficient Capacity");

impl Relay {
    /// A success response with what is added to it, signed.
    pub(super) fn succeed(
        &self,
        question: Question,
        key: &Key,
        out: &mut Vec<u8>,
        add: impl FnOnce(&mut Writer<'_>),
    ) {
        let mut write = Writer::new(Class::Success, question.method, question.id, out);
        add(&mut write);
        self.finish(question, write, Some(key));
    }

    /// An error response; signed for who has shown the password.
    pub(super) fn refuse(
        &self,
        question: Question,
        key: Option<&Key>,
        fault: &Fault,
        out: &mut Vec<u8>,
    ) {
        let mut write = error(question, fault, out);
        if !fault.unknown.is_empty() {
            write.unknown(fault.unknown.iter());
        }
        self.finish(question, write, key);
    }

    /// An error response that tells the client how to ask again: 401 and 438.
    pub(super) fn challenge(
        &self,
        now: Duration,
        question: Question,
        path: &super::Path,
        fault: &Fault,
        out: &mut Vec<u8>,
    ) {
        let mut write = error(question, fault, out);
        write.text(types::REALM, self.auth.realm());
        write.text(types::NONCE, &self.auth.nonce(now, path));
        self.finish(question, write, None);
    }

    fn finish(&self, question: Question, mut write: Writer<'_>, key: Option<&Key>) {
        write.text(types::SOFTWARE, &self.software);
        if let Some(key) = key {
            write.sign(key);
        }
        if question.fingerprint {
            write.fingerprint();
        }
    }
}

fn error<'a>(question: Question, fault: &Fault, out: &'a mut Vec<u8>) -> Writer<'a> {
    let mut write = Writer::new(Class::Error, question.method, question.id, out);
    write.error(None, fault.code, &fault.reason);
    write
}

/// What a TURN request holds besides credentials. Of two of a kind the first counts (RFC 8489
/// section 14), except of peers.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub peers: Vec<SocketAddr>,
    pub channel: Option<u16>,
    pub lifetime: Option<u32>,
    /// REQUESTED-TRANSPORT: an IP protocol number.
    pub transport: Option<u8>,
    /// REQUESTED-ADDRESS-FAMILY: 1 is IPv4, 2 is IPv6.
    pub family: Option<u8>,
    /// ADDITIONAL-ADDRESS-FAMILY.
    pub additional: Option<u8>,
    /// EVEN-PORT, and whether the next is to be reserved.
    pub even_port: Option<bool>,
    pub token: Option<u64>,
}

impl Asked {
    /// Reads them: 400 for one that is malformed, 420 for one that must be understood and is not.
    pub fn read(message: &Strict<'_>) -> Result<Self, Fault> {
        let mut asked = Self::default();
        let mut unknown = Vec::new();
        let key = address::key(message.id());
        for (kind, value) in message.attributes() {
            match asked.take(kind, value, &key) {
                Some(false) if kind < types::ADDITIONAL_FAMILY => unknown.push(kind),
                Some(_) => {}
                None => return Err(BAD_REQUEST),
            }
        }
        if unknown.is_empty() {
            return Ok(asked);
        }
        unknown.truncate(16);
        Err(Fault { code: 420, reason: Cow::Borrowed("Unknown Attribute"), unknown })
    }

    /// Whether it is a known one; `None` when it is malformed.
    fn take(&mut self, kind: u16, value: &[u8], key: &address::Key) -> Option<bool> {
        let four = || value.first_chunk::<4>().filter(|_| value.len() == 4);
        match kind {
            // seen to before
            types::USERNAME
            | types::INTEGRITY
            | types::REALM
            | types::NONCE
            | types::INTEGRITY_SHA256
            | types::PASSWORD_ALGORITHM
            | types::USERHASH => {}
            types::XOR_PEER => self.peers.push(address::read(value, key).ok()?),
            types::CHANNEL_NUMBER => {
                let &[high, low, ..] = four()?;
                self.channel.get_or_insert(u16::from_be_bytes([high, low]));
            }
            types::LIFETIME => {
                self.lifetime.get_or_insert(u32::from_be_bytes(*four()?));
            }
            types::REQUESTED_TRANSPORT => {
                self.transport.get_or_insert(four()?[0]);
            }
            types::REQUESTED_FAMILY => {
                self.family.get_or_insert(four()?[0]);
            }
            types::ADDITIONAL_FAMILY => {
                self.additional.get_or_insert(four()?[0]);
            }
            types::EVEN_PORT => {
                self.even_port.get_or_insert(value.first()? & 0x80 != 0);
            }
            types::RESERVATION_TOKEN => {
                let token = value.first_chunk::<8>().filter(|_| value.len() == 8)?;
                self.token.get_or_insert(u64::from_be_bytes(*token));
            }
            // DONT-FRAGMENT is not served: RFC 8656 section 7.2 item 5 makes it unknown
            _ => return Some(false),
        }
        Some(true)
    }
}
