//! `natscope lab run SCENARIO`.

use super::{Format, code, inside, stop_signal};
use crate::cli::exit::{Failure, Outcome};
use crate::cli::output::{self, Files, Target};
use crate::lab::catalogue::Catalogue;
use crate::lab::kernel::matrix::Arena;
use crate::lab::kernel::wishes::Wishes;
use crate::lab::kernel::{Lab, experiment, nft};
use crate::lab::matrix::called;
use crate::lab::scenario::{Scenario, ScenarioResult};
use crate::nat::NatSpec;
use crate::net::Stop;
use crate::probe::judge::judge;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `natscope lab run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A scenario file, or the name of one that the program knows
    scenario: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write it to a file, by extension: .json, .md or .txt (repeatable)
    #[arg(long, value_name = "FILE", value_parser = output::parse)]
    output: Vec<Target>,
}

pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let scenario = Scenario::find(&args.scenario).map_err(|e| Failure::run(e.to_string()))?;
    let all = Catalogue::embedded();
    let spec = scenario.spec(&all).map_err(|e| Failure::run(e.to_string()))?;
    let peer = scenario.peer(&all).map_err(|e| Failure::run(e.to_string()))?;
    inside(|wishes| perform(args, scenario, spec, peer, wishes))
}

async fn perform(
    args: &RunArgs,
    scenario: Scenario,
    spec: NatSpec,
    peer: Option<NatSpec>,
    wishes: Wishes,
) -> Result<ExitCode, Failure> {
    let stop = stop_signal(wishes);
    let files = Files::create(&args.output)?;
    let (result, cut_short) = match peer {
        None => {
            let lab = experiment::build(std::slice::from_ref(&spec), scenario.loss_percent).await?;
            experiment::serve(&lab.internet).await?;
            measure(&scenario, &spec, &lab, stop).await?
        }
        Some(peer) => {
            let pair = [called(spec.clone(), &scenario.nat), peer];
            let arena = Arena::build(vec![pair], scenario.loss_percent).await?;
            let (mut result, short) = measure(&scenario, &spec, &arena.lab, stop.clone()).await?;
            let (mut cells, complete) = arena.run(stop, &mut |_| {}).await?;
            result.connection = cells.pop();
            (result, short || !complete)
        }
    };
    let result = ScenarioResult { system: Some(nft::system()), ..result };
    files.deliver(args.format, &result)?;
    Ok(code(if result.agrees() {
        Outcome::Done
    } else if cut_short {
        Outcome::CouldNotTell
    } else {
        Outcome::NotAsExpected
    }))
}

/// Measures the first NAT of a lab from inside; also whether it was stopped early.
async fn measure(
    scenario: &Scenario,
    spec: &NatSpec,
    lab: &Lab,
    stop: Stop,
) -> Result<(ScenarioResult, bool), Failure> {
    let (record, seconds) = experiment::probe(lab.first_client()?, stop).wait().await??;
    Ok((scenario.conclude(spec, &judge(&record).facts, seconds), record.cut_short))
}
