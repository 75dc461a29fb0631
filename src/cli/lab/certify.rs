//! `natscope lab certify`.

use super::table::{safe, table};
use super::{Format, code, find_all, inside, json, stop_signal};
use crate::cli::exit::{Failure, Outcome};
use crate::cli::output::{self, Files, Target};
use crate::lab::certify::{Certificate, Row, SCHEMA};
use crate::lab::kernel::wishes::Wishes;
use crate::lab::kernel::{experiment, nft};
use crate::lab::system::System;
use crate::nat::{Filtering, Mapping, NatSpec};
use crate::probe::judge::judge;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::Value;
use std::fmt::Write as _;
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
    #[arg(long, value_name = "FILE", value_parser = output::parse::<Format>)]
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
    files.deliver(args.format, |format, _| render(&document, format))?;
    Ok(code(if document.agrees() {
        // what is missing has not been shown to agree
        if document.complete { Outcome::Done } else { Outcome::CouldNotTell }
    } else {
        Outcome::NotAsExpected
    }))
}

fn render(document: &Certificate, format: Format) -> Result<String, Failure> {
    if format == Format::Json {
        return json(document);
    }
    let rows: Vec<Vec<String>> = document
        .rows
        .iter()
        .map(|row| {
            vec![
                row.nat.clone(),
                behaviour(|axis| row.expected.get(axis)),
                behaviour(|axis| row.measured.get(axis).and_then(|fact| fact.value())),
                if row.agrees { "agrees".into() } else { "DISAGREES".into() },
                format!("{:.2} s", row.seconds),
            ]
        })
        .collect();
    let mut text = table(format, &["NAT", "label", "measured", "", "probe"], &rows);
    for row in document.rows.iter().filter(|row| !row.agrees) {
        for axis in row.disagreements() {
            let measured = row.measured.get(axis);
            let line = format!(
                "{}: {axis}: label {}, measured {}",
                row.nat,
                row.expected.get(axis).map_or("nothing".into(), plain),
                measured.map_or("nothing".into(), |fact| match fact.value() {
                    Some(value) => format!("{} ({})", plain(value), fact.because()),
                    None => format!("nothing definite: {}", fact.because()),
                })
            );
            let _ = writeln!(text, "{}", safe(format, &line));
        }
    }
    let agreeing = document.rows.iter().filter(|row| row.agrees).count();
    let _ = writeln!(
        text,
        "{}{agreeing} of {} NATs measured as labelled, in {:.1} s{}",
        if format == Format::Markdown { "" } else { "\n" },
        document.rows.len(),
        document.seconds,
        if document.complete { "" } else { "; stopped before the rest was measured" }
    );
    text += &measured_with(format, document.system.as_ref());
    Ok(text)
}

/// The versions, as a line of their own.
pub(super) fn measured_with(format: Format, system: Option<&System>) -> String {
    let Some(system) = system else { return String::new() };
    let gap = if format == Format::Markdown { "\n" } else { "" };
    format!("{gap}{}\n", safe(format, &format!("Measured with {system}.")))
}

pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Such as `apdm-apdf random`, from the values of the axes.
fn behaviour<'a>(axis: impl Fn(&str) -> Option<&'a Value>) -> String {
    let text = |name: &str| axis(name).map(plain);
    if text("classic").as_deref() == Some("udp-blocked") {
        return "udp-blocked".into();
    }
    let mapping = text("mapping").and_then(|m| m.parse().ok()).map_or("?", Mapping::short);
    let filtering = text("filtering").and_then(|f| f.parse().ok()).map_or("?", Filtering::short);
    let mut all = match text("nat").as_deref() {
        Some("true") => format!("{mapping}-{filtering}"),
        Some("false") => format!("no NAT, {filtering}"),
        _ => "?".into(),
    };
    if let Some(allocation) = text("allocation") {
        let _ = write!(all, " {allocation}");
    }
    if text("early-packet-poisoning").as_deref() == Some("true") {
        all += ", early-packet";
    }
    all
}
