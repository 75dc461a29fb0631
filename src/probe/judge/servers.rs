//! What was noticed about one server: its honesty, and what it cannot be used for.

use super::ServerJudgement;
use super::credit::Doubt;
use super::refusals;
use super::standing::{Standing, failed, standing};
use super::view::View;
use crate::ground::finding::{Finding, Id};
use crate::ground::icmp::IcmpKind;
use crate::probe::address::check_other;
use crate::probe::loss;
use crate::probe::record::{RelayRecord, Reply, Transaction, Via};
use std::collections::BTreeMap;

pub(super) fn judge(view: View<'_>, about: usize, doubt: Option<&Doubt>) -> ServerJudgement {
    let first = view.udp().find_map(|t| t.received.as_ref());
    let other = view.transactions().find_map(|t| t.received.as_ref()?.other);
    let mut findings = BTreeMap::new();
    let mut note = |id: Id, text: String| {
        findings.entry(id.to_string()).or_insert(Finding::new(id, text));
    };
    for t in view.transactions() {
        t.rejected.iter().for_each(|r| refusals::note(view.record, t, r, &mut note));
        t.received.iter().for_each(|reply| note_reply(view, t, reply, &mut note));
    }
    let standing = standing(view, doubt);
    if let Some(doubt) = doubt {
        note(doubt.id.clone(), doubt.text.clone());
    } else if let Some(relay) = view.relay() {
        note_relay(view, about, relay, &mut note);
    } else {
        note_alternate(view, about, first, &mut note);
    }
    note_origin(view, about, &mut note);
    note_unheard(view, about, standing, &mut note);
    note_quality(view, about, &mut note);
    ServerJudgement {
        standing,
        short: doubt.map_or_else(|| standing.words().to_owned(), |doubt| doubt.short.clone()),
        rtt_us: loss::rtt(view.record, about).map(|ms| crate::probe::whole(ms * 1000.0)),
        other_address: other,
        mapped: first.map(|reply| reply.mapped),
        findings: findings.into_values().collect(),
    }
}

/// Who named it, and what it is not.
fn note_origin(view: View<'_>, about: usize, note: &mut impl FnMut(Id, String)) {
    let Some(server) = view.record.servers.get(about) else { return };
    if let Some(sender) = server.sent_by {
        let text = format!(
            "{} was asked because {sender} sends its clients there (300 Try Alternate)",
            server.address
        );
        note(Id::AlternateServer, text);
    }
}

fn note_reply(view: View<'_>, t: &Transaction, reply: &Reply, note: &mut impl FnMut(Id, String)) {
    if let Some(origin) = reply.origin.filter(|&origin| origin != reply.from && t.via == Via::Udp) {
        note(
            Id::OriginDisagrees,
            format!(
                "{} calls itself {origin}: it stands behind a translation of its own",
                reply.from
            ),
        );
    }
    if let Some(defect) = reply.defects.first() {
        let more = match reply.defects.len() {
            1 => String::new(),
            n => format!("; {} more of the kind", n - 1),
        };
        note(
            Id::MalformedAttribute,
            format!(
                "{} sends answers that are damaged, and were read all the same ({defect}{more})",
                reply.from
            ),
        );
    }
    if let (Some(local), true) = (view.socket(&t.socket), t.via == Via::Udp)
        && local.local.is_ipv6()
        && reply.mapped.is_ipv4()
    {
        note(
            Id::Nat64,
            format!(
                "{}, asked over IPv6, sees this host as {}: a NAT64 stands on the way",
                reply.from, reply.mapped
            ),
        );
    }
}

