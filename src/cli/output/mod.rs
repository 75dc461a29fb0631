//! Where documents go: stdout, and files that have their place before the run starts.

mod place;

use super::exit::Failure;
use crate::report::Document;
use clap::ValueEnum;
use place::Place;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal, 80 columns
    Text,
    /// One document, for programs
    Json,
    /// To paste into a ticket
    Markdown,
}

impl Format {
    /// The document in this format; `colour` only for text.
    pub fn render(self, document: &impl Document, colour: bool) -> Result<String, Failure> {
        match self {
            Self::Text => Ok(document.text(colour)),
            Self::Markdown => Ok(document.markdown()),
            Self::Json => document
                .json()
                .map_err(|error| Failure::run(format!("the document cannot be written: {error}"))),
        }
    }
}

/// A format that a file's name can ask for.
pub trait ByExtension: Copy + Send + Sync + 'static {
    /// The endings that there are, for messages.
    const ENDINGS: &str;
    /// What a pipe or a device gets whose name asks for none.
    const PLAIN: Self;

    /// The format of files whose names end so, in lower case.
    fn of(extension: &str) -> Option<Self>;
}

impl ByExtension for Format {
    const ENDINGS: &str = ".json, .md or .txt";
    const PLAIN: Self = Self::Json;

    fn of(extension: &str) -> Option<Self> {
        match extension {
            "json" => Some(Self::Json),
            "md" | "markdown" => Some(Self::Markdown),
            "txt" | "text" => Some(Self::Text),
            _ => None,
        }
    }
}

/// A file named by `--output`, with the format that its name asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<F = Format> {
    path: PathBuf,
    format: F,
}

/// Reads the argument of `--output`.
///
/// # Errors
/// When the name asks for no known format.
pub fn parse<F: ByExtension>(text: &str) -> Result<Target<F>, String> {
    let path = PathBuf::from(text);
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let format = extension.as_deref().and_then(F::of);
    let format = format.or_else(|| is_special(&path).then_some(F::PLAIN));
    let format = format
        .ok_or_else(|| format!("the name must end in {}, which chooses the format", F::ENDINGS))?;
    Ok(Target { path, format })
}

/// Pipes and devices have names that are not chosen for a format.
fn is_special(path: &Path) -> bool {
    let there = std::fs::metadata(path);
    path.starts_with("/dev") || there.is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

/// The places of `--output`.
#[derive(Debug)]
pub struct Files<F = Format>(Vec<(Target<F>, Place)>);

impl<F: ByExtension> Files<F> {
    /// Makes sure of them, so that a long run cannot end without a place for its result. What is
    /// there stays until the result is whole.
    ///
    /// # Errors
    /// When one cannot be written, or is named twice.
    pub fn create(targets: &[Target<F>]) -> Result<Self, Failure> {
        let mut all: Vec<(Target<F>, Place)> = Vec::new();
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
    /// one fails: a full disk must not cost what was measured. `render` gets the format, and
    /// whether there may be colours.
    ///
    /// # Errors
    /// What failed, each in a line.
    pub fn deliver(
        self,
        format: F,
        render: impl Fn(F, bool) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let write = |(target, place): (Target<F>, Place)| {
            let kept = place.keeps();
            let document = render(target.format, false)?;
            place.write(document.as_bytes()).map_err(|error| {
                let kept = if kept { "; what was there is unchanged" } else { "" };
                Failure::run(format!("cannot write {}: {error}{kept}", target.path.display()))
            })
        };
        let failed = self.0.into_iter().filter_map(|file| write(file).err());
        let failed: Vec<Failure> = failed.collect();
        let printed = render(format, colour()).and_then(|document| print(&document));
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
