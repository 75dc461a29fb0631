//! What was noticed beside the facts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Limits what could be shown.
    Warning,
    /// Something is broken.
    Error,
}

/// Something noticed beside the facts, such as a server that is not honest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Finding {
    /// A stable kebab-case name, such as `ignores-change-request`.
    pub id: String,
    /// How bad.
    pub severity: Severity,
    /// One or two sentences: what, and what to do.
    pub text: String,
}
