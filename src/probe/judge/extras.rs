//! The further facts: ports, early-packet poisoning, rewriting of addresses in answers.

use super::filtering::SILENCE_PROVEN;
use super::view::{Mapped, View, first_sent, ids};
use crate::ground::fact::Fact;
use crate::nat::{Allocation, Mapping};
use crate::probe::record::{Transaction, Via};
use std::collections::BTreeMap;

/// Two new mappings this close together do not look random, in ports.
const NEAR: u16 = 64;
/// The most ports that a counter moves on between two of our mappings.
const STEP: u16 = 16;

/// How ports may be chosen where they are not kept.
const CHANGED: [Allocation; 2] = [Allocation::Sequential, Allocation::Random];

/// Whether external ports equal internal ones (RFC 4787 section 4.2.1).
pub(super) fn port_preservation(view: View<'_>) -> Fact<bool> {
    let sockets = by_socket(view);
    let kept = sockets.values().filter(|seen| kept(seen)).count();
    let evidence = ids(sockets.values().filter_map(|seen| seen.first()).map(|m| m.id));
    match (kept, sockets.len()) {
        (_, 0) => Fact::not_tested("no server answered over UDP"),
        (n, all) if n == all && all > 1 => {
            Fact::proven(true, format!("the port was kept by all {all} sockets"), evidence)
        }
        (0, all) if all > 1 => {
            Fact::proven(false, format!("the port was changed for all {all} sockets"), evidence)
        }
        (_, 1) => {
            Fact::inconclusive("only one socket was seen: the port may be so by chance", evidence)
        }
        (n, all) => {
            Fact::inconclusive(format!("the port was kept by {n} of {all} sockets"), evidence)
        }
    }
}

/// How external ports are chosen (RFC 4787 section 4.2).
pub(super) fn allocation(view: View<'_>, nat: &Fact<bool>, kept: &Fact<bool>) -> Fact<Allocation> {
    if nat.value() == Some(&false) {
        return Fact::not_tested("no port is translated");
    }
    if let Some((&true, _)) = kept.known() {
        return kept.clone().map(|_| Allocation::Preserving);
    }
    if kept.value().is_none() {
        return Fact::inconclusive(kept.because().to_owned(), kept.evidence().to_vec());
    }
    let mut ports = BTreeMap::new();
    for m in view.plain().filter_map(|t| view.mapped(t)) {
        ports.entry(m.mapped.port()).or_insert(m.id);
    }
    let evidence = ids(ports.values().copied());
    let (Some((&low, _)), Some((&high, _))) = (ports.first_key_value(), ports.last_key_value())
    else {
        return Fact::not_tested("no server answered over UDP");
    };
    let count = u16::try_from(ports.len()).unwrap_or(u16::MAX);
    let gaps = ports.keys().zip(ports.keys().skip(1)).map(|(a, b)| b - a);
    // a few random ports are neighbours by chance: of ten, two lie so close in one run of eleven
    let near = gaps.filter(|gap| *gap <= NEAR).count();
    if count < 3 {
        let because = format!("{count} mappings are too few to tell");
        Fact::narrowed(&CHANGED, because, evidence)
    } else if high - low <= STEP.saturating_mul(count) {
        let because = format!("{count} new mappings lie within {} ports", high - low + 1);
        Fact::proven(Allocation::Sequential, because, evidence)
    } else if near * 4 < ports.len() {
        let because =
            format!("{count} new mappings, {near} of them within {NEAR} ports of the one before");
        Fact::probable(Allocation::Random, because, evidence)
    } else {
        let because = "some new mappings are neighbours and others are not";
        Fact::narrowed(&CHANGED, because, evidence)
    }
}

