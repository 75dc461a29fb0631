//! The vocabulary of NAT behaviour (RFC 4787, RFC 5780; RFC 3489 for the classic names) and the
//! description of a NAT as plain data.
//!
//! One [`NatSpec`], read from TOML, drives the model in `sim`, the nftables text in `lab`, and the
//! prediction ([`pair`]) that both are held against.

mod facts;
pub mod pair;

pub use facts::Facts;

use crate::ground::fact::Values;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a NAT chooses the external endpoint of an internal one (RFC 4787 section 4.1).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mapping {
    /// One external endpoint for every destination.
    EndpointIndependent,
    /// One per destination address.
    AddressDependent,
    /// One per destination address and port.
    AddressAndPortDependent,
}

/// Which remote endpoints may send to an existing mapping (RFC 4787 section 5).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Filtering {
    /// Any remote endpoint.
    EndpointIndependent,
    /// Any port of an address that the mapping has sent to.
    AddressDependent,
    /// Only an address and port that the mapping has sent to.
    AddressAndPortDependent,
}

/// How the external port of a new mapping is chosen (RFC 4787 section 4.2).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Allocation {
    /// The internal port is kept where it is free.
    Preserving,
    /// The next port of a counter.
    Sequential,
    /// Unrelated to the internal port and to the previous mapping.
    Random,
}

/// Whose sending opens a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Permissions belong to one mapping.
    #[default]
    Mapping,
    /// Permissions are shared by all mappings of the router.
    Endpoint,
}

/// The names of RFC 3489 section 5, with `unnamed` for what it has no name for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Classic {
    /// No NAT and no filter.
    OpenInternet,
    /// No NAT; only answers come in.
    SymmetricUdpFirewall,
    /// eim-eif.
    FullCone,
    /// eim-adf.
    RestrictedCone,
    /// eim-apdf.
    PortRestrictedCone,
    /// apdm-apdf.
    Symmetric,
    /// No UDP passes.
    UdpBlocked,
    /// A combination that RFC 3489 has no name for, such as apdm-eif.
    Unnamed,
}

macro_rules! names {
    ($ty:ident { $($variant:ident = $long:literal / $short:literal),+ $(,)? }) => {
        impl $ty {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The name used in JSON and in `--expect`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $long),+ }
            }
            /// The short name used in names of NATs (the long one where there is none).
            #[must_use]
            pub const fn short(self) -> &'static str {
                match self { $(Self::$variant => $short),+ }
            }
        }
        impl Values for $ty {
            const VALUES: &'static [Self] = Self::ALL;
        }
        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl std::str::FromStr for $ty {
            type Err = String;
            /// Reads the long or the short name.
            ///
            /// # Errors
            /// A sentence that lists the names that exist.
            fn from_str(s: &str) -> Result<Self, String> {
                $(if s == $long || s == $short { return Ok(Self::$variant); })+
                Err(format!("`{s}` is not one of: {}", [$($long),+].join(", ")))
            }
        }
    };
}

names!(Mapping {
    EndpointIndependent = "endpoint-independent" / "eim",
    AddressDependent = "address-dependent" / "adm",
    AddressAndPortDependent = "address-and-port-dependent" / "apdm",
});
names!(Filtering {
    EndpointIndependent = "endpoint-independent" / "eif",
    AddressDependent = "address-dependent" / "adf",
    AddressAndPortDependent = "address-and-port-dependent" / "apdf",
});
names!(Allocation {
    Preserving = "preserving" / "preserving",
    Sequential = "sequential" / "sequential",
    Random = "random" / "random",
});
names!(Scope { Mapping = "mapping" / "mapping", Endpoint = "endpoint" / "endpoint" });
names!(Classic {
    OpenInternet = "open-internet" / "open-internet",
    SymmetricUdpFirewall = "symmetric-udp-firewall" / "symmetric-udp-firewall",
    FullCone = "full-cone" / "full-cone",
    RestrictedCone = "restricted-cone" / "restricted-cone",
    PortRestrictedCone = "port-restricted-cone" / "port-restricted-cone",
    Symmetric = "symmetric" / "symmetric",
    UdpBlocked = "udp-blocked" / "udp-blocked",
    Unnamed = "unnamed" / "unnamed",
});

impl Classic {
    /// The classic name of a measured behaviour. `nat` false means the local address is public.
    ///
    /// A stateful firewall without translation that filters by address only has no classic name:
    /// RFC 3489 section 5 knows only the symmetric one.
    #[must_use]
    pub const fn of(nat: bool, mapping: Mapping, filtering: Filtering) -> Self {
        use Filtering as F;
        use Mapping as M;
        match (nat, mapping, filtering) {
            (false, M::EndpointIndependent, F::EndpointIndependent) => Self::OpenInternet,
            (false, M::EndpointIndependent, F::AddressAndPortDependent) => {
                Self::SymmetricUdpFirewall
            }
            (true, M::EndpointIndependent, F::EndpointIndependent) => Self::FullCone,
            (true, M::EndpointIndependent, F::AddressDependent) => Self::RestrictedCone,
            (true, M::EndpointIndependent, F::AddressAndPortDependent) => Self::PortRestrictedCone,
            (true, M::AddressAndPortDependent, F::AddressAndPortDependent) => Self::Symmetric,
            _ => Self::Unnamed,
        }
    }
}

