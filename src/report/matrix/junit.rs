//! For a continuous integration: a test case for each pair.

use super::{autopsies, headline, run};
use crate::lab::matrix::{Cell, Matrix};
use crate::report::escape::terminal;
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The matrix as JUnit XML: a pair that is not as predicted is a failure, one without a verdict is
/// skipped when the run was stopped and an error otherwise.
///
/// # Errors
/// The XML cannot be written.
pub fn junit(matrix: &Matrix) -> Result<String, SerializeError> {
    let seconds = Duration::try_from_secs_f64(matrix.summary.seconds).unwrap_or_default();
    let mut suite = TestSuite::new("matrix");
    suite.set_time(seconds);
    if let Some(system) = &matrix.system {
        suite.add_property(("measured-with", &*terminal(&system.to_string())));
    }
    suite.add_test_cases(matrix.cells.iter().map(|cell| case(cell, matrix.summary.complete)));
    let mut report = Report::new("natscope lab matrix");
    report.set_time(seconds);
    report.add_test_suite(suite);
    report.to_string()
}

fn case(cell: &Cell, complete: bool) -> TestCase {
    let mut status = match (cell.agrees, cell.verdict) {
        (true, _) => TestCaseStatus::success(),
        (false, Some(_)) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        (false, None) if complete => TestCaseStatus::non_success(NonSuccessKind::Error),
        (false, None) => TestCaseStatus::skipped(),
    };
    status.set_message(&*terminal(&cell.faults.join("; ")));
    status.set_type("natscope-matrix");
    status.set_description(lines(autopsies(cell)));
    let mut case = TestCase::new(&*terminal(&format!("{} × {}", cell.a, cell.b)), status);
    case.set_classname("natscope.lab.matrix");
    let ms: f64 = cell.runs.iter().map(|run| run.ms).sum();
    case.set_time(Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default());
    let said = std::iter::once(headline(cell)).chain(cell.runs.iter().map(run));
    case.set_system_out(lines(said));
    case
}

/// Lines that a console may show: names of NATs come from files.
fn lines(all: impl IntoIterator<Item = String>) -> String {
    let safe: Vec<String> = all.into_iter().map(|line| terminal(&line).into_owned()).collect();
    safe.join("\n")
}