/// The mappings of each socket that no filter test had used by then.
fn by_socket(view: View<'_>) -> BTreeMap<&str, Vec<Mapped<'_>>> {
    let mut sockets: BTreeMap<&str, Vec<Mapped<'_>>> = BTreeMap::new();
    for m in view.mappings() {
        sockets.entry(m.socket).or_default().push(m);
    }
    sockets
}

/// Whether any mapping of a socket kept its port: a second destination may rightly get another.
fn kept(seen: &[Mapped<'_>]) -> bool {
    seen.iter().any(|m| m.mapped.port() == m.local.port())
}

/// Whether a packet that came too early spoils the mapping for our own later flow to its sender.
pub(super) fn early_packet_poisoning(view: View<'_>, mapping: &Fact<Mapping>) -> Fact<bool> {
    match mapping.possible().as_slice() {
        [Mapping::EndpointIndependent] => {}
        left if !left.contains(&Mapping::EndpointIndependent) => {
            return Fact::not_tested("the mapping differs per destination in any case");
        }
        _ => return Fact::not_tested("it shows only beside a known mapping"),
    }
    for own in view.plain().filter(|t| t.received.is_some()) {
        let Some(early) = view.transactions().find(|t| {
            t.socket == own.socket
                && (t.change.any() || t.via == Via::FromRelay)
                && t.expected_from == own.server
                && first_sent(t) < first_sent(own)
                && unasked(view, t)
        }) else {
            continue;
        };
        let sent = early.received.is_some() || obeyed(view, early);
        let before = view
            .plain()
            .find(|t| t.socket == own.socket && first_sent(t) < first_sent(early))
            .and_then(|t| view.mapped(t));
        let (Some(before), Some(after), true) = (before, view.mapped(own), sent) else { continue };
        let evidence = ids([&early.id, before.id, after.id]);
        return if before.mapped == after.mapped {
            if early.received.is_none() && !surely_arrived(view, early) {
                return Fact::inconclusive(
                    "the early packets may all have been lost on the way",
                    evidence,
                );
            }
            let because = "after unasked packets from there, the own flow kept its endpoint";
            Fact::proven(false, because, evidence)
        } else {
            let because = format!(
                "after unasked packets from {}, the own flow to it left from {} instead of {}",
                after.remote, after.mapped, before.mapped
            );
            Fact::proven(true, because, evidence)
        };
    }
    Fact::not_tested("no early packet could be shown to have been sent")
}

/// Whether nothing in this run had sent to where this answer was to come from, so that no filter,
/// however shared, could know it; nor had when it came in after all, and made a session of its own.
fn unasked(view: View<'_>, early: &Transaction) -> bool {
    let touched = view.touched_source(early);
    early.sent.last().is_some_and(|&last| last < touched)
        && early.received.as_ref().is_none_or(|reply| reply.at <= touched)
}

/// Whether at least one of the answers to these tries came as far as the NAT, as good as surely.
fn surely_arrived(view: View<'_>, early: &Transaction) -> bool {
    let tries = u32::try_from(early.sent.len()).unwrap_or(u32::MAX);
    view.losses(early.about, 100.0).chance_all_lost(tries) <= SILENCE_PROVEN
}

/// Whether the server was seen to obey this change elsewhere in the run.
fn obeyed(view: View<'_>, early: &Transaction) -> bool {
    view.transactions()
        .filter(|t| t.via == early.via && t.change == early.change)
        .any(|t| t.expected_from == early.expected_from && t.received.is_some())
}

/// Whether something on the path rewrites MAPPED-ADDRESS: an ALG, which XOR-MAPPED-ADDRESS was
/// invented against (RFC 8489 section 14.2).
pub(super) fn mapped_address_rewriting(view: View<'_>) -> Fact<bool> {
    let mut same = Vec::new();
    for t in view.udp() {
        let Some(reply) = &t.received else { continue };
        match reply.mapped_plain {
            Some(plain) if reply.xor && plain != reply.mapped => {
                let because =
                    format!("MAPPED-ADDRESS says {plain}, XOR-MAPPED-ADDRESS {}", reply.mapped);
                return Fact::proven(true, because, vec![t.id.clone()]);
            }
            Some(_) if reply.xor => same.push(t.id.clone()),
            _ => {}
        }
    }
    if same.is_empty() {
        Fact::not_tested("no server sent both MAPPED-ADDRESS and XOR-MAPPED-ADDRESS")
    } else {
        same.truncate(4);
        Fact::proven(false, "MAPPED-ADDRESS and XOR-MAPPED-ADDRESS agree", same)
    }
}
