//! Which pairs of NATs connect directly, and which need a relay: the prediction that real
//! connections are held against.
//!
//! Each side learns its reflexive address from a STUN server and sends checks to the other's
//! (RFC 8445). Side B's packets reach A when A's filter lets them in at A's *advertised* mapping:
//!
//! - endpoint-independent filtering: always;
//! - address-dependent: when A's own checks to B leave by the advertised mapping, which only
//!   endpoint-independent mapping guarantees;
//! - address-and-port-dependent: when besides B's packets come from the very endpoint that A sent
//!   to, so B's mapping must be endpoint-independent as well.
//!
//! One direction is enough: the answer to a packet that came in travels back along the session
//! that it opened.

mod stacks;

pub use stacks::{End, Forecast, forecast};

use super::{Filtering, Mapping};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a pair of peers needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Direct with reflexive addresses alone.
    Stun,
    /// Direct only when one given side sends first.
    OrderDependent,
    /// Only a relay connects them.
    Turn,
    /// Not even a relay.
    None,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stun => "stun",
            Self::OrderDependent => "order-dependent",
            Self::Turn => "turn",
            Self::None => "none",
        })
    }
}

/// The behaviour of one side of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// Its mapping.
    pub mapping: Mapping,
    /// Its filtering.
    pub filtering: Filtering,
}

/// Whether `from`'s checks get in at the reflexive address that `to` advertised.
#[must_use]
pub fn reaches(from: Side, to: Side) -> bool {
    let keeps = |side: Side| side.mapping == Mapping::EndpointIndependent;
    match to.filtering {
        Filtering::EndpointIndependent => true,
        Filtering::AddressDependent => keeps(to),
        Filtering::AddressAndPortDependent => keeps(to) && keeps(from),
    }
}

/// The verdict for two sides that each reach the STUN server and a TURN server over UDP.
#[must_use]
pub fn predict(a: Side, b: Side) -> Verdict {
    if reaches(a, b) || reaches(b, a) { Verdict::Stun } else { Verdict::Turn }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fourteen_of_the_45_unordered_pairs_need_a_relay() {
        let sides: Vec<Side> = Mapping::ALL
            .iter()
            .flat_map(|&mapping| {
                Filtering::ALL.iter().map(move |&filtering| Side { mapping, filtering })
            })
            .collect();
        let mut turn = 0;
        for (i, &a) in sides.iter().enumerate() {
            for &b in &sides[i..] {
                assert_eq!(predict(a, b), predict(b, a), "the verdict has no direction");
                turn += usize::from(predict(a, b) == Verdict::Turn);
            }
        }
        assert_eq!(turn, 14);
    }
}
