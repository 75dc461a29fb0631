//! Plain STUN servers, which is what nearly everybody has, before the nine NATs of a real kernel: two
//! servers on two addresses, two ports of one address, and both together.

#![allow(clippy::disallowed_methods)] // how long a probe takes is printed

use crate::harness::{Outcome, runtime, text};
use crate::nine::{at, serve_plainly, specs};
use natscope::ground::fact::Grade;
use natscope::lab::kernel::experiment;
use natscope::lab::kernel::namespace::Namespace;
use natscope::lab::plan::{SECOND, SERVER};
use natscope::nat::Facts;
use natscope::nat::{Mapping, NatSpec};
use natscope::net::Stop;
use natscope::net::probe;
use natscope::probe::Config;
use natscope::probe::judge::judge;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const PORT: u16 = experiment::PORT;

/// Which servers are asked.
#[derive(Debug, Clone, Copy)]
enum Asked {
    TwoAddresses,
    TwoPorts,
    All,
}

impl Asked {
    fn servers(self) -> Vec<SocketAddr> {
        let all = [at(SERVER, PORT), at(SERVER, PORT + 1), at(SECOND, PORT)];
        match self {
            Self::TwoAddresses => vec![all[0], all[2]],
            Self::TwoPorts => vec![all[0], all[1]],
            Self::All => all.to_vec(),
        }
    }

    /// What these servers can show of a mapping, and no less.
    fn leaves(self, truth: Mapping) -> Vec<Mapping> {
        use Mapping::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
        match (self, truth) {
            (Self::All, _)
            | (Self::TwoAddresses, EndpointIndependent)
            | (Self::TwoPorts, AddressAndPortDependent) => vec![truth],
            (Self::TwoAddresses, _) => vec![AddressDependent, AddressAndPortDependent],
            (Self::TwoPorts, _) => vec![EndpointIndependent, AddressDependent],
        }
    }
}

pub fn run() -> Outcome {
    let runtime = runtime()?;
    runtime.block_on(measure())
}

async fn measure() -> Outcome {
    let specs = specs()?;
    let lab = experiment::build(&specs, 0).await.map_err(text)?;
    serve_plainly(&lab.internet, Asked::All.servers()).await?;
    let mut wrong = Vec::new();
    for asked in [Asked::TwoAddresses, Asked::TwoPorts, Asked::All] {
        let mut times = Vec::new();
        for (spec, site) in specs.iter().zip(&lab.sites) {
            let (facts, took) = ask(&site.clients[0], asked).await?;
            times.push(took);
            wrong.extend(faults(spec, asked, &facts));
        }
        times.sort();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        println!("{asked:?}: {} NATs, median {:.0} ms", specs.len(), median.as_secs_f64() * 1e3);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

async fn ask(client: &Namespace, asked: Asked) -> Result<(Facts, Duration), String> {
    let stop = Stop::new();
    let servers = asked.servers().into_iter().map(|a| (format!("stun:{a}"), a)).collect();
    let probing = client.submit(move || async move {
        let began = Instant::now();
        let config =
            Config { servers, budget: Duration::from_secs(20), fixed: false, relays: Vec::new() };
        let record = probe::run(config, &probe::Options::default(), stop, &mut |_| {}).await;
        record.map(|record| (record, began.elapsed())).map_err(text)
    });
    let (record, took) = probing.wait().await.map_err(text)??;
    Ok((judge(&record).facts, took))
}

/// What is not as these servers can show it.
fn faults(spec: &NatSpec, asked: Asked, facts: &Facts) -> Vec<String> {
    let mut faults = Vec::new();
    let mapping = &facts.mapping;
    if mapping.possible() != asked.leaves(spec.mapping) {
        faults.push(format!("{} {asked:?}: {mapping:?}", spec.name));
    }
    if mapping.known().is_some_and(|(_, grade)| grade != Grade::Proven) {
        faults.push(format!("{} {asked:?}: not proven: {mapping:?}", spec.name));
    }
    let compared: &[SocketAddr] = match asked {
        Asked::All => &[],
        _ => &asked.servers(),
    };
    if let Some(server) = compared.iter().find(|s| !mapping.because().contains(&s.to_string())) {
        faults.push(format!("{} {asked:?}: {server} is not in: {}", spec.name, mapping.because()));
    }
    if facts.nat.value() != Some(&true) {
        faults.push(format!("{} {asked:?}: {:?}", spec.name, facts.nat));
    }
    if facts.filtering.value().is_some() || facts.filtering.excludes_some() {
        faults.push(format!("{} {asked:?}: {:?}", spec.name, facts.filtering));
    }
    faults
}
