//! To paste into a ticket or a page.

use super::{autopsies, legend, run, shown, summary};
use crate::lab::matrix::Matrix;
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
    for cell in matrix.cells.iter().filter(|c| c.verdict != Some(Verdict::Stun) || !c.agrees) {
        let verdict = cell.verdict.map_or("could not tell".to_owned(), |v| v.to_string());
        let _ = writeln!(
            out,
            "\n### {} × {}: {verdict}\n\n{}.\n",
            escape_markdown(&cell.a),
            escape_markdown(&cell.b),
            escape_markdown(&cell.because)
        );
        for fault in &cell.faults {
            let _ = writeln!(out, "- **not as it should be:** {}", escape_markdown(fault));
        }
        for line in cell.runs.iter().map(run).chain(autopsies(cell)) {
            let _ = writeln!(out, "- {}", escape_markdown(&line));
        }
    }
    out
}
