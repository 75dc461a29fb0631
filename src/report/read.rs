//! Reads saved reports. A file is as hostile as the network: every error is a sentence, and what
//! it names is checked before it is used.

use super::{Report, SCHEMA};
use serde::Deserialize;

/// Why a document is not a report that this version can read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Not JSON, or not the fields of a report: why, in words.
    #[error("not a natscope report: {0}")]
    Malformed(String),
    /// JSON of another kind.
    #[error("not a natscope report: its schema is `{}`, not `{SCHEMA}`", super::escape_terminal(.0))]
    OtherSchema(String),
    /// A later major version.
    #[error(
        "this report has schema `{}`, and natscope {} reads up to `{SCHEMA}`: \
         read it with the natscope that wrote it, or update this one", super::escape_terminal(.0), env!("CARGO_PKG_VERSION")
    )]
    Newer(String),
    /// References that lead nowhere.
    #[error("this report is damaged: {0}")]
    Damaged(String),
}

impl From<serde_json::Error> for ReadError {
    fn from(error: serde_json::Error) -> Self {
        use serde_json::error::Category;
        let why = match error.classify() {
            Category::Eof if error.line() == 1 && error.column() == 0 => "it is empty".to_owned(),
            Category::Eof => {
                format!("it ends in the middle (line {}): was it cut off?", error.line())
            }
            Category::Syntax | Category::Io => format!("it is not JSON: {error}"),
            Category::Data => error.to_string(),
        };
        // serde quotes what it did not expect, whole
        let mut shown: String = why.chars().take(LONGEST).collect();
        if shown.len() < why.len() {
            shown.push('…');
        }
        Self::Malformed(super::escape_terminal(&shown).into_owned())
    }
}

/// Characters of a reason that are shown.
const LONGEST: usize = 300;

/// The one field that every version has.
#[derive(Deserialize)]
struct Header {
    schema: String,
}

/// Reads a report.
///
/// # Errors
/// When the document is no report, is of a newer major schema version, or refers to what it does
/// not hold.
pub fn read(document: &str) -> Result<Report, ReadError> {
    let header: Header = serde_json::from_str(document)?;
    check_schema(header.schema)?;
    let report: Report = serde_json::from_str(document)?;
    check_references(&report)?;
    Ok(report)
}

fn check_schema(schema: String) -> Result<(), ReadError> {
    let major = schema.strip_prefix("natscope-report/").and_then(|v| v.parse::<u32>().ok());
    match major {
        Some(1) => Ok(()),
        Some(2..) => Err(ReadError::Newer(schema)),
        _ => Err(ReadError::OtherSchema(schema)),
    }
}

fn check_references(report: &Report) -> Result<(), ReadError> {
    let damaged = |why: String| Err(ReadError::Damaged(super::escape_terminal(&why).into_owned()));
    if let Some(t) = report.transactions.iter().find(|t| t.about >= report.servers.len()) {
        return damaged(format!("transaction {} is about server {}, not listed", t.id, t.about));
    }
    for (i, path) in report.paths.iter().enumerate() {
        if report.paths[..i].iter().any(|p| p.family == path.family) {
            return damaged(format!("it has two paths over {}", path.family.title()));
        }
    }
    Ok(())
}
