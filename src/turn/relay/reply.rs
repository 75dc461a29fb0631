//! Answers to requests, by the library's types.

use super::Relay;
use super::wire;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;
use stun_types::attribute::{AttributeType, ErrorCode, Nonce, Realm, Software, UnknownAttributes};
use stun_types::message::{
    IntegrityAlgorithm, IntegrityKey, Message, MessageClass, MessageType, MessageWrite,
    MessageWriteExt, MessageWriteVec, Method, TransactionId,
};
use stun_types::prelude::*;

/// Which request is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub method: Method,
    pub id: TransactionId,
    /// Whether it had a FINGERPRINT: then the answer has one.
    pub fingerprint: bool,
}

impl Question {
    pub fn of(message: &Message<'_>) -> Self {
        Self {
            method: message.method(),
            id: message.transaction_id(),
            fingerprint: message.has_attribute(stun_types::attribute::Fingerprint::TYPE),
        }
    }

    /// The 96 bits of the id.
    pub fn id(&self) -> [u8; 12] {
        let bytes = u128::from(self.id).to_be_bytes();
        bytes.last_chunk().copied().unwrap_or_default()
    }
}

/// An error response to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub code: u16,
    pub reason: Cow<'static, str>,
    /// UNKNOWN-ATTRIBUTES of a 420.
    pub unknown: Vec<AttributeType>,
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
    /// A success response, signed.
    pub(super) fn succeed(
        &self,
        question: Question,
        key: &IntegrityKey,
        attributes: &[&dyn AttributeWrite],
        out: &mut Vec<u8>,
    ) {
        let mut write = start(question, MessageClass::Success);
        for attribute in attributes {
            add(&mut write, *attribute);
        }
        self.finish(question, write, Some(key), out);
    }

    /// An error response; signed for who has shown the password.
    pub(super) fn refuse(
        &self,
        question: Question,
        key: Option<&IntegrityKey>,
        fault: &Fault,
        out: &mut Vec<u8>,
    ) {
        let mut write = error(question, fault);
        if !fault.unknown.is_empty() {
            add(&mut write, &UnknownAttributes::new(&fault.unknown));
        }
        self.finish(question, write, key, out);
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
        let mut write = error(question, fault);
        if let Ok(realm) = Realm::new(self.auth.realm()) {
            add(&mut write, &realm);
        }
        if let Ok(nonce) = Nonce::new(&self.auth.nonce(now, path)) {
            add(&mut write, &nonce);
        }
        self.finish(question, write, None, out);
    }

    fn finish(
        &self,
        question: Question,
        mut write: MessageWriteVec,
        key: Option<&IntegrityKey>,
        out: &mut Vec<u8>,
    ) {
        if let Ok(software) = Software::new(&self.software) {
            add(&mut write, &software);
        }
        // neither fails on a message that has none yet
        let signed = key.map(|k| write.add_message_integrity_with_key(k, IntegrityAlgorithm::Sha1));
        if signed.is_none_or(|signed| signed.is_ok()) {
            let _ = question.fingerprint.then(|| write.add_fingerprint());
            out.extend_from_slice(&write.finish());
        }
    }
}

fn start(question: Question, class: MessageClass) -> MessageWriteVec {
    let kind = MessageType::from_class_method(class, question.method);
    Message::builder(kind, question.id, MessageWriteVec::with_capacity(256))
}

fn error(question: Question, fault: &Fault) -> MessageWriteVec {
    let mut write = start(question, MessageClass::Error);
    if let Ok(code) = ErrorCode::new(fault.code, &fault.reason) {
        add(&mut write, &code);
    }
    write
}

/// An attribute does not fit only into a message far longer than any of ours.
fn add(write: &mut MessageWriteVec, attribute: &dyn AttributeWrite) {
    let _ = write.add_attribute(attribute);
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
    pub fn read(message: &Message<'_>) -> Result<Self, Fault> {
        let mut asked = Self::default();
        let mut unknown = Vec::new();
        let key =
            u128::from(message.transaction_id()) | u128::from(crate::stun::MAGIC_COOKIE) << 96;
        for (_, attribute) in message.iter_attributes() {
            let value: &[u8] = &attribute.value;
            let kind = attribute.get_type();
            match asked.take(kind.value(), value, key.to_be_bytes()) {
                Some(true) => {}
                Some(false) if kind.comprehension_required() => unknown.push(kind),
                Some(false) => {}
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
    fn take(&mut self, kind: u16, value: &[u8], key: [u8; 16]) -> Option<bool> {
        let four = || value.first_chunk::<4>().filter(|_| value.len() == 4);
        match kind {
            // USERNAME, MESSAGE-INTEGRITY, REALM, NONCE, MESSAGE-INTEGRITY-SHA256,
            // PASSWORD-ALGORITHM, USERHASH: seen to before
            0x0006 | 0x0008 | 0x0014 | 0x0015 | 0x001c | 0x001d | 0x001e => {}
            0x0012 => self.peers.push(wire::read_address(value, key)?),
            0x000c => {
                let &[high, low, ..] = four()?;
                self.channel.get_or_insert(u16::from_be_bytes([high, low]));
            }
            0x000d => {
                self.lifetime.get_or_insert(u32::from_be_bytes(*four()?));
            }
            0x0019 => {
                self.transport.get_or_insert(four()?[0]);
            }
            0x0017 => {
                self.family.get_or_insert(four()?[0]);
            }
            0x8000 => {
                self.additional.get_or_insert(four()?[0]);
            }
            0x0018 => {
                self.even_port.get_or_insert(value.first()? & 0x80 != 0);
            }
            0x0022 => {
                let token = value.first_chunk::<8>().filter(|_| value.len() == 8)?;
                self.token.get_or_insert(u64::from_be_bytes(*token));
            }
            // DONT-FRAGMENT (0x001a) is not served: RFC 8656 section 7.2 item 5 makes it unknown
            _ => return Some(false),
        }
        Some(true)
    }
}
