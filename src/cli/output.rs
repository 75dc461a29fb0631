//! Where documents go: stdout, and files that are created before the run starts.

use super::exit::Failure;
use crate::report::Document;
use clap::ValueEnum;
use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal, 80 columns
    Text,
    /// One document, see docs/report.md
    Json,
    /// To paste into a ticket
    Markdown,
}

impl Format {
    /// The document in this format; `colour` only for text.
    pub fn render(self, document: &dyn Document, colour: bool) -> Result<String, Failure> {
        match self {
            Self::Text => Ok(document.text(colour)),
            Self::Markdown => Ok(document.markdown()),
            Self::Json => document
                .json()
                .map_err(|error| Failure::run(format!("could not write the report: {error}"))),
        }
    }

    /// The format that a file's name asks for.
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "md" | "markdown" => Some(Self::Markdown),
            "txt" | "text" => Some(Self::Text),
            _ => None,
        }
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
    let path = PathBuf::from(text);
    let format = Format::of(&path)
        .ok_or("the name must end in .json, .md or .txt, which chooses the format")?;
    Ok(Target { path, format })
}

/// The files of `--output`, open.
#[derive(Debug)]
pub struct Files(Vec<(Target, File)>);

impl Files {
    /// Creates them, so that a long run cannot end without a place for its result.
    ///
    /// # Errors
    /// When one cannot be created.
    pub fn create(targets: &[Target]) -> Result<Self, Failure> {
        let open = |target: &Target| {
            File::create(&target.path)
                .map(|file| (target.clone(), file))
                .map_err(|error| failed(&target.path, &error))
        };
        targets.iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// Writes the report into each.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(self, report: &dyn Document) -> Result<(), Failure> {
        for (target, mut file) in self.0 {
            let document = target.format.render(report, false)?;
            file.write_all(document.as_bytes()).map_err(|error| failed(&target.path, &error))?;
        }
        Ok(())
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::run(format!(
        "cannot write {}: {error}\nname another file with --output",
        path.display()
    ))
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
