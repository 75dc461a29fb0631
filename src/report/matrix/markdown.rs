//! To paste into a ticket or a page.

use super::{autopsies, headline, legend, meaning, run, shown, summary};
use crate::lab::matrix::{Cell, Matrix};
use crate::nat::pair::Verdict;
use crate::report::escape_markdown;
use std::fmt::Write as _;

/// The matrix as a Markdown table, with a section for each pair that STUN is not enough for.
#[must_use]
pub fn markdown(matrix: &Matrix) -> String {
    let mut out = String::from("| |");
    for name in &matrix.nats {
        let _ = write!(out, " {} |", escape_markdown(name));
    }
    out.push_str("\n|---|");
    out.push_str(&"---|".repeat(matrix.nats.len()));
    out.push('\n');
    for a in &matrix.nats {
        let _ = write!(out, "| **{}** |", escape_markdown(a));
        for b in &matrix.nats {
            let _ = write!(out, " {} |", shown(matrix.cell(a, b)));
        }
        out.push('\n');
    }
    out.push('\n');
    for (word, meaning) in legend(matrix) {
        let _ = writeln!(out, "- `{word}`: {meaning}");
    }
    let _ = writeln!(out, "\n{}", escape_markdown(&summary(matrix)));
    if let Some(system) = &matrix.system {
        let _ = writeln!(out, "\n{}", escape_markdown(&format!("Measured with {system}.")));
    }
    for cell in matrix.cells.iter().filter(|c| c.verdict != Some(Verdict::Stun) || !c.agrees) {
        let head = format!("{} × {}", cell.a, cell.b);
        let _ = writeln!(out, "\n### {}\n", escape_markdown(&head));
        let _ = writeln!(out, "{}\n", escape_markdown(&headline(cell)));
        runs(&mut out, cell);
    }
    out
}

/// One pair, with all its runs.
#[must_use]
pub fn of(cell: &Cell) -> String {
    let mut out = String::new();
    let head = format!("Two peers, a behind {} and b behind {}:", cell.a, cell.b);
    let _ = writeln!(out, "\n{}\n", escape_markdown(&head));
    runs(&mut out, cell);
    let _ = writeln!(out, "\n{}", meaning(cell));
    out
}

fn runs(out: &mut String, cell: &Cell) {
    for fault in &cell.faults {
        let _ = writeln!(out, "- **not as it should be:** {}", escape_markdown(fault));
    }
    for line in cell.runs.iter().map(run).chain(autopsies(cell)) {
        let _ = writeln!(out, "- {}", escape_markdown(&line));
    }
}
