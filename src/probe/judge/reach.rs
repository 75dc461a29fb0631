//! Whether UDP passes at all, whether anything is translated, and the classic name.

use super::view::{View, ids};
use crate::ground::fact::{EvidenceId, Fact, Grade};
use crate::ground::icmp::IcmpKind;
use crate::nat::{Classic, Filtering, Mapping};
use crate::probe::record::{IcmpError, Transaction, Via};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Whether addresses are translated between here and the servers.
pub(super) fn nat(view: View<'_>) -> Fact<bool> {
    let seen: Vec<_> = view.plain().filter_map(|t| view.mapped(t)).collect();
    let Some(first) = seen.first() else {
        return Fact::not_tested("no server answered over UDP");
    };
    if let Some(m) = seen.iter().find(|m| m.mapped != m.local) {
        let because = format!("{} is seen as {} by {}", m.local, m.mapped, m.remote);
        return Fact::proven(true, because, ids([m.id]));
    }
    let because = format!("{} is seen as itself by {}", first.local, first.remote);
    Fact::proven(false, because, ids(seen.iter().map(|m| m.id)))
}

/// What no answer over UDP from any server means; `None` when some answered.
pub(super) fn blocked(view: View<'_>) -> Option<Fact<Classic>> {
    let answers = view.udp().any(|t| t.received.is_some() || !t.rejected.is_empty());
    // Whatever it was that came in over UDP, UDP is not blocked.
    if answers || view.record.strays > 0 {
        return None;
    }
    let tried: Vec<&Transaction> = view.udp().filter(|t| !t.sent.is_empty()).collect();
    let evidence = ids(view.transactions().map(|t| &t.id));
    if tried.is_empty() {
        return Some(Fact::not_tested("no packet could be sent"));
    }
    if view.record.cut_short {
        let because = "no server had answered when the run was ended, before its plan was done";
        return Some(Fact::inconclusive(because, evidence));
    }
    Some(
        no_route(&tried, &evidence)
            .or_else(|| refused_by_router(&tried, &evidence))
            .or_else(|| refused_by_server(&tried, &evidence))
            .unwrap_or_else(|| swallowed(view, evidence)),
    )
}

fn no_route(tried: &[&Transaction], evidence: &[EvidenceId]) -> Option<Fact<Classic>> {
    let local = |t: &&&Transaction| t.icmp.iter().any(|e| e.offender.is_none());
    let because = "this host itself refuses to send to the servers (no route, or a local firewall)";
    (tried.iter().filter(local).count() == tried.len())
        .then(|| Fact::inconclusive(because, evidence.to_vec()))
}

/// Routers that are not the server and answer that UDP may not pass.
fn refused_by_router(tried: &[&Transaction], evidence: &[EvidenceId]) -> Option<Fact<Classic>> {
    let router = |t: &Transaction| -> Option<IpAddr> {
        t.icmp
            .iter()
            .filter(|e| matches!(e.kind, IcmpKind::PortUnreachable | IcmpKind::Prohibited))
            .filter_map(|e| e.offender)
            .find(|&offender| offender != t.server.ip())
    };
    let routers: Option<BTreeSet<IpAddr>> = tried.iter().map(|t| router(t)).collect();
    let names: Vec<String> = routers?.iter().map(ToString::to_string).collect();
    let because = format!(
        "a firewall at {} answers that UDP to every server tried is not allowed",
        names.join(", ")
    );
    Some(Fact::probable(Classic::UdpBlocked, because, evidence.to_vec()))
}

fn refused_by_server(tried: &[&Transaction], evidence: &[EvidenceId]) -> Option<Fact<Classic>> {
    let refused = tried.iter().find(|t| !t.icmp.is_empty())?;
    let server = refused.server;
    let itself = |e: &&IcmpError| {
        e.kind == IcmpKind::PortUnreachable && e.offender.is_none_or(|ip| ip == server.ip())
    };
    let because = match refused.icmp.iter().find(itself).or_else(|| refused.icmp.first())? {
        error if itself(&error) => format!(
            "{server} answers that nothing listens there (ICMP): the server is down, or the port is wrong; whether UDP is blocked was not shown"
        ),
        IcmpError { offender, kind, .. } => {
            let who = offender.map_or_else(|| "this host".to_owned(), |ip| ip.to_string());
            let what = kind.text();
            format!("{who} says of {server} {what} (ICMP); whether UDP is blocked was not shown")
        }
    };
    Some(Fact::inconclusive(because, evidence.to_vec()))
}

/// Silence: TCP tells a blocked path from a dead server, when more than one host says the same.
fn swallowed(view: View<'_>, evidence: Vec<EvidenceId>) -> Fact<Classic> {
    let alive: BTreeSet<IpAddr> = view
        .transactions()
        .filter(|t| t.via == Via::Tcp && t.received.is_some())
        .map(|t| t.server.ip())
        .collect();
    match alive.len() {
        0 => Fact::inconclusive(
            "no server answered over UDP or TCP: they are down, or nothing gets out",
            evidence,
        ),
        1 => Fact::inconclusive(
            "the server answers over TCP but not over UDP: UDP is blocked, or its UDP service is down; a second server would tell",
            evidence,
        ),
        // Their UDP services may all be down: a coincidence, but no control excludes it.
        n => Fact::probable(
            Classic::UdpBlocked,
            format!("{n} servers answer over TCP and none over UDP"),
            evidence,
        ),
    }
}

/// The RFC 3489 name, from the facts that make it.
pub(super) fn classic(
    nat: &Fact<bool>,
    mapping: &Fact<Mapping>,
    filtering: &Fact<Filtering>,
) -> Fact<Classic> {
    let (mappings, filterings) = (mapping.possible(), filtering.possible());
    let mut possible = BTreeSet::new();
    for n in nat.possible() {
        for &m in &mappings {
            possible.extend(filterings.iter().map(|&f| Classic::of(n, m, f)));
        }
    }
    let evidence = ids(nat.evidence().iter().chain(mapping.evidence()).chain(filtering.evidence()));
    let mut names = possible.iter();
    if let (Some(&name), None) = (names.next(), names.next()) {
        let grades = [nat.grade(), mapping.grade(), filtering.grade()];
        let grade = grades.into_iter().flatten().min().unwrap_or(Grade::Probable);
        let because = "this is what RFC 3489 calls the mapping and filtering found".to_owned();
        return Fact::Known { value: name, grade, because, evidence };
    }
    let possible: Vec<Classic> = possible.into_iter().collect();
    let names: Vec<&str> = possible.iter().map(|c| c.as_str()).collect();
    let because = format!("it may be any of {}", names.join(", "));
    if evidence.is_empty() {
        Fact::not_tested(because)
    } else {
        Fact::narrowed(&possible, because, evidence)
    }
}
