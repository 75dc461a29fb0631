//! ICMP errors, as far as they tell something about a path.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an ICMP error says (RFC 792, RFC 1812, RFC 4443).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IcmpKind {
    /// Nothing listens there.
    PortUnreachable,
    /// A firewall refuses (administratively prohibited).
    Prohibited,
    /// No route to the network or host, or our own kernel has none.
    Unreachable,
    /// Time exceeded.
    TimeExceeded,
    /// Anything else.
    Other,
}

impl IcmpKind {
    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::PortUnreachable => "that nothing listens there",
            Self::Prohibited => "that a firewall does not allow it",
            Self::Unreachable => "that there is no route",
            Self::TimeExceeded => "that the packet ran out of hops",
            Self::Other => "no (an unusual ICMP error)",
        }
    }
}
