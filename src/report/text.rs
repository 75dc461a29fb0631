//! A report for a terminal: 80 columns, plain words.

use super::prose::{WIDTH, paragraph, severity, wrap};
use super::view::grouped;
use super::{FactView, Family, Forecast, Path, PeerForecast, Report, Server, Status, Traversal};
use crate::ground::fact::Grade;
use crate::ground::finding::Finding;
use crate::report::escape::terminal;
use std::fmt::Write as _;
use tabled::builder::Builder;
use tabled::settings::{Color, Modify, Style, object::Cell, style::HorizontalLine};

/// The widths of the columns of the two tables; with their borders they fill [`WIDTH`].
const FACT_WIDTHS: [usize; 3] = [15, 26, 29];
const PEER_WIDTHS: [usize; 3] = [22, 16, 32];

/// The report as text; with `colour`, ANSI colours in the tables.
#[must_use]
pub fn text(report: &Report, colour: bool) -> String {
    let mut out = String::new();
    header(&mut out, report);
    let answer = super::answer::answer(report);
    paragraph(&mut out, "", &answer.answer);
    paragraph(&mut out, "", &answer.open);
    for path in &report.paths {
        out.push('\n');
        path_heading(&mut out, path);
        out.push_str(&facts(path, colour));
        out.push('\n');
        out.push_str(&connects(&report.traversal, path.family, colour));
    }
    servers(&mut out, &report.servers);
    super::turn::text(&mut out, &report.turn);
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
        || "no answer that counts".to_owned(),
        |mapped| format!("seen from outside as {mapped}"),
    );
    let line = format!("{}: {local}, {seen}", path.family.title());
    paragraph(out, "", &line);
}

fn facts(path: &Path, colour: bool) -> String {
    let mut table = Builder::default();
    let mut colours = Vec::new();
    table.push_record(["property", "answer", "because"]);
    for (titles, fact) in grouped(&path.facts) {
        colours.push(fact_colour(&fact));
        let titles: Vec<String> =
            titles.iter().map(|title| wrap(title, FACT_WIDTHS[0]).join("\n")).collect();
        let [_, answer, because] = fit(["", &fact.answer(), fact.because], FACT_WIDTHS);
        table.push_record([titles.join("\n"), answer, because]);
    }
    render(table, &colours, colour)
}

/// Peers with the same answer for the same reason share a row.
fn connects(traversal: &Traversal, family: Family, colour: bool) -> String {
    let mut rows: Vec<(Vec<&str>, &PeerForecast)> = Vec::new();
    for forecast in traversal.of(family) {
        let same = |row: &&mut (Vec<&str>, &PeerForecast)| {
            row.1.answer() == forecast.answer() && row.1.because == forecast.because
        };
        match rows.iter_mut().find(same) {
            Some((peers, _)) => peers.push(forecast.peer.as_str()),
            None => rows.push((vec![forecast.peer.as_str()], forecast)),
        }
    }
    let mut table = Builder::default();
    let mut colours = Vec::new();
    table.push_record(["peer behind", "needs", "because"]);
    for (peers, forecast) in rows {
        colours.push(match forecast.verdict {
            Forecast::Stun => Color::FG_GREEN,
            Forecast::Turn | Forecast::OrderDependent => Color::FG_YELLOW,
            Forecast::None => Color::FG_RED,
            Forecast::Inconclusive => Color::FG_BRIGHT_BLACK,
        });
        let [_, verdict, because] = fit(["", &forecast.answer(), &forecast.because], PEER_WIDTHS);
        table.push_record([peers.join("\n"), verdict, because]);
    }
    render(table, &colours, colour)
}

/// The cells of a row, each wrapped to its width and made safe to print.
fn fit(row: [&str; 3], widths: [usize; 3]) -> [String; 3] {
    let mut widths = widths.into_iter();
    row.map(|text| wrap(&terminal(text), widths.next().unwrap_or(WIDTH)).join("\n"))
}

/// A table with a heading, whose middle column is coloured.
fn render(table: Builder, colours: &[Color], colour: bool) -> String {
    let mut table = table.build();
    let under_heading = HorizontalLine::inherit(Style::modern());
    table.with(Style::rounded().remove_horizontals().horizontals([(1, under_heading)]));
    if colour {
        for (row, colour) in colours.iter().enumerate() {
            table.with(Modify::new(Cell::new(row + 1, 1)).with(colour.clone()));
        }
    }
    format!("{table}\n")
}

fn fact_colour(fact: &FactView<'_>) -> Color {
    match fact.status {
        Status::Known(_, Grade::Proven) => Color::FG_GREEN,
        Status::Known(_, Grade::Probable) => Color::FG_YELLOW,
        Status::Inconclusive(ref left) if left.is_empty() => Color::FG_RED,
        Status::Inconclusive(_) => Color::FG_YELLOW,
        Status::NotTested => Color::FG_BRIGHT_BLACK,
    }
}

fn servers(out: &mut String, servers: &[Server]) {
    if servers.is_empty() {
        return;
    }
    out.push_str("\nServers\n");
    for server in servers {
        let answer = server.answer();
        let other =
            server.other_address.map(|a| format!(", other address {a}")).unwrap_or_default();
        paragraph(out, "  ", &format!("{} ({}): {answer}{other}", server.uri, server.address));
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
