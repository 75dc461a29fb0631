//! Which descriptions belong together, what their pairs come to, and how it went.

use super::side::Side;
use super::{Explained, SCHEMA, SdpConnection, SdpReport, SdpState, findings, pairs};
use crate::ground::finding::{Finding, Id};
use crate::report::Tool;
use crate::report::prose::lower;
use crate::sdp::{Connection, Kind, Reading, Sdp, Whose};
use crate::stun::text::safe;

/// The offer of one text with the answer of another: of several the last that fits.
pub(super) fn across(first: &Reading, second: &Reading) -> Connection {
    let last = |reading: &Reading, not: Kind| {
        let all = reading.descriptions.iter().enumerate();
        let fits = |sdp: &Sdp| !(sdp.declared && sdp.kind == Some(not));
        let better = |sdp: &Sdp| (fits(sdp), sdp.says("ice-ufrag") || sdp.whole);
        all.max_by_key(|(_, sdp)| better(sdp)).map(|(at, _)| at)
    };
    Connection {
        offer: last(first, Kind::Answer),
        answer: last(second, Kind::Offer).map(|at| at + first.descriptions.len()),
        ..Connection::default()
    }
}

/// Explains descriptions and the connections between them.
pub(super) fn explain(all: &[(&str, &Sdp)], connections: &[Connection], cut: bool) -> SdpReport {
    let mut report = SdpReport {
        schema: SCHEMA.to_owned(),
        tool: Tool::default(),
        descriptions: (0usize..)
            .zip(all)
            .map(|(at, of)| alone(at, *of, all, connections))
            .collect(),
        connections: Vec::new(),
        pairs: Vec::new(),
        unpaired: 0,
        summary: String::new(),
    };
    for (index, connection) in connections.iter().enumerate() {
        one(&mut report, index, connection, all);
    }
    if let (true, Some(first)) = (cut, report.descriptions.first_mut()) {
        let text = "there is more in it than is taken: what comes last is not here";
        first.findings.push(Finding::new(Id::Cut, text));
    }
    report.summary = summary(&report, all);
    report
}

/// Both sides share transports where both have a group.
fn bundled(one: &Sdp, other: &Sdp) -> bool {
    let groups = |sdp: &Sdp| sdp.lines.is_empty() || !sdp.bundles().is_empty();
    groups(one) && groups(other)
}

/// One description, as it stands in the connection that it is of.
fn alone(
    at: usize,
    (source, sdp): (&str, &Sdp),
    all: &[(&str, &Sdp)],
    connections: &[Connection],
) -> Explained {
    let of = connections.iter().find(|c| c.offer == Some(at) || c.answer == Some(at));
    let peer = of.and_then(|c| if c.offer == Some(at) { c.answer } else { c.offer });
    let peer = peer.and_then(|at| all.get(at)).map(|(_, sdp)| *sdp);
    let shared = peer.map_or_else(|| !sdp.bundles().is_empty(), |peer| bundled(sdp, peer));
    let relay_only = of.is_some_and(|c| c.relay_only) && sdp.whose == Some(Whose::Local);
    let mut explained = Side::new(source, sdp, shared, relay_only).explained();
    // its place says what it is, where it does not itself
    if let (Some(of), false) = (of, sdp.declared) {
        let role = if of.offer == Some(at) { Kind::Offer } else { Kind::Answer };
        explained.kind = Some(role.to_string());
    }
    explained
}

