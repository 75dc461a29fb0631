//! Why a run failed: which filter of which box dropped what, from what the boxes wrote down and
//! from the agents' check traces. Pure.

use crate::ice::{CheckResult, Kind, Outcome};
use crate::lab::rules::{Reason, Refused};
use crate::nat::pair::End;
use crate::nat::{Filtering, Mapping, NatSpec, Translation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// What is known of a failed run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autopsy {
    /// The findings, a sentence each.
    pub text: Vec<String>,
    /// What was dropped, by box.
    pub drops: Vec<Drop>,
    /// The pairs that were checked.
    pub checks: Vec<Checked>,
}

/// Packets of one flow that a box dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drop {
    /// On whose side the box stands.
    pub side: End,
    /// Which of its boxes, the innermost being 0.
    #[serde(rename = "box")]
    pub at: usize,
    /// The box's name.
    pub nat: String,
    /// Why it dropped them.
    pub reason: Reason,
    /// The sender as the box saw it.
    pub from: SocketAddrV4,
    /// Where to.
    pub to: SocketAddrV4,
    /// How many.
    pub packets: u64,
}

/// The checks of one side on one pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// Whose checks.
    pub by: End,
    /// The kind of its own candidate.
    pub local: Kind,
    /// Where they were sent to.
    pub to: SocketAddr,
    /// The kind of that candidate.
    pub remote: Kind,
    /// Requests sent, retransmissions included.
    pub sent: usize,
    /// Whether one was answered.
    pub answered: bool,
    /// Requests of the peer that came in on this pair.
    pub received: usize,
}

/// One side of a failed run.
#[derive(Debug, Clone, Copy)]
pub struct Witness<'a> {
    /// The NAT.
    pub spec: &'a NatSpec,
    /// The public address of the outermost box, or the host's own where nothing hides it.
    pub public: Ipv4Addr,
    /// What the agent said.
    pub outcome: &'a Outcome,
    /// What each box dropped during the run, the innermost first.
    pub refused: &'a [Vec<Refused>],
}

/// What a box has written down in `after` and not yet in `before`.
#[must_use]
pub fn since(before: &[Refused], after: &[Refused]) -> Vec<Refused> {
    let known = |now: &Refused| {
        let same =
            |old: &&Refused| (old.reason, old.from, old.to) == (now.reason, now.from, now.to);
        before.iter().find(same).map_or(0, |old| old.packets)
    };
    after
        .iter()
        .map(|now| Refused { packets: now.packets.saturating_sub(known(now)), ..*now })
        .filter(|new| new.packets > 0)
        .collect()
}

/// Puts together what both sides and all their boxes know.
#[must_use]
pub fn examine(a: Witness<'_>, b: Witness<'_>) -> Autopsy {
    let mut drops = Vec::new();
    let mut text = Vec::new();
    let mut checks = Vec::new();
    for (side, own, peer) in [(End::A, a, b), (End::B, b, a)] {
        checks.extend(own.outcome.checks.iter().map(|check| Checked {
            by: side,
            local: check.pair.local.kind,
            to: check.pair.remote.address,
            remote: check.pair.remote.kind,
            sent: check.sent_ms.len(),
            answered: check.result == CheckResult::Succeeded,
            received: check.received_ms.len(),
        }));
        // what this side sent: it was dropped by its own boxes, or by the peer's
        let mine = dropped(side, own).filter(|d| d.reason == Reason::Blocked);
        let theirs = dropped(side.other(), peer).filter(|d| *d.from.ip() == own.public);
        let lost: Vec<Drop> = mine.chain(theirs).collect();
        if lost.is_empty() {
            text.extend(unexplained(side, own));
        }
        text.extend(lost.iter().map(|drop| sentence(side, own, peer, drop)));
        drops.extend(lost);
    }
    Autopsy { text, drops, checks }
}

