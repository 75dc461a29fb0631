//! The one way to skip a test, seen and counted: for tests that need what not every machine has.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write as _;

/// Names the file where `make test` gathers what was skipped, a line for each: the test, a tab, why.
const GATHERED: &str = "NATSCOPE_SKIPPED";

/// How a line begins that says why a test is skipped.
const SKIPPED: &str = "SKIPPED: ";

/// Whether nothing may be skipped: `NATSCOPE_REQUIRE_LAB=1`.
fn required() -> bool {
    std::env::var_os("NATSCOPE_REQUIRE_LAB").is_some_and(|value| value == "1")
}

/// Says that the test of this thread is skipped, and why; the test should then return.
///
/// It writes `SKIPPED: reason` to stderr, past the harness that keeps back what passing tests print,
/// and adds a line (the test, a tab, the reason) to the file that `NATSCOPE_SKIPPED` names.
///
/// # Panics
/// With `NATSCOPE_REQUIRE_LAB=1`: what this test needs must be there.
pub fn skip(reason: impl Display) {
    let thread = std::thread::current();
    skip_named(thread.name().unwrap_or("a test"), reason);
}

/// The same for a test that has no thread of its own.
///
/// # Panics
/// As `skip` does.
pub fn skip_named(test: &str, reason: impl Display) {
    let reason = reason.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    say(&reason);
    if let Some(path) = std::env::var_os(GATHERED) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let line = format!("{test}\t{reason}\n");
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the list of skipped tests");
    }
    assert!(!required(), "NATSCOPE_REQUIRE_LAB=1, but {test} is skipped: {reason}");
}

/// Says again what the process of a test said of being skipped inside of it.
pub fn pass_on(told: &str) {
    told.lines().filter_map(|line| line.strip_prefix(SKIPPED)).for_each(say);
}

/// To stderr itself: the harness keeps back what a passing test prints by macros.
fn say(reason: &str) {
    // where nobody can be told, the list still has it
    let _ = writeln!(std::io::stderr(), "{SKIPPED}{reason}");
}
