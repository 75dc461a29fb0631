//! Which pairs of NATs connect directly, and which need a relay: the one forecast, which the real
//! connections of the lab are held against and which every report, scenario and cost uses.
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
//! that it opened. Besides:
//!
//! - every box of a stack filters for itself, by the mapping that it sees itself;
//! - a box keeps one session for each pair of an inside and a remote endpoint. When an
//!   address-dependent NAT has sent to a peer's endpoint by a second external port, what comes from
//!   that endpoint to the first one would be a second session between the two, and is dropped: even
//!   where the filter would let it in. So the peer must have sent first;
//! - a router that takes early packets for itself (early-packet poisoning) drops what comes before
//!   its own host has sent, and gives the host's flow to that endpoint another port.
//!
//! How external ports are chosen (preserving, sequential, random) changes no verdict: an agent sends
//! its checks to the address that it was told, and guesses no port.
//!
//! [`forecast`] is for two descriptions; [`outlook`] for two ends of which not all is known.

mod behaviour;
mod outlook;
mod peer;

pub use behaviour::{Bar, Reason, Way};
pub use outlook::{Hinge, Open, Outlook, Possible, Standing, outlook};
pub use peer::PeerKind;

use super::NatSpec;
use behaviour::Behaviour;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a pair of peers needs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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

/// One end of a pair.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The one named first.
    A,
    /// The one named second.
    B,
}

impl End {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// What is expected of a pair, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// What the pair needs. Never [`Verdict::None`]: a relay is always reached, over TCP where no
    /// UDP passes.
    pub verdict: Verdict,
    /// When it depends on who sends first: the end that must.
    pub first: Option<End>,
    /// The reason, in a sentence or two.
    pub because: String,
}

/// The prediction for hosts behind `a` and `b` that reach a STUN server, and a TURN server over UDP
/// and TCP.
#[must_use]
pub fn forecast(a: &NatSpec, b: &NatSpec) -> Forecast {
    let (outcome, reason) = behaviour::judge([Behaviour::of(a), Behaviour::of(b)]);
    let because = reason.named([&a.name, &b.name], ["a", "b"]);
    Forecast { verdict: outcome.verdict, first: outcome.first, because }
}

#[cfg(test)]
mod tests;
