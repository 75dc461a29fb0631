//! What this kernel and user may do for the lab, and how to allow the rest.

use super::table::{Alike, Markup};
use crate::lab::kernel::doctor::Check;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// `natscope-doctor/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Doctor {
    /// `natscope-doctor/1`.
    pub schema: String,
    /// The lab runs here.
    pub ready: bool,
    /// What was tried.
    pub checks: Vec<Check>,
}

impl Doctor {
    /// From what was tried.
    #[must_use]
    pub fn new(checks: Vec<Check>) -> Self {
        let ready = checks.iter().all(|check| check.ok || !check.needed);
        Self { schema: "natscope-doctor/1".to_owned(), ready, checks }
    }
}

impl Alike for Doctor {
    fn shown(&self, markup: Markup) -> String {
        let row = |check: &Check| {
            let state = match (check.ok, check.needed) {
                (true, _) => "yes",
                (false, true) => "NO",
                (false, false) => "no (not needed)",
            };
            vec![check.name.clone(), state.into(), check.text.clone()]
        };
        let rows: Vec<Vec<String>> = self.checks.iter().map(row).collect();
        let mut text = markup.table(&["what", "works", "detail"], &rows);
        text.push('\n');
        for check in self.checks.iter().filter(|check| !check.ok) {
            let _ = writeln!(text, "To have {}: {}", check.name, check.fix);
        }
        text += if self.ready { "The lab runs here.\n" } else { "The lab does not run here.\n" };
        text
    }
}
