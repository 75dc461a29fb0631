//! `natscope probe`.

use super::exit::{Failure, Outcome, tell};
use super::expect::turn::{self as expect, Expectation};
use super::output::{self, Files, Format, Target};
use super::progress::Progress;
use super::turn::TurnArgs;
use super::{config, exit, runtime, stop};
use crate::net::bind::BindTo;
use crate::net::resolve::Family;
use crate::report::{Report, TurnServer};
use crate::run::probe::{Config, ProbeError, probe};
use crate::run::{self, Ways};
use crate::stun::uri::Uri;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  natscope probe
  natscope probe --server stun:stun.example.org --server stun:192.0.2.1:3478
  natscope probe --format markdown --output report.json
  natscope probe -4 --expect mapping=endpoint-independent
  natscope probe --turn turns:turn.example.org --user me --password-file secret

Without --server the servers come from natscope.toml in the configuration folder
(~/.config/natscope/natscope.toml: servers = [\"stun:stun.example.org\"]), else from
a short built-in list.

Exit code 3 means that on no path mapping, filtering or the classic name could be
told. With --expect the code is that of the expectations: 4 when a fact of any path
is another, else 3 when one could not be told, else 0.";

/// Arguments of `natscope probe`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{}\n\n{}", config::as_here(EXAMPLES), exit::HELP))]
pub struct Args {
    /// A STUN server, such as stun:stun.example.org:3478 (repeatable; best with RFC 5780)
    #[arg(long, value_name = "URI", value_parser = config::parse_uri)]
    server: Vec<Uri>,
    /// Only IPv4
    #[arg(short = '4', long = "ipv4", conflicts_with = "six")]
    four: bool,
    /// Only IPv6
    #[arg(short = '6', long = "ipv6", id = "six")]
    six: bool,
    /// Send from this local address or interface; with a port, the mapping is measured from it
    #[arg(long, value_name = "ADDR[:PORT]|IFACE[:PORT]", value_parser = parse_bind)]
    bind: Option<BindTo>,
    /// The longest that measuring may take, such as 5s or 800ms; trying --turn may take it again
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = parse_duration)]
    budget: Duration,
    /// How to print the report on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write it to a file, by extension: .json, .md or .txt (repeatable)
    #[arg(long, value_name = "FILE", value_parser = output::parse)]
    output: Vec<Target>,
    /// Exit with 4 unless this holds, such as mapping=endpoint-independent, or turn=works (or udp,
    /// tcp, tls) (repeatable)
    #[arg(long, value_name = "AXIS=VALUE", value_parser = expect::parse)]
    expect: Vec<Expectation>,
    #[command(flatten)]
    turn: TurnArgs,
}

pub(super) fn parse_bind(text: &str) -> Result<BindTo, String> {
    text.parse()
}

/// `5s`, `800ms`, `2m`, `1.5` (seconds).
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return Err(format!("unknown unit `{unit}`: write ms, s or m, such as 5s")),
    };
    let seconds =
        number.parse::<f64>().map_err(|_| "write a number, such as 5s".to_owned())? * scale;
    if (0.05..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("it must be from 50ms to 60m".to_owned())
    }
}

/// Runs it.
///
/// # Errors
/// When nothing could be measured, or the result cannot be written.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let servers = config::servers(&args.server)?;
    let ways = ways(args.four, args.six, args.bind.as_ref())?;
    expect::possible(&args.expect, &args.turn.turn)?;
    let relays = args.turn.relays()?;
    let config = Config { ways, budget: args.budget, relays, ..Config::new(servers) };
    let files = Files::create(&args.output)?;
    let runtime = runtime()?;
    let report = runtime.block_on(measure(&config));
    // a name that is still being looked up must not hold the program
    runtime.shutdown_background();
    let report = report?;
    files.deliver(args.format, &report)?;
    Ok(conclude(args, &report))
}

fn conclude(args: &Args, report: &Report) -> Outcome {
    if !args.expect.is_empty() {
        let (outcome, lines) = expect::check_all(report, &args.expect);
        for line in lines {
            tell(&line);
        }
        return outcome;
    }
    report.turn.iter().filter_map(TurnServer::complaint).for_each(|line| tell(&line));
    if report.is_definite() {
        return Outcome::Done;
    }
    for path in &report.paths {
        let because = path.facts.classic.because();
        tell(&format!("could not tell over {}: {because}", path.family.title()));
    }
    Outcome::CouldNotTell
}

async fn measure(config: &Config) -> Result<Report, Failure> {
    let stop = stop::on_signal()?;
    let mut shown = Progress::new();
    let report = probe(config, stop, &mut |news| match news {
        run::probe::Progress::Doing(what) => shown.doing(what),
        run::probe::Progress::Learned(family, record) => shown.update(family, record),
    })
    .await;
    shown.end();
    report.map_err(|error| {
        Failure::run(match error {
            ProbeError::Family => {
                "no server has an address of the family that -4, -6 or --bind asks for".to_owned()
            }
            other => other.to_string(),
        })
    })
}

/// By which ways these flags let packets leave.
pub(super) fn ways(four: bool, six: bool, bind: Option<&BindTo>) -> Result<Ways, Failure> {
    if let Some(bind) = bind {
        bind.check().map_err(|error| Failure::run(format!("--bind: {error}")))?;
    }
    let family = match (four, six) {
        (true, _) => Family::V4,
        (_, true) => Family::V6,
        _ => Family::Any,
    };
    Ok(Ways { family, bind: bind.cloned() })
}
