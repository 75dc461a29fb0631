//! What a box drops, written down in a set with counters: the reason as a packet mark, the sender
//! and the addressee as they stood outside, and how many packets.

use super::Text;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// The set's name.
pub const SET: &str = "refused";

/// Why a packet went no further.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The filter: nothing had been sent to where it came from.
    Filter,
    /// No mapping has this external port.
    NoMapping,
    /// The inside host has a session with this sender by another external port.
    SecondSession,
    /// No UDP passes.
    Blocked,
    /// The router took it for itself (early-packet poisoning).
    Taken,
}

impl Reason {
    const ALL: [Self; 5] =
        [Self::Filter, Self::NoMapping, Self::SecondSession, Self::Blocked, Self::Taken];

    const fn mark(self) -> u32 {
        match self {
            Self::Filter => 1,
            Self::NoMapping => 2,
            Self::SecondSession => 3,
            Self::Blocked => 4,
            Self::Taken => 5,
        }
    }

    /// Ends a rule: the packet is written down and dropped.
    pub(super) fn refuse(self) -> String {
        format!("meta mark set {} goto refuse", self.mark())
    }

    /// Ends a rule: the packet is written down, and goes on.
    pub(super) fn write_down(self) -> String {
        format!("meta mark set {} jump write_down", self.mark())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Filter => "filter",
            Self::NoMapping => "no mapping",
            Self::SecondSession => "second session",
            Self::Blocked => "UDP blocked",
            Self::Taken => "taken by the router",
        })
    }
}

/// The set and the two chains that write to it. A full set ends the rule that would write, so the
/// drop is a rule of its own.
pub(super) fn declare(text: &mut Text) {
    text.block(
        &format!("set {SET}"),
        &[
            "type mark . ipv4_addr . inet_service . ipv4_addr . inet_service".into(),
            "flags dynamic".into(),
            "size 4096".into(),
        ],
    );
    text.block(
        "chain write_down",
        &[format!(
            "meta l4proto udp update @{SET} {{ meta mark . ct original ip saddr . ct original \
             proto-src . ct original ip daddr . ct original proto-dst counter }}"
        )],
    );
    text.block("chain refuse", &["jump write_down".into(), "drop".into()]);
}

/// Packets of one flow that one box dropped for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why it was refused.
    pub reason: Reason,
    /// The sender, as this box saw it.
    pub from: SocketAddrV4,
    /// The addressee, likewise: an external endpoint of this box, for what came from outside.
    pub to: SocketAddrV4,
    /// How many.
    pub packets: u64,
}

/// Reads what `nft -j list set ip natscope refused` prints; what it does not understand is left out.
#[must_use]
pub fn read(json: &str) -> Vec<Refused> {
    crate::lab::nft_json::elements(json)
        .into_iter()
        .filter_map(|element| {
            let [mark, from, from_port, to, to_port] = element.key.as_slice() else {
                return None;
            };
            let mark = mark.as_u64()?;
            let address = |host: &serde_json::Value, port: &serde_json::Value| {
                let host: Ipv4Addr = host.as_str()?.parse().ok()?;
                Some(SocketAddrV4::new(host, u16::try_from(port.as_u64()?).ok()?))
            };
            Some(Refused {
                reason: Reason::ALL.into_iter().find(|r| u64::from(r.mark()) == mark)?,
                from: address(from, from_port)?,
                to: address(to, to_port)?,
                packets: element.packets,
            })
        })
        .collect()
}
