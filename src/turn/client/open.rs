//! Servers that let anybody in, and servers that do not sign their answers.
//!
//! The library knows neither: it takes an allocation from nobody who has not asked it for
//! credentials, and no answer without MESSAGE-INTEGRITY. Such servers are the ones that an operator
//! must hear of, so here they are used all the same. Towards the library we stand in for a server
//! that signs: it is asked for credentials in the server's name, and answers are signed with the key
//! that the library itself uses. Towards an open server nothing of that is sent.

use super::{Client, Duration, Strict, method, types};
use crate::stun::{self, Class, Key, TransactionId, Writer, address};

/// What the library is told where the server names no realm. Never sent.
const NO_REALM: &str = "open";
/// Who the library thinks we are when no user was named. Never sent.
pub(super) const ANYBODY: &str = "anybody";
/// Attributes of the long-term mechanism (RFC 8489 section 9.2), and what may only stand behind
/// MESSAGE-INTEGRITY.
const CREDENTIALS: [u16; 9] = [
    types::USERNAME,
    types::INTEGRITY,
    types::REALM,
    types::NONCE,
    types::INTEGRITY_SHA256,
    types::PASSWORD_ALGORITHM,
    types::USERHASH,
    types::PASSWORD_ALGORITHMS,
    types::FINGERPRINT,
];

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
                // a server may refuse it (RFC 8656 section 7.2), and nobody needs it here
                without(bytes, &[types::DONT_FRAGMENT])
            } else {
                None
            }
        });
        stripped.unwrap_or_else(|| bytes.to_vec())
    }

    /// The answer that is there already to an Allocate that the library makes of a challenge which
    /// the server never sent.
    pub(super) fn answered_already(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let request = Strict::read(bytes)?;
        if self.guard != Guard::Open || request.method() != method::ALLOCATE {
            return None;
        }
        let success = self.admitted.take()?;
        self.sign(&success, Some(request.id()))
    }

    /// The same message with the MESSAGE-INTEGRITY that the library expects; under another
    /// transaction id where one is given.
    fn sign(&self, bytes: &[u8], id: Option<TransactionId>) -> Option<Vec<u8>> {
        let message = Strict::read(bytes)?;
        let own = address::key(message.id());
        let mut out = Vec::new();
        let id = id.unwrap_or(message.id());
        let mut write = Writer::new(message.class(), message.method(), id, &mut out);
        for (kind, value) in message.attributes() {
            if matches!(kind, types::XOR_RELAYED | types::XOR_MAPPED) {
                write.xor_address(kind, address::read(value, &own).ok()?);
            } else if !CREDENTIALS.contains(&kind) {
                write.attribute(kind, value);
            }
        }
        let realm = if self.guard == Guard::Open { NO_REALM } else { self.realm.as_str() };
        write.sign(&Key::long_term(self.name(), realm, &self.server.password));
        Some(out)
    }

    /// Who the library thinks we are.
    fn name(&self) -> &str {
        if self.server.user.is_empty() { ANYBODY } else { &self.server.user }
    }
}

/// A 401 in the server's name, to the request that this success answers.
fn challenge(success: &[u8]) -> Option<Vec<u8>> {
    let id = Strict::read(success)?.id();
    let mut out = Vec::new();
    let mut write = Writer::new(Class::Error, method::ALLOCATE, id, &mut out);
    write.error(None, 401, "Unauthorized");
    write.text(types::REALM, NO_REALM);
    write.text(types::NONCE, NO_REALM);
    Some(out)
}

fn without(bytes: &[u8], attributes: &[u16]) -> Option<Vec<u8>> {
    let message = Strict::read(bytes)?;
    let mut out = Vec::new();
    let mut write = Writer::new(message.class(), message.method(), message.id(), &mut out);
    for (kind, value) in message.attributes().filter(|(kind, _)| !attributes.contains(kind)) {
        write.attribute(kind, value);
    }
    Some(out)
}
