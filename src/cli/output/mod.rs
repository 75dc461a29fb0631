//! Where documents go: stdout, and files that have their place before the run starts.

mod place;

use super::exit::Failure;
use crate::report::Document;
use clap::ValueEnum;
use place::Place;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal, 80 columns
    Text,
    /// One document, for programs
    Json,
    /// To paste into a ticket
    Markdown,
    /// Not of every document: its command names it
    #[value(skip)]
    Junit,
}

impl Format {
    /// The document in this format; `colour` only for text.
    pub fn render(self, document: &impl Document, colour: bool) -> Result<String, Failure> {
        let written = match self {
            Self::Text => return Ok(document.text(colour)),
            Self::Markdown => return Ok(document.markdown()),
            Self::Json => document.json().map_err(|error| error.to_string()),
            Self::Junit => document.junit(),
        };
        written.map_err(|why| Failure::run(format!("the document cannot be written: {why}")))
    }
}

/// A file named by `--output`, with the format that its name asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: PathBuf,
    format: Format,
}

/// Reads the argument of `--output`.
///
/// # Errors
/// When the name asks for no known format.
pub fn parse(text: &str) -> Result<Target, String> {
    target(text, false)
}

/// The same, of a document that JUnit has a form for.
///
/// # Errors
/// When the name asks for no known format.
#[cfg(target_os = "linux")] // only the lab makes such documents
pub fn parse_or_xml(text: &str) -> Result<Target, String> {
    target(text, true)
}

fn target(text: &str, junit: bool) -> Result<Target, String> {
    let path = PathBuf::from(text);
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let format = match extension.as_deref() {
        Some("json") => Format::Json,
        Some("md" | "markdown") => Format::Markdown,
        Some("txt" | "text") => Format::Text,
        Some("xml") if junit => Format::Junit,
        _ if is_special(&path) => Format::Json,
        _ => {
            let endings = if junit { ".json, .md, .txt or .xml" } else { ".json, .md or .txt" };
            return Err(format!("the name must end in {endings}, which chooses the format"));
        }
    };
    Ok(Target { path, format })
}

/// Pipes and devices have names that are not chosen for a format.
fn is_special(path: &Path) -> bool {
    let there = std::fs::metadata(path);
    path.starts_with("/dev") || there.is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

/// The places of `--output`.
#[derive(Debug)]
pub struct Files(Vec<(Target, Place)>);

impl Files {
    /// Makes sure of them, so that a long run cannot end without a place for its result. What is
    /// there stays until the result is whole.
    ///
    /// # Errors
    /// When one cannot be written, or is named twice.
    pub fn create(targets: &[Target]) -> Result<Self, Failure> {
        let mut all: Vec<(Target, Place)> = Vec::new();
        for target in targets {
            let place =
                Place::open(&target.path).map_err(|error| unopened(&target.path, &error))?;
            if place.is_file() && all.iter().any(|(_, other)| other.file() == place.file()) {
                return Err(Failure::usage(format!(
                    "--output {}: two of the names lead to this one file",
                    target.path.display()
                )));
            }
            all.push((target.clone(), place));
        }
        Ok(Self(all))
    }

    /// Writes the document into each, and prints it on stdout in `format`. All are tried even when
    /// one fails: a full disk must not cost what was measured.
    ///
    /// # Errors
    /// What failed, each in a line.
    pub fn deliver(self, format: Format, document: &impl Document) -> Result<(), Failure> {
        let write = |(target, place): (Target, Place)| {
            let kept = place.keeps();
            let text = target.format.render(document, false)?;
            place.write(text.as_bytes()).map_err(|error| {
                let kept = if kept { "; what was there is unchanged" } else { "" };
                Failure::run(format!("cannot write {}: {error}{kept}", target.path.display()))
            })
        };
        let failed = self.0.into_iter().filter_map(|file| write(file).err());
        let failed: Vec<Failure> = failed.collect();
        let printed = format.render(document, colour()).and_then(|text| print(&text));
        Failure::all(failed.into_iter().chain(printed.err()))
    }
}

/// Why there is no place, and what to do.
fn unopened(path: &Path, error: &std::io::Error) -> Failure {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let why = match (error.kind(), folder) {
        (ErrorKind::NotFound, Some(folder)) => format!("there is no folder {}", folder.display()),
        (ErrorKind::IsADirectory, _) => "it is a folder".to_owned(),
        _ => error.to_string(),
    };
    Failure::run(format!("cannot write {}: {why}\nname another file with --output", path.display()))
}

/// Puts a text in the place of a file, whole and at once.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    Place::open(path)?.write(text.as_bytes())
}

/// Prints a document and nothing else on stdout; colours pass only to a terminal. A reader that
/// has gone away is no failure.
///
/// # Errors
/// When stdout cannot be written for another reason.
pub fn print(document: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(document.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::run(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Whether text on stdout may have colours (`NO_COLOR` is honoured by the printer).
#[must_use]
pub fn colour() -> bool {
    std::io::stdout().is_terminal()
}
