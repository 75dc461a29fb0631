//! A matrix as a grid for a terminal, as Markdown, and as JUnit XML.

mod junit;
mod markdown;
mod text;

pub use junit::junit;
pub use markdown::{markdown, of as markdown_of};
pub use text::{of as text_of, text};

use super::Document;
use crate::lab::matrix::{Cell, Matrix, Run, RunOutcome};
use crate::nat::pair::Verdict;

impl Document for Matrix {
    fn text(&self, colour: bool) -> String {
        text(self, colour)
    }
    fn markdown(&self) -> String {
        markdown(self)
    }
    fn junit(&self) -> Result<String, String> {
        junit(self).map_err(|error| error.to_string())
    }
}

/// The word in the grid.
const fn word(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Stun) => "stun",
        Some(Verdict::OrderDependent) => "order",
        Some(Verdict::Turn) => "turn",
        Some(Verdict::None) => "none",
        None => "?",
    }
}

/// The words of the grid that occur in a matrix, and what they mean.
fn legend(matrix: &Matrix) -> Vec<(&'static str, &'static str)> {
    [
        (Some(Verdict::Stun), "direct with STUN alone, whoever sends first"),
        (
            Some(Verdict::OrderDependent),
            "direct with STUN alone, but only when one given side sends first",
        ),
        (Some(Verdict::Turn), "only a TURN relay connects them"),
        (Some(Verdict::None), "not even a relay connects them"),
        (None, "could not tell"),
    ]
    .into_iter()
    .filter(|(verdict, _)| matrix.cells.iter().any(|cell| cell.verdict == *verdict))
    .map(|(verdict, meaning)| (word(verdict), meaning))
    .collect()
}

/// The cell's word; with an exclamation mark where it is not as it should be.
fn shown(cell: Option<&Cell>) -> String {
    cell.map_or(String::new(), |cell| {
        let mark = if cell.agrees || cell.verdict.is_none() { "" } else { "!" };
        format!("{}{mark}", word(cell.verdict))
    })
}

/// One sentence on a run.
fn run(run: &Run) -> String {
    let how = if run.turn { "With TURN" } else { "STUN alone" };
    let selected = run.selected.map_or(String::new(), |s| format!(", {} – {}", s.local, s.remote));
    let proof = match (run.outcome, run.alive_without_relay) {
        (RunOutcome::Failed, _) => String::new(),
        (_, None) => format!("; {} data packets by the relay", run.relay_packets),
        (_, Some(alive)) => format!(
            "; {} data packets from NAT to NAT, {} by the relay; with the relay cut {}",
            run.direct_packets,
            run.relay_packets,
            if alive { "it lived on" } else { "it ended" }
        ),
    };
    format!("{how}, {} first: {} in {:.0} ms{selected}{proof}.", run.first, run.outcome, run.ms)
}

/// What a failed run without a relay left behind: one order stands for both unless they differ.
fn autopsies(cell: &Cell) -> Vec<String> {
    let failed: Vec<&Run> =
        cell.runs.iter().filter(|run| run.outcome == RunOutcome::Failed).collect();
    let shown = match cell.verdict {
        Some(Verdict::Turn) => failed.iter().take(1),
        _ => failed.iter().take(failed.len()),
    };
    shown
        .flat_map(|run| {
            let how = if run.turn { "With TURN" } else { "STUN alone" };
            let text = run.autopsy.iter().flat_map(|autopsy| &autopsy.text);
            text.map(move |text| format!("{how}, {} first: {text}.", run.first))
        })
        .collect()
}

/// Verdict and reason of a cell.
fn headline(cell: &Cell) -> String {
    let because = &cell.because;
    match cell.verdict {
        Some(verdict) if verdict == cell.predicted => format!("{verdict}: {because}."),
        Some(verdict) => format!("{verdict}, where {} was expected: {because}.", cell.predicted),
        None => format!("could not tell; {} is expected: {because}.", cell.predicted),
    }
}

/// What a verdict means for the two.
const fn meaning(cell: &Cell) -> &'static str {
    match cell.verdict {
        Some(Verdict::Stun) => "With STUN alone the two connect, whoever sends first.",
        Some(Verdict::OrderDependent) => {
            "With STUN alone the two connect only when one given side sends first; through a TURN \
             relay they always do."
        }
        Some(Verdict::Turn) => {
            "With STUN alone the two do not connect, whoever sends first; through a TURN relay they \
             do."
        }
        Some(Verdict::None) => "The two do not connect, not even through a TURN relay.",
        None => "Whether the two connect could not be told.",
    }
}

/// The last line.
fn summary(matrix: &Matrix) -> String {
    let s = &matrix.summary;
    let counts: Vec<String> = [
        (s.stun, "stun"),
        (s.order_dependent, "order-dependent"),
        (s.turn, "turn"),
        (s.none, "none"),
        (s.unknown, "could not tell"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, name)| format!("{count} {name}"))
    .collect();
    format!(
        "{} of {} pairs as predicted, in {:.1} s: {}{}.",
        s.agree,
        s.cells,
        s.seconds,
        counts.join(", "),
        if s.complete { "" } else { "; stopped before the rest was tried" }
    )
}

#[cfg(test)]
pub(super) mod tests;
