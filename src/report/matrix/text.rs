//! For a terminal: a grid of words, coloured, and what is to be said about each word that is not
//! `stun`.

use super::{autopsies, headline, legend, meaning, run, shown, summary};
use crate::lab::matrix::{Cell, Matrix};
use crate::nat::pair::Verdict;
use crate::report::escape::terminal;
use crate::report::prose::paragraph;
use anstyle::{AnsiColor, Effects, Style};
use std::fmt::Write as _;

/// The matrix as text, 80 columns wide up to ten NATs; with `colour`, ANSI colours in the grid.
#[must_use]
pub fn text(matrix: &Matrix, colour: bool) -> String {
    let mut out = grid(matrix, colour);
    out.push('\n');
    for (word, meaning) in legend(matrix) {
        let _ = writeln!(out, "{word:<6} {meaning}");
    }
    for cell in matrix.cells.iter().filter(|c| c.verdict != Some(Verdict::Stun) || !c.agrees) {
        out.push('\n');
        about(&mut out, cell);
    }
    out.push('\n');
    if let Some(system) = &matrix.system {
        paragraph(&mut out, "", &format!("Measured with {system}."));
    }
    paragraph(&mut out, "", &summary(matrix));
    out
}

/// One pair, with all its runs.
#[must_use]
pub fn of(cell: &Cell) -> String {
    let mut out = String::new();
    out.push('\n');
    paragraph(&mut out, "", &format!("Two peers, a behind {} and b behind {}:", cell.a, cell.b));
    for line in cell.runs.iter().map(run).chain(autopsies(cell)) {
        paragraph(&mut out, "  ", &line);
    }
    for fault in &cell.faults {
        paragraph(&mut out, "  ", &format!("NOT as it should be: {fault}."));
    }
    paragraph(&mut out, "", meaning(cell));
    out
}

fn style(cell: Option<&Cell>) -> Style {
    let Some(cell) = cell else { return Style::new() };
    let colour = match cell.verdict {
        Some(Verdict::Stun) => AnsiColor::Green,
        Some(Verdict::OrderDependent) => AnsiColor::Yellow,
        Some(Verdict::Turn) => AnsiColor::Red,
        Some(Verdict::None) => AnsiColor::Magenta,
        None => AnsiColor::BrightBlack,
    };
    let style = Style::new().fg_color(Some(colour.into()));
    let wrong = !cell.agrees && cell.verdict.is_some();
    if wrong { style.effects(Effects::INVERT) } else { style }
}

fn grid(matrix: &Matrix, colour: bool) -> String {
    let names: Vec<String> = matrix
        .nats
        .iter()
        .enumerate()
        .map(|(at, name)| format!("{:>2} {}", at + 1, terminal(name)))
        .collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) + 2;
    let mut out = " ".repeat(width);
    for at in 1..=names.len() {
        let _ = write!(out, "{at:<7}");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    for (name, a) in names.iter().zip(&matrix.nats) {
        let mut line = format!("{name:<width$}");
        for b in &matrix.nats {
            let cell = matrix.cell(a, b);
            let (word, style) = (shown(cell), style(cell));
            let gap = " ".repeat(7_usize.saturating_sub(word.len()));
            let _ = if colour {
                write!(line, "{style}{word}{style:#}{gap}")
            } else {
                write!(line, "{word}{gap}")
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn about(out: &mut String, cell: &Cell) {
    paragraph(out, "", &format!("{} × {}: {}", cell.a, cell.b, headline(cell)));
    for fault in &cell.faults {
        paragraph(out, "  ", &format!("NOT as it should be: {fault}."));
    }
    if !cell.agrees {
        for line in cell.runs.iter().map(run) {
            paragraph(out, "  ", &line);
        }
    }
    for line in autopsies(cell) {
        paragraph(out, "  ", &line);
    }
}
