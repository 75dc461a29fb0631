//! `natscope report`: saved reports.

mod sdp;

use super::exit::{Failure, Outcome};
use super::output::{self, Files, Format, Target};
use crate::net::file;
use crate::report::{Report, explain, read};
use clap::Subcommand;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Arguments of `natscope report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Judge a saved report again and show it
    Show {
        /// A report in JSON, or `-` for stdin
        file: PathBuf,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Also write it to a file, by extension: .json, .md or .txt (repeatable)
        #[arg(long, value_name = "FILE", value_parser = output::parse)]
        output: Vec<Target>,
    },
    /// Say what each answer means, why it is believed, and from which packets
    Explain {
        /// A report in JSON, or `-` for stdin
        file: PathBuf,
    },
    /// Explain a session description line by line; with its answer, which pairs could work
    Sdp(sdp::Args),
}

/// Runs it.
///
/// # Errors
/// When the file is no report, or the result cannot be written.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    match &args.verb {
        Verb::Show { file, format, output } => {
            let report = load(file)?.judged_again();
            let files = Files::create(output)?;
            files.deliver(*format, &report)?;
        }
        Verb::Sdp(args) => sdp::run(args)?,
        Verb::Explain { file } => output::print(&explain(&load(file)?.judged_again()))?,
    }
    Ok(Outcome::Done)
}

/// The longest report that is read, in bytes: a run that asks a dozen servers writes about 300 kB.
const LONGEST: u64 = 64 << 20;

fn load(path: &Path) -> Result<Report, Failure> {
    let name = if path == Path::new("-") { "stdin".into() } else { path.display().to_string() };
    let text = file::read_or_stdin(path, LONGEST).and_then(file::text);
    let text = text.map_err(|error| unread(&name, &error))?;
    read(&text).map_err(|error| Failure::run(format!("{name}: {error}")))
}

/// Why a file could not be read.
pub(super) fn unread(name: &str, error: &std::io::Error) -> Failure {
    let why = match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::IsADirectory => "it is a folder; name a file in it".to_owned(),
        _ => error.to_string(),
    };
    Failure::run(format!("cannot read {name}: {why}"))
}
