//! Servers that let anybody in, and servers that do not sign their answers.
//!
//! The library knows neither: it takes an allocation from nobody who has not asked it for
//! credentials, and no answer without MESSAGE-INTEGRITY. Such servers are the ones that an operator
//! must hear of, so here they are used all the same. Towards the library we stand in for a server
//! that signs: it is asked for credentials in the server's name, and answers are signed with the key
//! that the library itself uses. Towards an open server nothing of that is sent.

use super::{Client, Duration, method};
use crate::stun;
use turn_client_proto::types::attribute::XorRelayedAddress;
use turn_client_proto::types::stun::attribute::{
    Attribute, ErrorCode, Nonce, Realm, XorMappedAddress,
};
use turn_client_proto::types::stun::message::{
    IntegrityAlgorithm, LongTermCredentials, Message, MessageClass, MessageType, MessageWriteVec,
    Method, TransactionId,
};
use turn_client_proto::types::stun::prelude::{AttributeStaticType, MessageWrite, MessageWriteExt};

/// DONT-FRAGMENT, which a server may refuse (RFC 8656 section 7.2), and which nobody needs here.
const DONT_FRAGMENT: u16 = 0x001a;
/// What the library is told where the server names no realm. Never sent.
const NO_REALM: &str = "open";
/// Who the library thinks we are when no user was named. Never sent.
pub(super) const ANYBODY: &str = "anybody";
/// Attributes of the long-term mechanism (RFC 8489 section 9.2), and what may only stand behind
/// MESSAGE-INTEGRITY.
const CREDENTIALS: [u16; 9] =
    [0x0006, 0x0008, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e, 0x8002, 0x8028];

/// How a server let this client in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// It wanted credentials, and its answers prove that it knows the password.
    #[default]
    Signed,
    /// It wanted none: it relays for everybody.
    Open,
    /// It wanted credentials, but its success has no MESSAGE-INTEGRITY (RFC 8489 section 9.2.5
    /// wants such an answer ignored, as browsers do).
    Unsigned,
}

impl Client {
    /// How the server let this client in; of use once there is an allocation.
    #[must_use]
    pub const fn guard(&self) -> Guard {
        self.guard
    }

    /// An open server's success is kept until the library, challenged in the server's name, asks
    /// again. False when it cannot be read.
    pub(super) fn admit(&mut self, now: Duration, success: &[u8]) -> bool {
        let Some(challenge) = challenge(success) else { return false };
        self.admitted = Some(success.to_vec());
        self.learn(&challenge);
        self.feed(now, &challenge);
        true
    }

    /// A response, signed when this server does not do it; `None` when it cannot be read.
    pub(super) fn signed(&self, bytes: &[u8], signed: bool) -> Option<Vec<u8>> {
        if signed || self.guard == Guard::Signed {
            return Some(bytes.to_vec());
        }
        self.sign(bytes, None)
    }

    /// What leaves in place of what the library wants to send: to an open server no credentials, in
    /// a first Allocate no DONT-FRAGMENT.
    pub(super) fn undress(&self, bytes: &[u8]) -> Vec<u8> {
        let stripped = stun::read(bytes).ok().and_then(|message| {
            let request = message.class == stun::Class::Request;
            if request && self.guard == Guard::Open {
                without(bytes, &CREDENTIALS)
            } else if request && message.method == method::ALLOCATE && !message.integrity {
                without(bytes, &[DONT_FRAGMENT])
            } else {
                None
            }
        });
        stripped.unwrap_or_else(|| bytes.to_vec())
    }

    /// The answer that is there already to an Allocate that the library makes of a challenge which
    /// the server never sent.
    pub(super) fn answered_already(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let request = Message::from_bytes(bytes).ok()?;
        if self.guard != Guard::Open || request.method() != Method::new(method::ALLOCATE) {
            return None;
        }
        let success = self.admitted.take()?;
        self.sign(&success, Some(request.transaction_id()))
    }

    /// The same message with the MESSAGE-INTEGRITY that the library expects; under another
    /// transaction id where one is given.
    fn sign(&self, bytes: &[u8], id: Option<TransactionId>) -> Option<Vec<u8>> {
        let message = Message::from_bytes(bytes).ok()?;
        let own = message.transaction_id();
        let id = id.unwrap_or(own);
        let mut write = Message::builder(message.get_type(), id, MessageWriteVec::new());
        for (_, attribute) in message.iter_attributes() {
            let kind = attribute.get_type();
            // what cannot be copied, such as a second of its type, is of no use to the library
            let _copied = if kind == XorRelayedAddress::TYPE {
                let address = XorRelayedAddress::try_from(&attribute).ok()?.addr(own);
                write.add_attribute(&XorRelayedAddress::new(address, id))
            } else if kind == XorMappedAddress::TYPE {
                let address = XorMappedAddress::try_from(&attribute).ok()?.addr(own);
                write.add_attribute(&XorMappedAddress::new(address, id))
            } else if CREDENTIALS.contains(&kind.value()) {
                Ok(())
            } else {
                write.add_attribute(&attribute)
            };
        }
        let realm = if self.guard == Guard::Open { NO_REALM } else { self.realm.as_str() };
        let who = LongTermCredentials::new(self.name().to_owned(), self.server.password.clone());
        let key = who.to_key(realm.to_owned()).make_key(IntegrityAlgorithm::Sha1);
        write.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).ok()?;
        Some(write.finish())
    }

    /// Who the library thinks we are.
    fn name(&self) -> &str {
        if self.server.user.is_empty() { ANYBODY } else { &self.server.user }
    }
}

/// A 401 in the server's name, to the request that this success answers.
fn challenge(success: &[u8]) -> Option<Vec<u8>> {
    let message = Message::from_bytes(success).ok()?;
    let kind = MessageType::from_class_method(MessageClass::Error, Method::new(method::ALLOCATE));
    let mut write = Message::builder(kind, message.transaction_id(), MessageWriteVec::new());
    write.add_attribute(&ErrorCode::builder(401).build().ok()?).ok()?;
    write.add_attribute(&Realm::new(NO_REALM).ok()?).ok()?;
    write.add_attribute(&Nonce::new(NO_REALM).ok()?).ok()?;
    Some(write.finish())
}

fn without(bytes: &[u8], attributes: &[u16]) -> Option<Vec<u8>> {
    let message = Message::from_bytes(bytes).ok()?;
    let id = message.transaction_id();
    let mut write = Message::builder(message.get_type(), id, MessageWriteVec::new());
    for (_, attribute) in message.iter_attributes() {
        if !attributes.contains(&attribute.get_type().value()) {
            write.add_attribute(&attribute).ok()?;
        }
    }
    Some(write.finish())
}
