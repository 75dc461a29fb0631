//! Reading by the letter, by stun-types, and who has signed what (RFC 8489 sections 9 and 14.5):
//! for what is let in by a password. [`super::read`] is for what is to be diagnosed.

use super::{Class, TransactionId, address, types};
use std::net::SocketAddr;
use stun_types::attribute::{Attribute, MessageIntegrity, RawAttribute};
use stun_types::message::{
    IntegrityAlgorithm, IntegrityKey, LongTermCredentials, Message, MessageClass, MessageWrite,
    MessageWriteExt, MessageWriteVec, Method, ShortTermCredentials,
};
use turn_client_proto::stun::auth::LongTermClientAuth;

/// How many bytes a text may have (RFC 8489 sections 14.3, 14.9 and 14.10).
pub(super) const fn longest(kind: u16) -> usize {
    if kind == types::USERNAME { 513 } else { 763 }
}

/// A message that can be walked from one end to the other and whose FINGERPRINT, if it has one, is
/// right. What follows the integrity is not seen.
#[derive(Debug)]
pub struct Strict<'a> {
    bytes: &'a [u8],
    message: Message<'a>,
}

impl<'a> Strict<'a> {
    /// Reads one message; `None` when it is none.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        Message::from_bytes(bytes).ok().map(|message| Self { bytes, message })
    }

    /// Its class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.message.class() {
            MessageClass::Request => Class::Request,
            MessageClass::Indication => Class::Indication,
            MessageClass::Success => Class::Success,
            MessageClass::Error => Class::Error,
        }
    }

    /// Its method.
    #[must_use]
    pub fn method(&self) -> u16 {
        self.message.method().value()
    }

    /// Its transaction id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        wire_id(self.message.transaction_id())
    }

    /// Its attributes: type and value.
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let value = |at: usize, length: u16| self.bytes.get(at + 4..at + 4 + usize::from(length));
        self.message.iter_attributes().map(move |(at, attribute)| {
            let length = u16::try_from(attribute.value.len()).unwrap_or(0);
            (attribute.get_type().value(), value(at, length).unwrap_or_default())
        })
    }

    /// The value of the first attribute of a type.
    #[must_use]
    pub fn value(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(other, _)| *other == kind).map(|(_, value)| value)
    }

    /// USERNAME, REALM or NONCE; `None` also when it is no text or too long.
    #[must_use]
    pub fn text(&self, kind: u16) -> Option<&'a str> {
        let value = self.value(kind).filter(|value| value.len() <= longest(kind))?;
        std::str::from_utf8(value).ok()
    }

    /// XOR-MAPPED-ADDRESS or one like it.
    #[must_use]
    pub fn xor_address(&self, kind: u16) -> Option<SocketAddr> {
        address::read(self.value(kind)?, &address::key(self.id())).ok()
    }

    /// Whether it carries the integrity that this key makes.
    #[must_use]
    pub fn is_signed(&self, key: &Key) -> bool {
        self.message.validate_integrity_with_key(&key.0).is_ok()
    }
}

/// A key that signs messages and checks signatures.
#[derive(Debug, Clone)]
pub struct Key(IntegrityKey);

impl Key {
    /// Of a short-term credential (RFC 8489 section 9.1).
    #[must_use]
    pub fn short_term(password: &str) -> Self {
        Self(ShortTermCredentials::new(password.to_owned()).make_key())
    }

    /// Of a long-term credential (section 9.2).
    #[must_use]
    pub fn long_term(user: &str, realm: &str, password: &str) -> Self {
        let credentials = LongTermCredentials::new(user.to_owned(), password.to_owned());
        Self(credentials.to_key(realm.to_owned()).make_key(IntegrityAlgorithm::Sha1))
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 20] {
        // fails for a key of another algorithm only, and there is none
        MessageIntegrity::compute(&[message], &self.0).unwrap_or_default()
    }
}

/// What a client has learnt of a server's challenges, for requests of its own (section 9.2.3).
#[derive(Debug)]
pub struct Login(LongTermClientAuth);

impl Login {
    /// Of who has these.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        let mut auth = LongTermClientAuth::new();
        auth.set_credentials(LongTermCredentials::new(user.to_owned(), password.to_owned()));
        Self(auth)
    }

    /// Takes note of a challenge.
    pub fn learn(&mut self, answer: &Strict<'_>) {
        let _judged_elsewhere = self.0.validate_incoming_message(&answer.message);
    }

    /// A signed request of one attribute, and its id.
    pub fn request(
        &mut self,
        method: u16,
        kind: u16,
        value: &[u8],
    ) -> Option<(TransactionId, Vec<u8>)> {
        let mut message = Message::builder_request(Method::new(method), MessageWriteVec::new());
        let id = wire_id(message.transaction_id());
        message.add_attribute(&RawAttribute::new(kind.into(), value)).ok()?;
        Some((id, self.0.sign_outgoing_message(message).ok()?.finish()))
    }
}

/// An id that nobody can foresee.
#[must_use]
pub fn random_id() -> TransactionId {
    wire_id(stun_types::message::TransactionId::generate())
}

fn wire_id(id: stun_types::message::TransactionId) -> TransactionId {
    u128::from(id).to_be_bytes().last_chunk().copied().unwrap_or_default()
}
