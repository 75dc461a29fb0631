//! An explained description for a terminal, and for a ticket.

use super::{Could, Explained, SdpConnection, SdpPair, SdpReport, SdpState};
use crate::ground::finding::Finding;
use crate::report::Document;
use crate::report::escape::{markdown as safe, terminal};
use crate::report::prose::{paragraph, severity};
use std::fmt::Write as _;

/// Pairs that are shown to people; the JSON has all.
const SHOWN: usize = 24;

impl Document for SdpReport {
    /// The report as text: 80 columns where lines of the description allow it.
    fn text(&self, _colour: bool) -> String {
        let mut out = String::new();
        paragraph(&mut out, "", &self.summary);
        out.push('\n');
        // of one or two every line is explained; of more that would be hundreds
        let few = self.descriptions.len() <= 2;
        for description in &self.descriptions {
            let _ = writeln!(out, "{}\n", terminal(&heading(description)));
            for line in description.lines.iter().filter(|_| few) {
                let _ = writeln!(out, "{:>4}  {}", line.line, terminal(&line.text));
                paragraph(&mut out, "        ", &line.meaning);
            }
            if few && !description.lines.is_empty() {
                out.push('\n');
            }
            out.push_str("Candidates\n");
            if description.candidates.is_empty() {
                out.push_str("  none\n");
            }
            for candidate in candidates(description) {
                paragraph(&mut out, "  ", &candidate);
            }
            noticed(&mut out, &description.findings);
            out.push('\n');
        }
        connections(&mut out, self);
        pairs(&mut out, self);
        while out.ends_with("\n\n") {
            out.pop();
        }
        out
    }

    /// The report as Markdown. Nothing in it from the description can be read as markup.
    fn markdown(&self) -> String {
        let mut out = format!("## Session description\n\n**{}**\n", safe(&self.summary));
        let few = self.descriptions.len() <= 2;
        for description in &self.descriptions {
            let _ = writeln!(out, "\n### {}\n", safe(&heading(description)));
            for finding in &description.findings {
                let _ = writeln!(out, "- {}: {}", severity(finding.severity), safe(&finding.text));
            }
            if !description.findings.is_empty() {
                out.push('\n');
            }
            if few && !description.lines.is_empty() {
                out.push_str("| line | text | what it is for |\n|---|---|---|\n");
            }
            for line in description.lines.iter().filter(|_| few) {
                let _ = writeln!(
                    out,
                    "| {} | {} | {} |",
                    line.line,
                    safe(&line.text),
                    safe(&line.meaning)
                );
            }
            // those that no line says
            let told =
                description.lines.iter().filter(|l| l.text.starts_with("a=candidate:")).count();
            if !few || told < description.candidates.len() {
                for candidate in candidates(description) {
                    let _ = writeln!(out, "- {}", safe(&candidate));
                }
            }
        }
        let told = |c: &&SdpConnection| self.connections.len() > 1 || c.ended.is_some();
        for connection in self.connections.iter().filter(told) {
            let name = connection.name.as_deref().unwrap_or("without a name");
            let _ =
                writeln!(out, "\n### Connection {}\n\n{}\n", safe(name), safe(&connection.summary));
            for finding in &connection.findings {
                let _ = writeln!(out, "- {}: {}", severity(finding.severity), safe(&finding.text));
            }
        }
        if !self.pairs.is_empty() {
            out.push_str(
                "\n### Pairs\n\n| offer | answer | could work | because |\n|---|---|---|---|\n",
            );
        }
        for pair in self.pairs.iter().take(SHOWN * 2) {
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
}

fn heading(description: &Explained) -> String {
    let kind = description.kind.as_deref().unwrap_or("description");
    let begins = description.begins.map(|line| format!(", from line {line}")).unwrap_or_default();
    let name = description.name.as_ref().map(|name| format!(": {name}")).unwrap_or_default();
    format!("{}{name} ({kind}{begins})", description.source)
}

fn noticed(out: &mut String, findings: &[Finding]) {
    if !findings.is_empty() {
        out.push_str("\nNoticed\n");
    }
    for finding in findings {
        let line = format!("{}: {}", severity(finding.severity), finding.text);
        paragraph(out, "  ", &line);
    }
}

/// Connections of which there is more to tell than their pairs.
fn connections(out: &mut String, report: &SdpReport) {
    let told = |c: &&SdpConnection| report.connections.len() > 1 || c.ended.is_some();
    for connection in report.connections.iter().filter(told) {
        let name = connection.name.as_deref().unwrap_or("without a name");
        let _ = writeln!(out, "Connection {}\n", terminal(name));
        paragraph(out, "  ", &connection.summary);
        let states: Vec<String> = connection.states.iter().map(state).collect();
        if !states.is_empty() {
            paragraph(out, "  ", &format!("States: {}.", states.join(", ")));
        }
        noticed(out, &connection.findings);
        out.push('\n');
    }
}

fn state(state: &SdpState) -> String {
    match state.after_ms {
        Some(ms) => format!("{} at {}.{:03} s", state.state, ms / 1000, ms % 1000),
        None => state.state.clone(),
    }
}

fn pairs(out: &mut String, report: &SdpReport) {
    if !report.pairs.is_empty() {
        out.push_str("Pairs, the preferred first\n");
        for (pairs, sample) in grouped(&report.pairs).into_iter().take(SHOWN) {
            for pair in pairs.iter().take(SHOWN) {
                let line = format!("{} with {}{}", pair.from, pair.to, place(pair));
                paragraph(out, "  ", &line);
            }
            if pairs.len() > SHOWN {
                let line = format!("and {} more", pairs.len() - SHOWN);
                paragraph(out, "  ", &line);
            }
            let line = format!("{}: {}", sample.could.title(), sample.because);
            paragraph(out, "      ", &line);
        }
        out.push('\n');
    }
    if report.unpaired > 0 {
        let count = report.unpaired;
        let line = format!(
            "{count} further combinations are no pairs: family, component or transport differ."
        );
        paragraph(out, "", &line);
    }
}

/// The section, where there are several.
fn place(pair: &SdpPair) -> String {
    pair.section.map(|section| format!(" (section {section})")).unwrap_or_default()
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
