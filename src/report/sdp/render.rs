//! An explained description for a terminal, and for a ticket.

use super::{Could, Explained, SdpPair, SdpReport};
use crate::report::escape::{markdown as safe, terminal};
use crate::report::prose::{paragraph, severity};
use std::fmt::Write as _;

/// Pairs that are shown to people; the JSON has all.
const SHOWN: usize = 24;

/// The report as text: 80 columns where lines of the description allow it.
#[must_use]
pub fn text(report: &SdpReport) -> String {
    let mut out = String::new();
    for description in &report.descriptions {
        let kind = description.kind.as_deref().unwrap_or("description");
        let _ = writeln!(out, "{} ({})\n", terminal(&description.source), terminal(kind));
        for line in &description.lines {
            let _ = writeln!(out, "{:>4}  {}", line.line, terminal(&line.text));
            paragraph(&mut out, "        ", &line.meaning);
        }
        out.push_str("\nCandidates\n");
        if description.candidates.is_empty() {
            out.push_str("  none\n");
        }
        for candidate in candidates(description) {
            paragraph(&mut out, "  ", &candidate);
        }
        if !description.findings.is_empty() {
            out.push_str("\nNoticed\n");
        }
        for finding in &description.findings {
            let line = format!("{}: {}", severity(finding.severity), finding.text);
            paragraph(&mut out, "  ", &line);
        }
        out.push('\n');
    }
    if !report.pairs.is_empty() {
        out.push_str("Pairs, the preferred first\n");
        for (pairs, sample) in grouped(&report.pairs).into_iter().take(SHOWN) {
            for pair in pairs {
                let line = format!("{} with {}", pair.from, pair.to);
                paragraph(&mut out, "  ", &line);
            }
            let line = format!("{}: {}", sample.could.title(), sample.because);
            paragraph(&mut out, "      ", &line);
        }
        out.push('\n');
    }
    if report.unpaired > 0 {
        let count = report.unpaired;
        let line = format!(
            "{count} further combinations are no pairs: family, component or transport differ."
        );
        paragraph(&mut out, "", &line);
        out.push('\n');
    }
    paragraph(&mut out, "", &report.summary);
    out
}

/// Neighbours with the same verdict for the same reason.
fn grouped(pairs: &[SdpPair]) -> Vec<(Vec<&SdpPair>, &SdpPair)> {
    let mut groups: Vec<(Vec<&SdpPair>, &SdpPair)> = Vec::new();
    for pair in pairs {
        let same = |(_, first): &&mut (Vec<&SdpPair>, &SdpPair)| {
            first.could == pair.could && first.because == pair.because
        };
        match groups.iter_mut().find(same) {
            Some((group, _)) => group.push(pair),
            None => groups.push((vec![pair], pair)),
        }
    }
    groups
}

fn candidates(description: &Explained) -> Vec<String> {
    let line = |c: &super::SdpCandidate| {
        let tcp = c.tcp_type.as_ref().map(|t| format!(" {t}")).unwrap_or_default();
        let base = c.related.filter(|base| base.port() != 0);
        let base = base.map(|base| format!(", base {base}")).unwrap_or_default();
        let component =
            if c.component == 1 { String::new() } else { format!(", component {}", c.component) };
        let unusable = c.unusable.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
        format!(
            "{:5} {}{tcp} {}{base}{component}, priority {} (line {}){unusable}",
            c.kind, c.transport, c.address, c.priority, c.line
        )
    };
    description.candidates.iter().map(line).collect()
}

/// The report as Markdown. Nothing in it from the description can be read as markup.
#[must_use]
pub fn markdown(report: &SdpReport) -> String {
    let mut out = format!("## Session description\n\n**{}**\n", safe(&report.summary));
    for description in &report.descriptions {
        let kind = description.kind.as_deref().unwrap_or("description");
        let _ = writeln!(out, "\n### {} ({})\n", safe(&description.source), safe(kind));
        for finding in &description.findings {
            let _ = writeln!(out, "- {}: {}", severity(finding.severity), safe(&finding.text));
        }
        if !description.findings.is_empty() {
            out.push('\n');
        }
        out.push_str("| line | text | what it is for |\n|---|---|---|\n");
        for line in &description.lines {
            let _ =
                writeln!(out, "| {} | {} | {} |", line.line, safe(&line.text), safe(&line.meaning));
        }
    }
    if !report.pairs.is_empty() {
        out.push_str(
            "\n### Pairs\n\n| offer | answer | could work | because |\n|---|---|---|---|\n",
        );
    }
    for pair in report.pairs.iter().take(SHOWN * 2) {
        let SdpPair { from, to, could, because, .. } = pair;
        let could: Could = *could;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            safe(from),
            safe(to),
            could.title(),
            safe(because)
        );
    }
    out
}
