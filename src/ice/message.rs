//! Binding requests and answers with the short-term credentials of two peers (RFC 8445 sections 7.1
//! and 7.3): the only place besides the checklist that makes them.

use super::Role;
use super::checks::Secrets;
use crate::stun::TransactionId;
use std::net::SocketAddr;
use stun_types::attribute::{AttributeType, RawAttribute, Username, XorMappedAddress};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, Message, MessageClass, MessageIntegrityCredentials, MessageType,
    MessageWriteVec, ShortTermCredentials, StunWriteError,
};
use stun_types::prelude::{MessageWrite, MessageWriteExt};

/// PRIORITY, ICE-CONTROLLED and ICE-CONTROLLING (RFC 8445 section 16.1).
const PRIORITY: u16 = 0x0024;
const CONTROLLED: u16 = 0x8029;
const CONTROLLING: u16 = 0x802a;

/// What a request carries.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    pub own: &'a Secrets,
    pub other: &'a Secrets,
    pub role: Role,
    pub tie_breaker: u64,
    pub priority: u32,
}

/// A request like a check. It cannot fail: the length of what it carries has been seen to.
pub(super) fn request(id: TransactionId, terms: &Terms<'_>) -> Option<Vec<u8>> {
    write_request(id, terms).ok()
}

fn write_request(id: TransactionId, terms: &Terms<'_>) -> Result<Vec<u8>, StunWriteError> {
    let number = id.iter().fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
    let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
    let mut message = Message::builder(kind, number.into(), MessageWriteVec::new());
    message.add_attribute(&Username::new(&format!("{}:{}", terms.other.0, terms.own.0))?)?;
    let priority = terms.priority.to_be_bytes();
    message.add_attribute(&RawAttribute::new(AttributeType::new(PRIORITY), &priority))?;
    let role = if terms.role == Role::Controlling { CONTROLLING } else { CONTROLLED };
    let tie_breaker = terms.tie_breaker.to_be_bytes();
    message.add_attribute(&RawAttribute::new(AttributeType::new(role), &tie_breaker))?;
    message.add_message_integrity(&short_term(&terms.other.1), IntegrityAlgorithm::Sha1)?;
    message.add_fingerprint()?;
    Ok(message.finish())
}

/// The answer to a request that is for us; `None` when it is not.
pub(super) fn answer(request: &[u8], from: SocketAddr, own: &Secrets) -> Option<Vec<u8>> {
    let message = Message::from_bytes(request).ok()?;
    let ours = message.has_class(MessageClass::Request) && message.has_method(BINDING);
    let user = message.attribute::<Username>().ok()?;
    let to_us = user.username().split(':').next() == Some(own.0.as_str());
    let credentials = short_term(&own.1);
    if !ours || !to_us || message.validate_integrity(&credentials).is_err() {
        return None;
    }
    let mut success = Message::builder_success(&message, MessageWriteVec::new());
    let mapped = XorMappedAddress::new(from, message.transaction_id());
    success.add_attribute(&mapped).ok()?;
    success.add_message_integrity(&credentials, IntegrityAlgorithm::Sha1).ok()?;
    success.add_fingerprint().ok()?;
    Some(success.finish())
}

/// Whether a message carries the integrity that this password makes.
pub(super) fn authentic(bytes: &[u8], password: &str) -> bool {
    let Ok(message) = Message::from_bytes(bytes) else { return false };
    message.validate_integrity(&short_term(password)).is_ok()
}

fn short_term(password: &str) -> MessageIntegrityCredentials {
    ShortTermCredentials::new(password.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun;

    #[test]
    fn a_request_is_answered_by_whom_it_is_for_and_by_nobody_else() {
        let a: Secrets = ("aaaa".to_owned(), "a-0123456789abcdef012345".to_owned());
        let b: Secrets = ("bbbb".to_owned(), "b-0123456789abcdef012345".to_owned());
        let terms =
            Terms { own: &a, other: &b, role: Role::Controlled, tie_breaker: 1, priority: 7 };
        let bytes = request([9; 12], &terms).expect("it fits");
        let from: SocketAddr = "[2001:db8::1]:4000".parse().expect("an address");
        let read = stun::read(&answer(&bytes, from, &b).expect("for b")).expect("an answer");
        assert_eq!((read.id, read.xor_mapped), ([9; 12], Some(from)));
        assert_eq!((read.fingerprint, read.integrity), (Some(true), true));
        assert!(answer(&bytes, from, &a).is_none());
        assert!(answer(&bytes, from, &(b.0, a.1.clone())).is_none());
        let mut forged = bytes.clone();
        forged[30] ^= 1;
        assert!(answer(&forged, from, &(a.0, a.1)).is_none());
    }
}
