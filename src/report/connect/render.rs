//! A connection attempt for a terminal, and for a ticket.

use super::ConnectReport;
use crate::ice::{Check, CheckResult, Outcome};
use crate::peer::{NatFacts, Relayed, RoundTrips, Side};
use crate::report::escape::{markdown as safe, terminal};
use crate::report::prose::{milliseconds, paragraph, severity};
use crate::report::{Axis, Document};
use std::fmt::Write as _;

/// Checks of a side that are shown to people; the JSON has more.
const SHOWN: usize = 12;

/// What the prediction is called.
const EXPECTED: &str = "Expected of the two NATs that were measured";

impl Document for ConnectReport {
    /// The report as text: 80 columns.
    fn text(&self, _colour: bool) -> String {
        let mut out = String::new();
        let seconds = std::time::Duration::from_millis(self.duration_ms).as_secs_f64();
        let line =
            format!("{} {}, {}, {seconds:.1} s", self.tool.name, self.tool.version, self.started);
        let _ = writeln!(out, "{}", terminal(&line));
        for side in &self.sides {
            let here = if self.written_by == Some(side.role) { " (this one)" } else { "" };
            let _ = writeln!(out, "\nThe {}ing side{here}", side.role.as_str());
            for section in sections(side) {
                let _ = writeln!(out, "  {}", section.title);
                for line in section.lines {
                    paragraph(&mut out, "    ", &line);
                }
            }
        }
        let round_trips = round_trips(self);
        if !round_trips.is_empty() {
            out.push_str("\nRound trips\n");
        }
        for line in round_trips {
            paragraph(&mut out, "  ", &line);
        }
        let notes = notes(self);
        if !notes.is_empty() {
            out.push_str("\nNoticed\n");
        }
        for note in notes {
            paragraph(&mut out, "  ", &note);
        }
        if let Some(prediction) = &self.result.prediction {
            out.push('\n');
            paragraph(&mut out, "", &format!("{EXPECTED}: {}.", prediction.sentence()));
        }
        // last, where a terminal leaves the eye
        out.push('\n');
        paragraph(&mut out, "", &self.result.sentence());
        out
    }

    /// The report as Markdown. Nothing in it from the network can be read as markup.
    fn markdown(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "## Connection\n\n**{}**\n\n{} {}, {}, {} ms",
            safe(&self.result.sentence()),
            safe(&self.tool.name),
            safe(&self.tool.version),
            safe(&self.started),
            self.duration_ms
        );
        if let Some(prediction) = &self.result.prediction {
            let _ = writeln!(out, "\n{EXPECTED}: {}.", safe(&prediction.sentence()));
        }
        let list = |out: &mut String, title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                let _ = writeln!(out, "\n{title}\n");
            }
            for line in lines {
                let _ = writeln!(out, "- {}", safe(&line));
            }
        };
        list(&mut out, "### Round trips", round_trips(self));
        for side in &self.sides {
            let here = if self.written_by == Some(side.role) { " (this one)" } else { "" };
            let _ = writeln!(out, "\n### The {}ing side{here}", side.role.as_str());
            for section in sections(side) {
                list(&mut out, section.title, section.lines);
            }
        }
        list(&mut out, "### Noticed", notes(self));
        out
    }
}

struct Section {
    title: &'static str,
    lines: Vec<String>,
}

/// What is told of a side, the empty left out.
fn sections(side: &Side) -> Vec<Section> {
    let mut sections = vec![Section { title: "NAT", lines: side.nats.iter().map(nat).collect() }];
    if let Some(outcome) = &side.outcome {
        sections.push(Section { title: "Servers", lines: servers(outcome) });
        sections.push(Section { title: "Candidates", lines: candidates(outcome) });
        sections.push(Section { title: "Tried", lines: checks(outcome) });
    }
    sections.retain(|section| !section.lines.is_empty());
    sections
}

fn nat(nat: &NatFacts) -> String {
    let local = nat.local.map_or_else(|| "no socket".to_owned(), |local| local.to_string());
    let seen = nat.mapped.map_or_else(
        || "no server answered".to_owned(),
        |mapped| format!("seen from outside as {mapped}"),
    );
    let fact = |axis: Axis| format!("{} {}", axis.title(), axis.of(&nat.facts).answer());
    let facts = [Axis::Classic, Axis::Mapping, Axis::Filtering].map(fact).join("; ");
    format!("{local}, {seen}: {facts}")
}

