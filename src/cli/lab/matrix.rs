//! `natscope lab matrix`.

use super::{Format, code, find, inside, stop_signal};
use crate::cli::exit::{Failure, Outcome};
use crate::cli::output::{self, Files, Target};
use crate::lab::kernel::matrix::{self, ATTEMPTS, Step};
use crate::lab::kernel::nft;
use crate::lab::kernel::wishes::Wishes;
use crate::lab::matrix::{CLASSIC, Matrix, called, distinct, pairs};
use crate::nat::NatSpec;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;
use std::time::Instant;

/// The formats of a matrix: JUnit too.
fn format() -> impl TypedValueParser<Value = Format> {
    let values = [
        ("text", "A grid, and why"),
        ("markdown", "To paste into a ticket"),
        ("json", "One document"),
        ("junit", "JUnit XML, for continuous integration"),
    ];
    let values = values.map(|(name, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(values).map(|name| match name.as_str() {
        "markdown" => Format::Markdown,
        "json" => Format::Json,
        "junit" => Format::Junit,
        _ => Format::Text,
    })
}

/// Arguments of `natscope lab matrix`.
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// Names, aliases, composed names or TOML files; the four classic NATs when none is given
    nats: Vec<String>,
    /// How to print it
    #[arg(long, value_parser = format(), default_value = "text")]
    format: Format,
    /// Also write it to a file, by extension: .json, .md, .txt or .xml (repeatable)
    #[arg(long, value_name = "FILE", value_parser = output::parse_or_xml)]
    output: Vec<Target>,
}

pub(super) fn run(args: &MatrixArgs) -> Result<ExitCode, Failure> {
    let names: Vec<&str> = if args.nats.is_empty() {
        CLASSIC.to_vec()
    } else {
        args.nats.iter().map(String::as_str).collect()
    };
    let look_up = |name| find(name).map(|spec| called(spec, name));
    let specs = names.into_iter().map(look_up).collect::<Result<_, _>>()?;
    inside(|wishes| perform(args, distinct(specs), wishes))
}

async fn perform(
    args: &MatrixArgs,
    specs: Vec<NatSpec>,
    wishes: Wishes,
) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let stop = stop_signal(wishes);
    let files = Files::create(&args.output)?;
    let pairs: Vec<[NatSpec; 2]> =
        pairs(specs.len()).into_iter().map(|(a, b)| [specs[a].clone(), specs[b].clone()]).collect();
    let bar = ProgressBar::new((pairs.len() * ATTEMPTS) as u64).with_message("building the lab");
    bar.set_style(style());
    let (cells, complete) = matrix::run(pairs, stop, &mut |step| match step {
        Step::Attempt => bar.inc(1),
        Step::Built => bar.set_message("connecting"),
        Step::Exchange => bar.set_message("exchanging data"),
        Step::Cut => bar.set_message("the relay is cut"),
    })
    .await?;
    bar.finish_and_clear();
    let names = specs.into_iter().map(|spec| spec.name).collect();
    let matrix = Matrix::new(names, cells, complete, began.elapsed().as_secs_f64());
    let matrix = Matrix { system: Some(nft::system()), ..matrix };
    files.deliver(args.format, &matrix)?;
    Ok(code(outcome(&matrix)))
}

/// Attempts, and what goes on.
fn style() -> ProgressStyle {
    // the default one, should the template not be understood
    ProgressStyle::with_template("{bar:40} {pos}/{len} attempts, {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn outcome(matrix: &Matrix) -> Outcome {
    if matrix.disagreements().next().is_some() {
        Outcome::NotAsExpected
    } else if matrix.summary.agree == matrix.summary.cells && matrix.summary.complete {
        Outcome::Done
    } else {
        // what is missing has not been shown to agree
        Outcome::CouldNotTell
    }
}
