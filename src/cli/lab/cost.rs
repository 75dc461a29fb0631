//! `natscope lab cost`.

use super::{Format, code, find, inside, stop_signal};
use crate::cli::exit::{Failure, Outcome};
use crate::cli::output::{self, Files, Target};
use crate::lab::cost::{DEFAULT_SHARES, Need, Shares};
use crate::lab::kernel::cost;
use crate::lab::kernel::wishes::Wishes;
use crate::nat::NatSpec;
use clap::Args;
use indicatif::ProgressBar;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const ABOUT: &str = "\
Two peers behind NATs in a lab on this machine, connected directly and through relays in
one run: `natscope serve --turn`, and coturn when its `turnserver` is installed, or where
NATSCOPE_TURNSERVER names one. It takes about 15 seconds. Ctrl-C ends it with what was
measured so far (exit code 3).

The round trips are what a relay adds by itself; on the internet the detour to it comes
on top. Loads and processor time are those of this machine's processors, which the peers
and their NATs share; a relay's processor time includes the kernel's for its packets.

How often a relay is needed is predicted for each pair of NATs and weighted by a table of
shares: home, fixed-cgn, mobile or mixed (the default), with their sources in
lab/shares.toml, or a TOML file of your own. home:mobile is for hosts of the one that meet
hosts of the other. Where shares are not known exactly, the result is a range.";

/// Arguments of `natscope lab cost`.
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub struct CostArgs {
    /// The NAT that each of the two peers sits behind; it must let them connect directly
    #[arg(long, value_name = "NAT", default_value = "eim-apdf")]
    nat: String,
    /// Which NATs users sit behind: a table by name or file; or two, when those meet each other
    #[arg(long, value_name = "TABLE[:TABLE]", default_value = DEFAULT_SHARES)]
    shares: String,
    /// Calls at once to plan for
    #[arg(long, value_name = "N", default_value_t = 1000)]
    calls: u32,
    /// Payload in each direction of a call, in Mbit/s
    #[arg(long, value_name = "MBIT", default_value_t = 1.0, value_parser = rate)]
    rate: f64,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write it to a file, by extension: .json, .md or .txt (repeatable)
    #[arg(long, value_name = "FILE", value_parser = output::parse)]
    output: Vec<Target>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=100_000.0).contains(rate));
    rate.ok_or_else(|| "write Mbit/s, from 0.001 to 100000".to_owned())
}

pub(super) fn run(args: &CostArgs) -> Result<ExitCode, Failure> {
    let spec = find(&args.nat)?;
    let need = Shares::find(&args.shares).map_err(|e| Failure::run(e.to_string()))?.need();
    inside(|wishes| perform(args, spec, need, wishes))
}

async fn perform(
    args: &CostArgs,
    spec: NatSpec,
    need: Need,
    wishes: Wishes,
) -> Result<ExitCode, Failure> {
    let stop = stop_signal(wishes);
    let files = Files::create(&args.output)?;
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(100));
    let shown = bar.clone();
    let progress = Arc::new(move |doing: &str| shown.set_message(doing.to_owned()));
    let cost = cost::measure(&spec, need, (args.calls, args.rate), stop, progress).await;
    bar.finish_and_clear();
    let cost = cost?;
    files.deliver(args.format, &cost)?;
    Ok(code(if cost.complete { Outcome::Done } else { Outcome::CouldNotTell }))
}
