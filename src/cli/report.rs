//! `natscope report`: saved reports.

mod sdp;

use super::exit::{Failure, Outcome};
use super::output::{self, Files, Format, Target};
use crate::report::{Report, explain, read};
use clap::Subcommand;
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
            output::print(&format.render(&report, output::colour())?)?;
            files.write(&report)?;
        }
        Verb::Sdp(args) => sdp::run(args)?,
        Verb::Explain { file } => output::print(&explain(&load(file)?.judged_again()))?,
    }
    Ok(Outcome::Done)
}

fn load(file: &Path) -> Result<Report, Failure> {
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text =
        text.map_err(|error| Failure::run(format!("cannot read {}: {error}", file.display())))?;
    read(&text).map_err(|error| Failure::run(format!("{}: {error}", file.display())))
}
