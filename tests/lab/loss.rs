//! Loss of 10 % each way, 40 runs for each of five NATs of a real kernel: none wrong, at least
//! 95 % definite. The runs go side by side: eight labs of the five, five times.

use crate::harness::{Outcome, runtime, text};
use natscope::lab::catalogue::Catalogue;
use natscope::lab::certify::Row;
use natscope::lab::kernel::experiment;
use natscope::nat::NatSpec;
use natscope::net::Stop;
use natscope::probe::judge::judge;
use std::collections::BTreeMap;

const NATS: [&str; 5] = ["eim-eif", "eim-adf", "eim-apdf", "adm-adf", "apdm-apdf"];
const COPIES: usize = 8;
const ROUNDS: usize = 5;
const LOSS_PERCENT: u8 = 10;
/// The axes that must be definite.
const AXES: [&str; 4] = ["nat", "mapping", "filtering", "classic"];

pub fn run() -> Outcome {
    let all = Catalogue::embedded();
    let five: Vec<NatSpec> =
        NATS.iter().map(|name| all.find(name)).collect::<Result<_, _>>().map_err(text)?;
    let specs: Vec<NatSpec> = five.iter().cycle().take(NATS.len() * COPIES).cloned().collect();
    let runtime = runtime()?;
    runtime.block_on(measure(&specs))
}

async fn measure(specs: &[NatSpec]) -> Outcome {
    let lab = experiment::build(specs, LOSS_PERCENT).await.map_err(text)?;
    experiment::serve(&lab.internet).await.map_err(text)?;
    let stop = Stop::new();
    let mut tally: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for _ in 0..ROUNDS {
        let probes: Vec<_> = lab
            .sites
            .iter()
            .map(|site| experiment::probe(&site.clients[0], stop.clone()))
            .collect();
        for (spec, probe) in specs.iter().zip(probes) {
            let (record, seconds) = probe.wait().await.map_err(text)?.map_err(text)?;
            let row = Row::new(spec, &judge(&record).facts, seconds);
            for (axis, expected) in &row.expected {
                let Some((value, grade)) = row.measured[axis].known() else { continue };
                if value != expected {
                    let fact = &row.measured[axis];
                    wrong.push(format!(
                        "{} {axis} {value} {grade:?}: {}",
                        spec.name,
                        fact.because()
                    ));
                }
            }
            let (definite, of) = tally.entry(spec.name.as_str()).or_default();
            *of += 1;
            *definite += usize::from(AXES.iter().all(|a| row.measured[*a].value().is_some()));
        }
    }
    for (name, (definite, of)) in &tally {
        println!("{name:<10} {definite} of {of} definite");
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    match tally.iter().find(|(_, (definite, of))| definite * 100 < of * 95) {
        Some((name, (definite, of))) => Err(format!("{name}: only {definite} of {of} definite")),
        None => Ok(()),
    }
}