fn one(report: &mut SdpReport, index: usize, connection: &Connection, all: &[(&str, &Sdp)]) {
    let mut found = pairs::Found::default();
    let mut noticed = Vec::new();
    let mut verdict = None;
    let pair = connection.offer.zip(connection.answer);
    let pair = pair.and_then(|(a, b)| Some((all.get(a)?, all.get(b)?, b)));
    if let Some((a, b, at)) = pair {
        let shared = bundled(a.1, b.1);
        let relay = |sdp: &Sdp| connection.relay_only && sdp.whose == Some(Whose::Local);
        let one = Side::new(a.0, a.1, shared, relay(a.1));
        let other = Side::new(b.0, b.1, shared, relay(b.1));
        let wrong = findings::of_both(&one, &other);
        if let Some(wrong) = wrong.iter().find(|finding| finding.id == Id::NoPair) {
            verdict = Some(format!("These two do not belong together: {}.", wrong.text));
        } else {
            found = pairs::find(&one, &other, shared);
            verdict = Some(pairs::summary(&found.parts));
        }
        if let Some(explained) = report.descriptions.get_mut(at) {
            explained.findings.splice(0..0, wrong);
        }
    }
    for error in &connection.errors {
        let text = format!("the log tells an error: {}", crate::report::escape::terminal(error));
        noticed.push(Finding::new(Id::LoggedError, text));
    }
    // that it was closed in the end says nothing of how it went
    let open = connection.states.iter().rfind(|state| state.state != "closed");
    let last = open.or(connection.states.last());
    let ended = last.map(|state| safe(state.state.as_bytes()));
    let after_ms = last.and_then(|state| state.after_ms);
    let state = |state: &crate::sdp::State| SdpState {
        state: safe(state.state.as_bytes()),
        after_ms: state.after_ms,
    };
    let summary = told(connection, ended.as_deref(), after_ms, verdict);
    for pair in &mut found.pairs {
        pair.connection = index;
    }
    report.pairs.append(&mut found.pairs);
    report.unpaired += found.unpaired;
    report.connections.push(SdpConnection {
        name: connection.name.as_ref().map(|name| safe(name.as_bytes())),
        offer: connection.offer,
        answer: connection.answer,
        ended,
        after_ms,
        states: connection.states.iter().map(state).collect(),
        findings: noticed,
        summary,
    });
}

/// How it went, and what its descriptions make of it.
fn told(
    connection: &Connection,
    ended: Option<&str>,
    after_ms: Option<u64>,
    verdict: Option<String>,
) -> String {
    let verdict = verdict.unwrap_or_else(|| {
        let missing = match (connection.offer, connection.answer) {
            (Some(_), None) => "there is no answer",
            (None, Some(_)) => "there is no offer",
            _ => "there is no description",
        };
        format!("Its pairs cannot be judged: {missing}.")
    });
    let Some(ended) = ended else { return verdict };
    let name = connection
        .name
        .as_ref()
        .map_or(String::new(), |name| format!(" {}", safe(name.as_bytes())));
    let after = after_ms.map_or(String::new(), |ms| format!(" after {}", seconds(ms)));
    let seen = format!("Connection{name} ended as `{ended}`{after}.");
    // how it went is what was seen; the rest is what could have been
    if ended == "failed" && verdict.contains(" is likely") {
        return format!(
            "{seen} By its descriptions it should have worked ({}): look for a firewall before the public address, for a public address that is not the right one, and for candidates that never reached the other side.",
            verdict.trim_end_matches('.')
        );
    }
    format!("{seen} By its descriptions: {}", lower(&verdict))
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) {
        format!("{} s", ms / 1000)
    } else {
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    }
}

/// One sentence about all, or two.
fn summary(report: &SdpReport, all: &[(&str, &Sdp)]) -> String {
    match (&report.connections[..], &report.descriptions[..], all) {
        ([only], ..) if report.descriptions.len() <= 2 => only.summary.clone(),
        ([], [only], [(_, sdp)]) => findings::summary(sdp, only),
        ([], [], _) => "There is nothing in it.".to_owned(),
        ([], ..) => format!(
            "{} descriptions, and nothing tells which of them belong together.",
            report.descriptions.len()
        ),
        ([only], ..) => format!("{} descriptions. {}", report.descriptions.len(), only.summary),
        (several, ..) => {
            let failed = several.iter().find(|c| c.ended.as_deref() == Some("failed"));
            let shown = failed.or(several.last()).map(|c| c.summary.as_str()).unwrap_or_default();
            let count = several.iter().filter(|c| c.ended.as_deref() == Some("failed")).count();
            let failed =
                if count > 0 { format!(", {count} of them failed") } else { String::new() };
            format!(
                "{} descriptions of {} connections{failed}. {shown}",
                report.descriptions.len(),
                several.len()
            )
        }
    }
}
