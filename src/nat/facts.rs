//! The facts of one path, axis by axis.

use super::{Allocation, Classic, Filtering, Mapping};
use crate::ground::fact::Fact;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the judge says of one path (one address family of this host).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Facts {
    /// Whether addresses are translated between here and the servers.
    pub nat: Fact<bool>,
    /// RFC 4787 section 4.1.
    pub mapping: Fact<Mapping>,
    /// RFC 4787 section 5.
    pub filtering: Fact<Filtering>,
    /// The RFC 3489 name.
    pub classic: Fact<Classic>,
    /// Whether the external port equals the internal one.
    pub port_preservation: Fact<bool>,
    /// How external ports are chosen.
    pub allocation: Fact<Allocation>,
    /// Whether a peer's early packet spoils the mapping for our own later flow to that peer.
    pub early_packet_poisoning: Fact<bool>,
    /// Whether something on the path rewrites MAPPED-ADDRESS (an ALG).
    pub mapped_address_rewriting: Fact<bool>,
}

impl Facts {
    /// Drops the evidence of all.
    pub fn forget_evidence(&mut self) {
        self.nat.forget_evidence();
        self.mapping.forget_evidence();
        self.filtering.forget_evidence();
        self.classic.forget_evidence();
        self.port_preservation.forget_evidence();
        self.allocation.forget_evidence();
        self.early_packet_poisoning.forget_evidence();
        self.mapped_address_rewriting.forget_evidence();
    }
}
