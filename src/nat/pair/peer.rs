//! The kinds of peer that forecasts are made for.

use crate::nat::{Allocation, Bug, Classic, Filtering, Mapping, NatSpec, Translation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the other side is behind, by its RFC 3489 name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PeerKind {
    /// Nothing: it has a public address of its own.
    OpenInternet,
    /// A firewall that lets answers in.
    SymmetricUdpFirewall,
    /// eim-eif.
    FullCone,
    /// eim-adf.
    RestrictedCone,
    /// eim-apdf.
    PortRestrictedCone,
    /// apdm-apdf.
    Symmetric,
    /// A firewall that lets no UDP pass.
    UdpBlocked,
}

impl PeerKind {
    /// All, from the easiest to the hardest.
    pub const ALL: &'static [Self] = &[
        Self::OpenInternet,
        Self::SymmetricUdpFirewall,
        Self::FullCone,
        Self::RestrictedCone,
        Self::PortRestrictedCone,
        Self::Symmetric,
        Self::UdpBlocked,
    ];

    /// The name that it is known by.
    #[must_use]
    pub const fn classic(self) -> Classic {
        match self {
            Self::OpenInternet => Classic::OpenInternet,
            Self::SymmetricUdpFirewall => Classic::SymmetricUdpFirewall,
            Self::FullCone => Classic::FullCone,
            Self::RestrictedCone => Classic::RestrictedCone,
            Self::PortRestrictedCone => Classic::PortRestrictedCone,
            Self::Symmetric => Classic::Symmetric,
            Self::UdpBlocked => Classic::UdpBlocked,
        }
    }

    /// Its name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.classic().as_str()
    }

    /// For people: where such a peer is.
    #[must_use]
    pub const fn place(self) -> &'static str {
        match self {
            Self::OpenInternet => "on the open internet",
            Self::SymmetricUdpFirewall => "behind a stateful firewall",
            Self::FullCone => "behind a full-cone NAT",
            Self::RestrictedCone => "behind a restricted-cone NAT",
            Self::PortRestrictedCone => "behind a port-restricted-cone NAT",
            Self::Symmetric => "behind a symmetric NAT",
            Self::UdpBlocked => "where UDP is blocked",
        }
    }

    /// Its description. A test holds that it behaves as the catalogue's of the same name does.
    #[must_use]
    pub fn spec(self) -> NatSpec {
        use Filtering as F;
        use Mapping as M;
        let (mapping, filtering) = match self {
            Self::OpenInternet | Self::FullCone | Self::UdpBlocked => {
                (M::EndpointIndependent, F::EndpointIndependent)
            }
            Self::RestrictedCone => (M::EndpointIndependent, F::AddressDependent),
            Self::SymmetricUdpFirewall | Self::PortRestrictedCone => {
                (M::EndpointIndependent, F::AddressAndPortDependent)
            }
            Self::Symmetric => (M::AddressAndPortDependent, F::AddressAndPortDependent),
        };
        let plain =
            matches!(self, Self::OpenInternet | Self::SymmetricUdpFirewall | Self::UdpBlocked);
        NatSpec {
            name: self.as_str().to_owned(),
            translation: if plain { Translation::None } else { Translation::Nat },
            bugs: if self == Self::UdpBlocked { vec![Bug::UdpBlocked] } else { Vec::new() },
            ..NatSpec::new(mapping, filtering, Allocation::Random)
        }
    }
}

impl fmt::Display for PeerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