/// Why nothing was heard of it over UDP.
fn note_unheard(
    view: View<'_>,
    about: usize,
    standing: Standing,
    note: &mut impl FnMut(Id, String),
) {
    let Some(server) = view.record.servers.get(about) else { return };
    let address = server.address;
    let asked_tcp = view.transactions().any(|t| t.via == Via::Tcp && !t.sent.is_empty());
    match standing {
        Standing::OnlyTcp => {
            let text = format!(
                "{address} answers over TCP, not over UDP: UDP to it is filtered on the way, or its UDP service is down"
            );
            note(Id::UdpSilent, text);
        }
        Standing::Refused => {
            let error = view.udp().find_map(|t| t.icmp.first());
            let offender = error.and_then(|e| e.offender);
            let offender = offender.map_or_else(|| "this host".to_owned(), |ip| ip.to_string());
            let kind = error.map_or(IcmpKind::Other, |error| error.kind).text();
            note(Id::Refused, format!("{address} cannot be reached: {offender} says {kind}"));
        }
        Standing::NotSent => note(Id::NotSent, unsent(view, address)),
        Standing::NotAsked => {
            note(Id::NotAsked, format!("{address} was not asked: the run was ended before"));
        }
        Standing::Silent => {
            let tcp = if asked_tcp { ", nor over TCP" } else { "" };
            let text = format!(
                "{address} does not answer over UDP{tcp}: check its name and port, or take another"
            );
            note(Id::Silent, text);
            if view.record.sockets.iter().any(|socket| socket.no_icmp) {
                let text = format!(
                    "the system of this host does not show ICMP errors: {address} may have refused, or a router on the way, and that looks like silence; measure from Linux to see it"
                );
                note(Id::IcmpUnseen, text);
            }
        }
        _ => {}
    }
}

/// Why nothing could be sent.
fn unsent(view: View<'_>, address: std::net::SocketAddr) -> String {
    if let Some(why) = view.udp().find_map(|t| failed(view, t)) {
        return format!(
            "nothing could be sent to {address}: no socket could be opened towards it ({why}); look at this host's addresses and routes, and at --bind"
        );
    }
    let kind = view.udp().find_map(|t| t.icmp.first()).map(|error| error.kind);
    let why = if kind == Some(IcmpKind::Prohibited) {
        "this host itself does not allow it: look at its own firewall"
    } else {
        "this host has no route to it: look at its addresses and routes"
    };
    format!("nothing could be sent to {address}: {why}")
}

/// How well packets travel.
fn note_quality(view: View<'_>, about: usize, note: &mut impl FnMut(Id, String)) {
    let Some(server) = view.record.servers.get(about) else { return };
    let address = server.address;
    let udp = view.udp().any(|t| t.received.is_some());
    if loss::duplicates_replies(view.record, about) {
        note(
            Id::Duplicates,
            format!("{address} or the network answers one request more than once"),
        );
    }
    let sample = view.losses(about, 100.0);
    let all = sample.answered + sample.lost;
    if udp && sample.lost * 20 > all {
        note(Id::Loss, format!("{} of {all} exchanges with {address} were lost", sample.lost));
    }
}

/// What there is to say of a relay that was to be observed from.
fn note_relay(
    view: View<'_>,
    about: usize,
    relay: &RelayRecord,
    note: &mut impl FnMut(Id, String),
) {
    let Some(server) = view.record.servers.get(about) else { return };
    if let Some(why) = &relay.failed {
        let text = format!(
            "{} could not be used to observe from: {why}; mapping and filtering rest on the STUN servers alone",
            server.uri
        );
        note(Id::RelayUnusable, text);
        return;
    }
    let relayed: Vec<String> = relay.relayed.iter().map(ToString::to_string).collect();
    let text = format!(
        "packets were sent from relayed addresses of this server and to them ({}), to see the NAT from there",
        relayed.join(", ")
    );
    note(Id::RelayObserves, text);
}

fn note_alternate(
    view: View<'_>,
    about: usize,
    first: Option<&Reply>,
    note: &mut impl FnMut(Id, String),
) {
    let (Some(server), Some(first)) = (view.record.servers.get(about), first) else { return };
    let Some(other) = first.other else {
        note(
            Id::NoRfc5780,
            format!(
                "{} has no OTHER-ADDRESS: it shows the mapped address, not the filtering",
                server.address
            ),
        );
        return;
    };
    if let Err(why) = check_other(server.address, other) {
        note(
            Id::BadOtherAddress,
            format!(
                "{} names {other} as its OTHER-ADDRESS, which is of no use: {why}",
                server.address
            ),
        );
    } else if view.plain().any(|t| t.server == other)
        && !view.plain().any(|t| t.server == other && t.received.is_some())
    {
        note(
            Id::AlternateDead,
            format!(
                "{} names {other} as its OTHER-ADDRESS, and nothing answers there",
                server.address
            ),
        );
    }
}
