//! Words and figures for a terminal, alike in every report.

use super::escape::terminal;
use crate::ground::finding::Severity;
use std::fmt::Write as _;

/// The widest line.
pub(super) const WIDTH: usize = 80;

/// A round-trip time.
pub(super) fn milliseconds(ms: f64) -> String {
    if ms < 1.0 { format!("{ms:.2} ms") } else { format!("{ms:.1} ms") }
}

/// The word for a severity.
pub(super) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Text wrapped at words, its further lines indented. Text from the network is made safe.
pub(super) fn paragraph(out: &mut String, indent: &str, text: &str) {
    let width = WIDTH.saturating_sub(indent.len() + 2);
    for (i, line) in wrap(&terminal(text), width).into_iter().enumerate() {
        let hang = if i == 0 || indent.is_empty() { "" } else { "  " };
        let _ = writeln!(out, "{indent}{hang}{line}");
    }
}

/// Lines of at most `width` characters, broken between words where there is a place to.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        length += word.len();
        line.extend(word);
    }
    lines.push(line);
    lines
}

/// Such as `a, b or c`.
pub(super) fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The text as a sentence begins.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The text as a sentence goes on.
pub(super) fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