fn dropped(side: End, of: Witness<'_>) -> impl Iterator<Item = Drop> {
    of.refused.iter().zip(of.spec.stack()).enumerate().flat_map(move |(at, (refused, spec))| {
        refused.iter().map(move |refused| Drop {
            side,
            at,
            nat: spec.name.clone(),
            reason: refused.reason,
            from: refused.from,
            to: refused.to,
            packets: refused.packets,
        })
    })
}

/// The address that a side told the other: what a STUN server saw, or its own where nothing
/// translates it.
fn advertised(of: Witness<'_>) -> Option<SocketAddrV4> {
    let public = |candidate: &&crate::ice::Candidate| {
        candidate.kind == Kind::ServerReflexive
            || (candidate.kind == Kind::Host && candidate.address.ip() == of.public)
    };
    match of.outcome.local.iter().find(public)?.address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    }
}

fn counted(packets: u64) -> String {
    if packets == 1 { "1 packet".into() } else { format!("{packets} packets") }
}

/// One drop of what `sender` sent.
fn sentence(side: End, sender: Witness<'_>, receiver: Witness<'_>, drop: &Drop) -> String {
    let other = side.other();
    let what = format!("{} of {side} from {} to {}", counted(drop.packets), drop.from, drop.to);
    let who = if drop.side == side {
        format!("{side}'s own {}", drop.nat)
    } else {
        format!("{other}'s {}", drop.nat)
    };
    let told = advertised(sender);
    let left_by_another =
        told.is_some_and(|told| told != drop.from && drop.from.ip() == &sender.public);
    match drop.reason {
        Reason::Blocked => format!("{who} lets no UDP pass: it dropped {what}"),
        Reason::NoMapping => {
            format!("{who} dropped {what}: it has no mapping with that port")
        }
        Reason::SecondSession => format!(
            "{who} dropped {what}: {other} has a session with {} by another port already, having \
             sent first",
            drop.from
        ),
        Reason::Taken => format!(
            "{who} took {what} for its router itself, because {other} had not sent yet; its host's \
             flow to there then got another port"
        ),
        Reason::Filter => {
            let layer = receiver.spec.stack().nth(drop.at);
            let why = match told {
                Some(told) if left_by_another => format!(
                    "{side} was expected from {told}, the port it had told, and came from another"
                ),
                _ => own_mapping(other, receiver, drop),
            };
            let rule = layer.map_or("", filter_name);
            format!("{who} dropped {what}: {rule}, and {why}")
        }
    }
}

fn filter_name(layer: &NatSpec) -> &'static str {
    match layer.filtering {
        Filtering::EndpointIndependent => "it filters nothing",
        Filtering::AddressDependent => "it filters by address",
        Filtering::AddressAndPortDependent => "it filters by address and port",
    }
}

/// Why a filter was closed for a sender that came from where it was expected from.
fn own_mapping(other: End, receiver: Witness<'_>, drop: &Drop) -> String {
    let dependent =
        receiver.spec.stack().take(drop.at + 1).any(|s| {
            s.translation == Translation::Nat && s.mapping != Mapping::EndpointIndependent
        });
    if dependent {
        format!("{other}'s own checks to there left by another port than {}", drop.to.port())
    } else {
        format!("{other} had not sent there yet")
    }
}

/// What is said of a side of whose packets none was dropped.
fn unexplained(side: End, own: Witness<'_>) -> Option<String> {
    if own.outcome.local.is_empty() {
        return Some(format!("{side} has no candidate at all"));
    }
    if advertised(own).is_none() {
        let because = own.outcome.stun.iter().find_map(|gathered| gathered.because.clone());
        return Some(format!(
            "{side} learnt no address that the other could reach: {}",
            because.unwrap_or_else(|| "no STUN server told one".into())
        ));
    }
    let sent: usize = own.outcome.checks.iter().map(|check| check.sent_ms.len()).sum();
    (sent == 0).then(|| format!("{side} sent no check"))
}
