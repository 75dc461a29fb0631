//! Tables, as text and as Markdown.

use super::Format;
use crate::report::{escape_markdown, escape_terminal};
use tabled::builder::Builder;
use tabled::settings::peaker::Priority;
use tabled::settings::{Style, Width};

/// A terminal that has not been widened.
const COLUMNS: usize = 80;

/// A table in the format asked for (JSON documents are made elsewhere).
pub(super) fn table(format: Format, head: &[&str], rows: &[Vec<String>]) -> String {
    let mut builder = Builder::default();
    builder.push_record(head.iter().copied());
    for row in rows {
        builder.push_record(row.iter().map(|cell| match format {
            Format::Markdown => escape_markdown(cell),
            _ => escape_terminal(cell).into_owned(),
        }));
    }
    let mut table = builder.build();
    match format {
        Format::Markdown => table.with(Style::markdown()),
        _ => table
            .with(Style::blank())
            .with(Width::wrap(COLUMNS).keep_words(true).priority(Priority::max(true))),
    };
    let mut text: String =
        table.to_string().lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
    if format == Format::Markdown {
        text.push('\n');
    }
    text
}

/// A line of text that may hold names from files and words from the network.
pub(super) fn safe(format: Format, text: &str) -> String {
    match format {
        Format::Markdown => escape_markdown(text),
        _ => escape_terminal(text).into_owned(),
    }
}

/// Text for a terminal, wrapped between words.
pub(super) fn paragraph(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in escape_terminal(text).split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > COLUMNS {
            out.push('\n');
            column = 0;
        }
        if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
    out
}
