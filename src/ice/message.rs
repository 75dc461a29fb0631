//! Binding requests and answers with the short-term credentials of two peers (RFC 8445 sections 7.1
//! and 7.3): the only place besides the checklist that makes them.

use super::Role;
use super::checks::Secrets;
use super::trace::Way;
use crate::stun::{BINDING, Class, Key, Message, Strict, TransactionId, Writer, types};
use std::net::SocketAddr;

/// What a request carries.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    pub own: &'a Secrets,
    pub other: &'a Secrets,
    pub role: Role,
    pub tie_breaker: u64,
    pub priority: u32,
}

/// The longest user name (RFC 8489 section 14.3).
const LONGEST_USER: usize = 513;

/// A request like a check; `None` when the names are too long for one.
pub(super) fn request(id: TransactionId, terms: &Terms<'_>) -> Option<Vec<u8>> {
    let user = format!("{}:{}", terms.other.0, terms.own.0);
    if user.len() > LONGEST_USER {
        return None;
    }
    let controls = terms.role == Role::Controlling;
    let role = if controls { types::ICE_CONTROLLING } else { types::ICE_CONTROLLED };
    let mut out = Vec::new();
    let mut write = Writer::new(Class::Request, BINDING, id, &mut out);
    write.text(types::USERNAME, &user);
    write.attribute(types::PRIORITY, &terms.priority.to_be_bytes());
    write.attribute(role, &terms.tie_breaker.to_be_bytes());
    write.sign(&Key::short_term(&terms.other.1));
    write.fingerprint();
    Some(out)
}

/// The answer to a request that is for us; `None` when it is not.
pub(super) fn answer(request: &[u8], from: SocketAddr, own: &Secrets) -> Option<Vec<u8>> {
    let message = Strict::read(request)?;
    let ours = message.class() == Class::Request && message.method() == BINDING;
    let to_us = message.text(types::USERNAME)?.split(':').next() == Some(own.0.as_str());
    let key = Key::short_term(&own.1);
    if !ours || !to_us || !message.is_signed(&key) {
        return None;
    }
    let mut out = Vec::new();
    let mut write = Writer::new(Class::Success, BINDING, message.id(), &mut out);
    write.xor_address(types::XOR_MAPPED, from);
    write.sign(&key);
    write.fingerprint();
    Some(out)
}

/// A STUN packet on its way in, read once.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    pub way: Way,
    pub bytes: &'a [u8],
    pub read: &'a Message,
}

impl Packet<'_> {
    /// Whether it carries the integrity that this side's password makes.
    pub fn is_of(&self, side: &Secrets) -> bool {
        let message = Strict::read(self.bytes);
        message.is_some_and(|message| message.is_signed(&Key::short_term(&side.1)))
    }
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