/// What kind of box stands in front of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Translation {
    /// A NAT: addresses are translated.
    #[default]
    Nat,
    /// A router: no translation (with a filter: a stateful firewall).
    None,
}

/// Known faults of real routers, each off unless named.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Bug {
    /// The WAN side of the router accepts unsolicited packets for itself, so that a peer's early
    /// packet takes the conntrack tuple and our own flow to that peer gets another port
    /// (early-packet poisoning). A plain Linux masquerade whose INPUT accepts.
    EarlyPacket,
    /// All UDP from the inside is dropped; TCP passes.
    UdpBlocked,
}

/// Lifetimes of mappings in seconds (RFC 4787 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Timeouts {
    /// Seconds of silence after which a mapping with one-way or short traffic is dropped.
    pub udp: u32,
    /// Seconds of silence after which a longer exchange is dropped.
    pub udp_stream: u32,
}

impl Default for Timeouts {
    /// Linux: `nf_conntrack_udp_timeout` and `nf_conntrack_udp_timeout_stream`.
    fn default() -> Self {
        Self { udp: 30, udp_stream: 120 }
    }
}

/// The description of a NAT: what an operator reads and edits in `lab/nats/*.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NatSpec {
    /// Its name; in a file, the file's stem must be the same.
    pub name: String,
    /// One sentence: what it is and where one meets it.
    #[serde(default)]
    pub summary: String,
    /// Other names for it, such as `full-cone`.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// NAT or plain router.
    #[serde(default)]
    pub translation: Translation,
    /// How external endpoints are chosen.
    pub mapping: Mapping,
    /// Who may send to them.
    pub filtering: Filtering,
    /// Whose sending opens a filter.
    #[serde(default)]
    pub scope: Scope,
    /// How external ports are chosen.
    pub allocation: Allocation,
    /// Whether inside hosts reach one another by their external endpoints (RFC 4787 REQ-9).
    #[serde(default)]
    pub hairpin: bool,
    /// Lifetimes of mappings.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Known faults.
    #[serde(default)]
    pub bugs: Vec<Bug>,
    /// Further NATs between this one and the internet, nearest first (double NAT, CGN).
    #[serde(default)]
    pub layers: Vec<NatSpec>,
}

impl NatSpec {
    /// A NAT with this behaviour and default everything else, named `mapping-filtering-allocation`.
    #[must_use]
    pub fn new(mapping: Mapping, filtering: Filtering, allocation: Allocation) -> Self {
        Self {
            name: format!("{}-{}-{allocation}", mapping.short(), filtering.short()),
            summary: String::new(),
            aliases: Vec::new(),
            translation: Translation::Nat,
            mapping,
            filtering,
            scope: Scope::Mapping,
            allocation,
            hairpin: false,
            timeouts: Timeouts::default(),
            bugs: Vec::new(),
            layers: Vec::new(),
        }
    }

    /// Whether this layer has a known fault.
    #[must_use]
    pub fn has(&self, bug: Bug) -> bool {
        self.bugs.contains(&bug)
    }

    /// All boxes from the host outwards, this one first.
    pub fn stack(&self) -> impl Iterator<Item = &Self> {
        let mut all = vec![self];
        let mut at = 0;
        while let Some(spec) = all.get(at).copied() {
            at += 1;
            all.splice(at..at, spec.layers.iter());
        }
        all.into_iter()
    }

    /// What a perfect observer inside would measure: the composition of all layers, which has the
    /// most dependent mapping and the strictest filter of any.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let nat = self.stack().any(|s| s.translation == Translation::Nat);
        let blocked = self.stack().any(|s| s.has(Bug::UdpBlocked));
        let mapping = self
            .stack()
            .filter(|s| s.translation == Translation::Nat)
            .map(|s| s.mapping)
            .max()
            .unwrap_or(Mapping::EndpointIndependent);
        let filtering =
            self.stack().map(|s| s.filtering).max().unwrap_or(Filtering::EndpointIndependent);
        let classic =
            if blocked { Classic::UdpBlocked } else { Classic::of(nat, mapping, filtering) };
        Truth { nat, mapping, filtering, classic, udp_blocked: blocked }
    }
}

/// The behaviour that a description promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth {
    /// Whether addresses are translated at all.
    pub nat: bool,
    /// The composed mapping.
    pub mapping: Mapping,
    /// The composed filtering.
    pub filtering: Filtering,
    /// The RFC 3489 name.
    pub classic: Classic,
    /// No UDP passes: the other axes cannot be observed.
    pub udp_blocked: bool,
}
