//! A report for a terminal: 80 columns, plain words.

use super::{Axis, FactView, Family, Forecast, Path, Report, Server, Status, Traversal};
use crate::probe::fact::{Finding, Grade, Severity};
use crate::report::escape::terminal;
use std::fmt::Write as _;
use tabled::builder::Builder;
use tabled::settings::{Color, Modify, Style, Width, object::Cell, object::Segment};

/// The widest line.
const WIDTH: usize = 80;

/// The report as text; with `colour`, ANSI colours in the tables.
#[must_use]
pub fn text(report: &Report, colour: bool) -> String {
    let mut out = String::new();
    header(&mut out, report);
    for path in &report.paths {
        out.push('\n');
        path_heading(&mut out, path);
        out.push_str(&facts(path, colour));
        out.push('\n');
        out.push_str(&connects(&report.traversal, path.family, colour));
    }
    out.push('\n');
    paragraph(&mut out, "", &report.traversal.summary);
    servers(&mut out, &report.servers);
    let all = report.findings.iter().map(|f| (None, f));
    let of_servers = report
        .servers
        .iter()
        .flat_map(|s| s.findings.iter().map(move |f| (Some(s.uri.as_str()), f)));
    notes(&mut out, all.chain(of_servers));
    out
}

fn header(out: &mut String, report: &Report) {
    let seconds = std::time::Duration::from_millis(report.duration_ms).as_secs_f64();
    let line = format!(
        "{} {}, {}, {seconds:.1} s, on {} {}",
        report.tool.name, report.tool.version, report.started, report.host.os, report.host.arch
    );
    let _ = writeln!(out, "{}", terminal(&line));
}

fn path_heading(out: &mut String, path: &Path) {
    let local = path.local.map_or_else(|| "no socket".to_owned(), |a| a.to_string());
    let seen = path.mapped.map_or_else(
        || "no server answered".to_owned(),
        |mapped| format!("seen from outside as {mapped}"),
    );
    let line = format!("{}: {local}, {seen}", path.family.title());
    paragraph(out, "", &line);
}

fn facts(path: &Path, colour: bool) -> String {
    let mut table = Builder::default();
    let mut colours = Vec::new();
    for axis in Axis::ALL {
        let fact = axis.of(&path.facts);
        colours.push(fact_colour(&fact));
        table.push_record([
            axis.title().to_owned(),
            fact.answer(),
            terminal(fact.because).into_owned(),
        ]);
    }
    render(table, &colours, [20, 19, 32], colour)
}

fn connects(traversal: &Traversal, family: Family, colour: bool) -> String {
    let mut table = Builder::default();
    let mut colours = Vec::new();
    for forecast in traversal.of(family) {
        colours.push(match forecast.verdict {
            Forecast::Stun => Color::FG_GREEN,
            Forecast::Turn | Forecast::OrderDependent => Color::FG_YELLOW,
            Forecast::None => Color::FG_RED,
            Forecast::Inconclusive => Color::FG_BRIGHT_BLACK,
        });
        table.push_record([
            format!("to {}", forecast.peer),
            forecast.verdict.title().to_owned(),
            terminal(&forecast.because).into_owned(),
        ]);
    }
    render(table, &colours, [20, 19, 32], colour)
}

/// A table of three columns whose middle one is coloured, and whose text keeps to its widths.
fn render(table: Builder, colours: &[Color], widths: [usize; 3], colour: bool) -> String {
    let mut table = table.build();
    table.with(Style::rounded().remove_horizontals());
    for (column, width) in widths.into_iter().enumerate() {
        for row in 0..colours.len() {
            let cell = Modify::new(Cell::new(row, column));
            table.with(cell.with(Width::wrap(width).keep_words(true)));
        }
    }
    if colour {
        for (row, colour) in colours.iter().enumerate() {
            table.with(Modify::new(Cell::new(row, 1)).with(colour.clone()));
        }
    }
    table.with(Modify::new(Segment::all()).with(tabled::settings::Alignment::left()));
    format!("{table}\n")
}

fn fact_colour(fact: &FactView<'_>) -> Color {
    match fact.status {
        Status::Known(_, Grade::Proven) => Color::FG_GREEN,
        Status::Known(_, Grade::Probable) => Color::FG_YELLOW,
        Status::Inconclusive => Color::FG_RED,
        Status::NotTested => Color::FG_BRIGHT_BLACK,
    }
}

fn servers(out: &mut String, servers: &[Server]) {
    if servers.is_empty() {
        return;
    }
    out.push_str("\nServers\n");
    for server in servers {
        let rtt =
            server.rtt_ms.map_or_else(|| "did not answer".to_owned(), |ms| format!("{ms:.1} ms"));
        let other =
            server.other_address.map(|a| format!(", other address {a}")).unwrap_or_default();
        paragraph(out, "  ", &format!("{} ({}): {rtt}{other}", server.uri, server.address));
    }
}

fn notes<'a>(out: &mut String, notes: impl Iterator<Item = (Option<&'a str>, &'a Finding)>) {
    let mut notes = notes.peekable();
    if notes.peek().is_some() {
        out.push_str("\nNoticed\n");
    }
    for (about, finding) in notes {
        let about = about.map(|uri| format!("{uri}: ")).unwrap_or_default();
        let line = format!("{}: {about}{}", severity(finding.severity), finding.text);
        paragraph(out, "  ", &line);
    }
}

/// The word for a severity.
pub(super) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Text wrapped at words, its further lines indented. Text from the network is made safe.
pub(super) fn paragraph(out: &mut String, indent: &str, text: &str) {
    let text = terminal(text);
    let mut line = indent.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        let length = line.chars().count() + 1 + word.chars().count();
        if !empty && length > WIDTH {
            let _ = writeln!(out, "{line}");
            line = format!("{indent}  ");
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(out, "{line}");
}
