//! What was noticed about one server: its honesty, and what it cannot be used for.

use super::ServerJudgement;
use super::view::View;
use crate::probe::address::check_other;
use crate::probe::fact::{Finding, Severity};
use crate::probe::loss;
use crate::probe::record::{RejectedWhy, Reply, Transaction, Via};
use std::collections::BTreeMap;

pub(super) fn judge(view: View<'_>, about: usize) -> ServerJudgement {
    let first = view.udp().find_map(|t| t.received.as_ref());
    let other = view.transactions().find_map(|t| t.received.as_ref()?.other);
    let mut findings = BTreeMap::new();
    let mut note = |id: &str, severity, text: String| {
        findings.entry(id.to_owned()).or_insert(Finding { id: id.to_owned(), severity, text });
    };
    for t in view.transactions() {
        t.rejected.iter().for_each(|r| note_rejected(t, r, &mut note));
        t.received.iter().for_each(|reply| note_reply(t, reply, &mut note));
    }
    note_silence(view, about, &mut note);
    note_alternate(view, about, first, &mut note);
    ServerJudgement {
        rtt_us: loss::rtt(view.record, about).map(|ms| crate::probe::whole(ms * 1000.0)),
        other_address: other,
        mapped: first.map(|reply| reply.mapped),
        findings: findings.into_values().collect(),
    }
}

fn note_rejected(
    t: &Transaction,
    rejected: &crate::probe::record::Rejected,
    note: &mut impl FnMut(&str, Severity, String),
) {
    let (from, asked) = (rejected.from, t.expected_from);
    match (rejected.why, rejected.code) {
        (RejectedWhy::Error, Some(420)) if t.response_port.is_some() => note(
            "refuses-response-port",
            Severity::Info,
            format!(
                "{from} refuses RESPONSE-PORT (420): behind a dependent mapping its obedience cannot be shown"
            ),
        ),
        (RejectedWhy::Error, Some(code)) if t.change.any() => note(
            "refuses-change-request",
            Severity::Warning,
            format!(
                "{from} refuses CHANGE-REQUEST with error {code}: filtering cannot be tested with it"
            ),
        ),
        (RejectedWhy::Error, code) => note(
            "answers-with-error",
            Severity::Warning,
            format!("{from} answered with error {}", code.unwrap_or(0)),
        ),
        (RejectedWhy::WrongSource, _) if t.change.any() && from == t.server => note(
            "ignores-change-request",
            Severity::Warning,
            format!(
                "asked to answer from {asked}, {from} answered itself: filtering cannot be tested with it"
            ),
        ),
        (RejectedWhy::WrongSource, _) => note(
            "wrong-source",
            Severity::Error,
            format!("an answer came from {from} where {asked} was asked for; it was not counted"),
        ),
        (RejectedWhy::WrongOrigin, _) => note(
            "wrong-origin",
            Severity::Warning,
            format!("an answer from {from} names another RESPONSE-ORIGIN; it was not counted"),
        ),
        (RejectedWhy::NoMappedAddress, _) => note(
            "no-mapped-address",
            Severity::Error,
            format!("{from} answered without a mapped address"),
        ),
        (RejectedWhy::WrongClass | RejectedWhy::WrongSocket, _) => note(
            "odd-answer",
            Severity::Warning,
            format!("{from} sent a message that is no answer to the request; it was not counted"),
        ),
    }
}

fn note_reply(t: &Transaction, reply: &Reply, note: &mut impl FnMut(&str, Severity, String)) {
    if let Some(origin) = reply.origin.filter(|&origin| origin != reply.from && t.via == Via::Udp) {
        note(
            "origin-disagrees",
            Severity::Info,
            format!(
                "{} calls itself {origin}: it stands behind a translation of its own",
                reply.from
            ),
        );
    }
    if let Some(defect) = reply.defects.first() {
        note(
            "malformed-attribute",
            Severity::Info,
            format!("{} sends an attribute that cannot be read ({defect})", reply.from),
        );
    }
}

fn note_silence(view: View<'_>, about: usize, note: &mut impl FnMut(&str, Severity, String)) {
    let Some(server) = view.record.servers.get(about) else { return };
    let udp = view.udp().any(|t| t.received.is_some());
    let tcp = view.transactions().any(|t| t.via == Via::Tcp && t.received.is_some());
    let icmp = view.udp().find_map(|t| t.icmp.first());
    let address = server.address;
    match (udp, tcp, icmp) {
        (true, ..) => {}
        (false, true, _) => {
            note(
                "udp-silent",
                Severity::Error,
                format!("{address} answers over TCP, not over UDP"),
            );
        }
        (false, false, Some(error)) => {
            let offender =
                error.offender.map_or_else(|| "this host".to_owned(), |ip| ip.to_string());
            let kind = error.kind.text();
            note(
                "refused",
                Severity::Error,
                format!("{address} cannot be reached: {offender} says {kind}"),
            );
        }
        (false, false, None) => note(
            "silent",
            Severity::Error,
            format!(
                "{address} answers neither over UDP nor over TCP: check its name and port, or take another"
            ),
        ),
    }
    if loss::duplicates_replies(view.record, about) {
        note(
            "duplicates",
            Severity::Info,
            format!("{address} or the network answers one request more than once"),
        );
    }
    let end = view.end();
    let slack = loss::patience(loss::rtt(view.record, about).unwrap_or(100.0));
    let sample = loss::sample(view.record, about, end, slack);
    let all = sample.answered + sample.lost;
    if udp && sample.lost * 20 > all {
        note(
            "loss",
            Severity::Warning,
            format!("{} of {all} exchanges with {address} were lost", sample.lost),
        );
    }
}

fn note_alternate(
    view: View<'_>,
    about: usize,
    first: Option<&Reply>,
    note: &mut impl FnMut(&str, Severity, String),
) {
    let (Some(server), Some(first)) = (view.record.servers.get(about), first) else { return };
    let Some(other) = first.other else {
        note(
            "no-rfc5780",
            Severity::Info,
            format!(
                "{} has no OTHER-ADDRESS: it shows the mapped address, not the filtering",
                server.address
            ),
        );
        return;
    };
    if let Err(why) = check_other(server.address, other) {
        note(
            "bad-other-address",
            Severity::Warning,
            format!(
                "{} names {other} as its OTHER-ADDRESS, which is of no use: {why}",
                server.address
            ),
        );
    } else if view.plain().any(|t| t.server == other)
        && !view.plain().any(|t| t.server == other && t.received.is_some())
    {
        note(
            "alternate-dead",
            Severity::Warning,
            format!(
                "{} names {other} as its OTHER-ADDRESS, and nothing answers there",
                server.address
            ),
        );
    }
}
