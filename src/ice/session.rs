//! Who the two sides are to one another: credentials, role, tie-breaker.

use super::checks::Secrets;
use super::message::Terms;
use super::own::priority;
use super::{Description, Kind, Role};
use rand::RngExt;
use rand::rngs::StdRng;

/// What user name fragments and passwords are made of (RFC 8839 section 5.4).
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// The longest fragment and password of SDP (RFC 8839 section 5.4); what is longer would not fit a
/// request.
const LONGEST: usize = 256;

#[derive(Debug)]
pub(super) struct Session {
    own: Secrets,
    other: Option<Secrets>,
    role: Role,
    tie_breaker: u64,
}

impl Session {
    pub fn new(role: Role, rng: &mut StdRng) -> Self {
        let own = (secret(rng, 8), secret(rng, 24));
        Self { own, other: None, role, tie_breaker: rng.random() }
    }

    pub const fn own(&self) -> &Secrets {
        &self.own
    }

    /// The peer's, once it has told them.
    pub const fn other(&self) -> Option<&Secrets> {
        self.other.as_ref()
    }

    /// The peer tells who it is; only the first time counts.
    pub fn meet(&mut self, peer: &Description) {
        let cut = |text: &str| text.chars().take(LONGEST).collect();
        self.other.get_or_insert_with(|| (cut(&peer.ufrag), cut(&peer.pwd)));
    }

    pub const fn role(&self) -> Role {
        self.role
    }

    /// As a conflict was resolved.
    pub const fn take_role(&mut self, role: Role) {
        self.role = role;
    }

    /// What a request to the peer carries.
    pub fn terms(&self) -> Option<Terms<'_>> {
        let (own, other) = (&self.own, self.other.as_ref()?);
        let priority = priority(Kind::PeerReflexive, u16::MAX);
        Some(Terms { own, other, role: self.role, tie_breaker: self.tie_breaker, priority })
    }
}

fn secret(rng: &mut StdRng, length: usize) -> String {
    let pick = |_| char::from(ICE_CHARS[rng.random_range(0..ICE_CHARS.len())]);
    (0..length).map(pick).collect()
}
