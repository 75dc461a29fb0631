//! Exit codes (contract): 0 done, 1 could not run, 2 usage, 3 could not tell, 4 not as expected.

use crate::report::escape_terminal;
use std::process::ExitCode;

/// Wrong arguments.
pub const USAGE: u8 = 2;

/// Shown below `--help`.
pub const HELP: &str = "\
Exit codes:
  0  done (with --expect: it holds)
  1  could not run: the message says what, where, and what to do
  2  wrong arguments
  3  could not tell
  4  --expect does not hold";

/// How a run that could be made ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Done; an expectation, if any, holds.
    Done,
    /// Nothing definite came out.
    CouldNotTell,
    /// An expectation does not hold, or two verdicts that should agree do not.
    NotAsExpected,
}

impl Outcome {
    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::CouldNotTell => 3,
            Self::NotAsExpected => 4,
        }
    }
}

/// Why nothing came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// It could not run (exit 1): what, where, what to do, in one or two lines.
    #[must_use]
    pub fn run(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }
    /// The arguments are wrong (exit 2).
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into() }
    }
    /// All of these as one; nothing when there are none.
    ///
    /// # Errors
    /// When there is one.
    pub fn all(failures: impl IntoIterator<Item = Self>) -> Result<(), Self> {
        let joined = failures.into_iter().reduce(|mut all, next| {
            all.message = format!("{}\n{}", all.message, next.message);
            all
        });
        joined.map_or(Ok(()), Err)
    }
    /// What went wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
    /// Prints the message and gives the exit code.
    #[must_use]
    pub fn tell(&self) -> ExitCode {
        for line in self.message.lines() {
            tell(line);
        }
        self.code.into()
    }
}

/// One line for the user on stderr. A message may hold text from the network.
pub fn tell(line: &str) {
    use std::io::Write as _;
    // a closed stderr leaves nobody to tell
    let _ = writeln!(std::io::stderr(), "natscope: {}", escape_terminal(line));
}
