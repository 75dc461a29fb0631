//! A report to paste into a ticket. Nothing in it from the network can be read as markup.

use super::escape::markdown as safe;
use super::view::grouped;
use super::{Path, Report, Traversal};
use std::fmt::Write as _;

/// The report as Markdown.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let answer = super::answer::answer(report);
    let _ = writeln!(
        out,
        "## NAT report\n\n**{}**\n\n{}\n\n{} {}, {}, {} ms, {} {}",
        safe(&answer.answer),
        safe(&answer.open),
        safe(&report.tool.name),
        safe(&report.tool.version),
        safe(&report.started),
        report.duration_ms,
        safe(&report.host.os),
        safe(&report.host.arch),
    );
    for path in &report.paths {
        facts(&mut out, path);
        connects(&mut out, path, &report.traversal);
    }
    servers(&mut out, report);
    super::turn::markdown(&mut out, &report.turn);
    findings(&mut out, report);
    out
}

fn facts(out: &mut String, path: &Path) {
    let address =
        |a: Option<std::net::SocketAddr>| a.map_or("none".to_owned(), |a| format!("`{a}`"));
    let _ = writeln!(
        out,
        "\n### {}: local {}, seen as {}\n\n| property | answer | because |\n|---|---|---|",
        path.family.title(),
        address(path.local),
        address(path.mapped)
    );
    for (titles, fact) in grouped(&path.facts) {
        let (titles, answer) = (titles.join(", "), fact.answer());
        let _ = writeln!(out, "| {titles} | {answer} | {} |", safe(fact.because));
    }
}

fn connects(out: &mut String, path: &Path, traversal: &Traversal) {
    out.push_str("\n| peer behind | needs | because |\n|---|---|---|\n");
    for forecast in traversal.of(path.family) {
        let verdict = forecast.answer();
        let _ = writeln!(out, "| {} | {verdict} | {} |", forecast.peer, safe(&forecast.because));
    }
}

fn servers(out: &mut String, report: &Report) {
    if report.servers.is_empty() {
        return;
    }
    out.push_str("\n| server | address | answer | other address |\n|---|---|---|---|\n");
    for server in &report.servers {
        let answer = safe(&server.answer());
        let other = server.other_address.map_or("none".to_owned(), |a| format!("`{a}`"));
        let _ =
            writeln!(out, "| {} | `{}` | {answer} | {other} |", safe(&server.uri), server.address);
    }
}

fn findings(out: &mut String, report: &Report) {
    let own = report.findings.iter().map(|f| (None, f));
    let of_servers =
        report.servers.iter().flat_map(|s| s.findings.iter().map(move |f| (Some(&s.uri), f)));
    let mut all = own.chain(of_servers).peekable();
    if all.peek().is_some() {
        out.push('\n');
    }
    for (uri, finding) in all {
        let about = uri.map(|uri| format!("{}: ", safe(uri))).unwrap_or_default();
        let severity = super::prose::severity(finding.severity);
        let _ = writeln!(out, "- {severity}: {about}{}", safe(&finding.text));
    }
}