fn servers(outcome: &Outcome) -> Vec<String> {
    let stun = outcome.stun.iter().map(|gathered| {
        let answer = match (gathered.mapped, gathered.rtt_ms) {
            (Some(mapped), Some(rtt)) => {
                format!("sees {} as {mapped}, {}", gathered.base, milliseconds(rtt))
            }
            (Some(mapped), None) => format!("sees {} as {mapped}", gathered.base),
            (None, _) => gathered.because.clone().unwrap_or_else(|| "no answer".to_owned()),
        };
        format!("{}: {answer}", gathered.server)
    });
    let turn = outcome.turn.iter().map(|allocation| {
        let gave = match (allocation.relayed, allocation.ms) {
            (Some(relayed), Some(ms)) => format!("relay {relayed} in {}", milliseconds(ms)),
            (Some(relayed), None) => format!("relay {relayed}"),
            (None, _) => "no relay".to_owned(),
        };
        let failure = allocation.failure.as_ref();
        let failure = failure.map(|f| format!(": {f}; {}", f.advice())).unwrap_or_default();
        format!("{}: {gave}{failure}", allocation.server)
    });
    stun.chain(turn).collect()
}

fn candidates(outcome: &Outcome) -> Vec<String> {
    let one =
        |candidate: &crate::ice::Candidate| format!("{} {}", candidate.kind, candidate.address);
    let all = outcome.local.iter().map(one).collect::<Vec<_>>().join(", ");
    if all.is_empty() { Vec::new() } else { vec![all] }
}

fn checks(outcome: &Outcome) -> Vec<String> {
    let selected = |check: &&Check| outcome.selected == Some(check.pair);
    let first = outcome.checks.iter().filter(selected);
    let rest = outcome.checks.iter().filter(|check| !selected(check));
    let mut lines: Vec<String> = first
        .chain(rest)
        .take(SHOWN)
        .map(|check| {
            let mark = if outcome.selected == Some(check.pair) { ", selected" } else { "" };
            format!("{}{mark}", self::check(check))
        })
        .collect();
    let more = outcome.checks.len().saturating_sub(SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn check(check: &Check) -> String {
    let (local, remote) = (&check.pair.local, &check.pair.remote);
    let result = match &check.result {
        CheckResult::Succeeded => match (check.sent_ms.first(), check.answered_ms) {
            (Some(sent), Some(answered)) => {
                format!("answered after {}", milliseconds((answered - sent).max(0.0)))
            }
            _ => "answered".to_owned(),
        },
        CheckResult::InProgress if check.sent_ms.is_empty() => "not tried".to_owned(),
        CheckResult::InProgress => "not answered before the end".to_owned(),
        CheckResult::Unanswered => format!("sent {} times, never answered", check.sent_ms.len()),
        CheckResult::Error { code } => format!("answered with error {code}"),
        CheckResult::Unreachable { why } => format!("cannot be reached: {why}"),
        CheckResult::NotRelayed { failure } => format!("the relay refused: {failure}"),
        CheckResult::NotSymmetric { from } => format!("the answer came from {from}"),
    };
    let heard = match check.received_ms.len() {
        0 => String::new(),
        1 => "; the peer's check came in".to_owned(),
        more => format!("; the peer's checks came in ({more})"),
    };
    format!(
        "{} {} to {} {}: {result}{heard}",
        local.kind, local.address, remote.kind, remote.address
    )
}

fn round_trips(report: &ConnectReport) -> Vec<String> {
    let relayed = |side: &Side| side.outcome.as_ref().is_some_and(|o| o.connection.relayed());
    let mut lines: Vec<String> = Vec::new();
    for side in &report.sides {
        let Some(trips) = &side.round_trips else { continue };
        let way = if relayed(side) { "through the relay" } else { "direct" };
        lines.push(format!("{way}, seen by the {}ing side: {}", side.role.as_str(), took(trips)));
    }
    if let Some(Relayed { by, relay, round_trips, because }) = &report.relayed {
        let by = by.as_str();
        lines.push(match (relay, round_trips, because) {
            (Some(relay), Some(trips), _) => {
                format!("through the {by}ing side's relay {relay}: {}", took(trips))
            }
            (.., because) => {
                let why = because.as_deref().unwrap_or("no connection");
                format!("through the {by}ing side's relay: {why}")
            }
        });
    }
    lines
}

fn took(trips: &RoundTrips) -> String {
    match (trips.min_ms, trips.median_ms, trips.max_ms) {
        (Some(min), Some(median), Some(max)) => format!(
            "{} ({} to {}, {} of {} came back)",
            milliseconds(median),
            milliseconds(min),
            milliseconds(max),
            trips.received,
            trips.sent
        ),
        _ => format!("none of {} came back", trips.sent),
    }
}

fn notes(report: &ConnectReport) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for finding in &report.findings {
        notes.push(format!("{}: {}", severity(finding.severity), finding.text));
    }
    for side in &report.sides {
        for finding in &side.findings {
            let side = side.role.as_str();
            let line = format!("{}, {side}ing side: {}", severity(finding.severity), finding.text);
            notes.push(line);
        }
    }
    notes
}
