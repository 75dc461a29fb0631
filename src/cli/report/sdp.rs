//! `natscope report sdp`.

use super::unread;
use crate::cli::exit::{self, Failure};
use crate::cli::output::{self, Files, Format, Target};
use crate::net::file::read_or_stdin;
use crate::report::sdp::SdpReport;
use crate::sdp::{Reading, decode, read_all};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  natscope report sdp offer.sdp
  natscope report sdp offer.sdp answer.sdp
  wl-paste | natscope report sdp -

It finds descriptions and candidates in whatever holds them: SDP, the line that
`natscope connect` prints, JSON and printed strings, logs, mails, SIP traces, base64,
candidates alone, and the dump of chrome://webrtc-internals (up to 50 MB).";

/// Arguments of `natscope report sdp`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub struct Args {
    /// The offer, or any description, or `-` for stdin
    #[arg(value_name = "OFFER")]
    offer: PathBuf,
    /// The answer to it
    #[arg(value_name = "ANSWER")]
    answer: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write it to a file, by extension: .json, .md or .txt (repeatable)
    #[arg(long, value_name = "FILE", value_parser = output::parse)]
    output: Vec<Target>,
}

/// Runs it.
///
/// # Errors
/// When a file cannot be read, or holds no description that can.
pub fn run(args: &Args) -> Result<(), Failure> {
    let stdin = Path::new("-");
    if args.offer == stdin && args.answer.as_deref() == Some(stdin) {
        return Err(Failure::usage("only one of the two can come from stdin"));
    }
    let offer = load(&args.offer)?;
    let answer = args.answer.as_deref().map(load).transpose()?;
    let files = Files::create(&args.output)?;
    let second = answer.as_ref().map(|(name, reading)| (name.as_str(), reading));
    let report = SdpReport::of((&offer.0, &offer.1), second);
    files.deliver(args.format, &report)
}

/// Reads what a file holds, with the name that it goes by.
fn load(file: &Path) -> Result<(String, Reading), Failure> {
    let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let most = u64::try_from(crate::sdp::LONGEST_PASTE).unwrap_or(u64::MAX);
    let bytes = read_or_stdin(file, most).map_err(|error| unread(&name, &error))?;
    let reading = read_all(&decode(&bytes)).map_err(|error| Failure::run(error.of(&name)))?;
    Ok((name, reading))
}
