//! `natscope lab certify`.

use super::{Format, code, find_all, inside, stop_signal};
use crate::cli::exit::{Failure, Outcome};
use crate::cli::output::{self, Files, Target};
use crate::lab::certify::{Certificate, Row, SCHEMA};
use crate::lab::kernel::wishes::Wishes;
use crate::lab::kernel::{experiment, nft};
use crate::nat::NatSpec;
use crate::probe::judge::judge;
use clap::Args;
use indicatif::ProgressBar;
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `natscope lab certify`.
#[derive(Debug, Args)]
pub struct CertifyArgs {
    /// Names, aliases, composed names or TOML files; all of the catalogue when none is given
    nats: Vec<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write it to a file, by extension: .json, .md or .txt (repeatable)
    #[arg(long, value_name = "FILE", value_parser = output::parse)]
    output: Vec<Target>,
    /// Of a hundred UDP packets, lose this many, each direction
    #[arg(long, value_name = "PERCENT", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..=90))]
    loss: u8,
}

pub(super) fn run(args: &CertifyArgs) -> Result<ExitCode, Failure> {
    let specs = find_all(&args.nats)?;
    inside(|wishes| certify(args, specs, wishes))
}

async fn certify(
    args: &CertifyArgs,
    specs: Vec<NatSpec>,
    wishes: Wishes,
) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let stop = stop_signal(wishes);
    let files = Files::create(&args.output)?;
    let bar = ProgressBar::new(specs.len() as u64);
    let lab = experiment::build(&specs, args.loss).await?;
    experiment::serve(&lab.internet).await?;
    let probes: Vec<_> = lab
        .sites
        .iter()
        .filter_map(|site| site.clients.first())
        .map(|client| experiment::probe(client, stop.clone()))
        .collect();
    let mut rows = Vec::new();
    for (spec, probe) in specs.iter().zip(probes) {
        match probe.wait().await? {
            // a record that was cut short would speak for itself, but not for the NAT
            Ok((record, _)) if record.cut_short && stop.is_cancelled() => {}
            Ok((record, seconds)) => rows.push(Row::new(spec, &judge(&record).facts, seconds)),
            Err(e) => rows.push(Row::failed(spec, &e.to_string(), 0.0)),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let document = Certificate {
        schema: SCHEMA.to_owned(),
        complete: rows.len() == specs.len(),
        rows,
        seconds: began.elapsed().as_secs_f64(),
        system: Some(nft::system()),
    };
    files.deliver(args.format, &document)?;
    Ok(code(if document.agrees() {
        // what is missing has not been shown to agree
        if document.complete { Outcome::Done } else { Outcome::CouldNotTell }
    } else {
        Outcome::NotAsExpected
    }))
}
