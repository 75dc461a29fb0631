//! Tables, lines and paragraphs that are alike as text and as Markdown.

use super::Document;
use super::escape::{markdown, terminal};
use super::prose::{WIDTH, wrap};
use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::peaker::Priority;
use tabled::settings::{Style, Width};

/// What a document is written in for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Markup {
    Terminal,
    Markdown,
}

/// A document that is written alike for a terminal and in Markdown.
pub(super) trait Alike: Serialize {
    fn shown(&self, markup: Markup) -> String;
}

impl<T: Alike> Document for T {
    fn text(&self, _colour: bool) -> String {
        self.shown(Markup::Terminal)
    }
    fn markdown(&self) -> String {
        self.shown(Markup::Markdown)
    }
}

impl Markup {
    /// An empty line where a table needs one below it; Markdown's has its own.
    pub fn gap(self) -> &'static str {
        if self == Self::Markdown { "" } else { "\n" }
    }

    /// A line of text that may hold names from files and words from the network.
    pub fn safe(self, text: &str) -> String {
        match self {
            Self::Markdown => markdown(text),
            Self::Terminal => terminal(text).into_owned(),
        }
    }

    /// A paragraph: wrapped for a terminal.
    pub fn paragraph(self, text: &str) -> String {
        match self {
            Self::Markdown => format!("{}\n\n", markdown(text)),
            Self::Terminal => format!("\n{}\n", wrap(&terminal(text), WIDTH).join("\n")),
        }
    }

    /// The versions of what was measured with, as a line of their own.
    pub fn measured_with(self, system: Option<&crate::lab::system::System>) -> String {
        let Some(system) = system else { return String::new() };
        let gap = if self == Self::Markdown { "\n" } else { "" };
        format!("{gap}{}\n", self.safe(&format!("Measured with {system}.")))
    }

    /// A table, its cells made safe.
    pub fn table(self, head: &[&str], rows: &[Vec<String>]) -> String {
        let mut builder = Builder::default();
        builder.push_record(head.iter().map(|cell| self.safe(cell)));
        for row in rows {
            builder.push_record(row.iter().map(|cell| self.safe(cell)));
        }
        let mut table = builder.build();
        match self {
            Self::Markdown => table.with(Style::markdown()),
            Self::Terminal => table
                .with(Style::blank())
                .with(Width::wrap(WIDTH).keep_words(true).priority(Priority::max(true))),
        };
        let lines = table.to_string();
        let mut text: String = lines.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
        if self == Self::Markdown {
            text.push('\n');
        }
        text
    }
}
