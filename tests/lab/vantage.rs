//! A TURN account as vantage point before the nine NATs of a real kernel: one coturn without RFC 5780
//! and one plain STUN server, with and without loss; the coturn alone; and one that forbids the peer.

#![allow(clippy::disallowed_methods)] // how long a probe takes is printed

use crate::harness::{Outcome, runtime, text};
use crate::nine::{at, serve_plainly, specs};
use crate::support::coturn::{self, Coturn};
use natscope::ground::fact::{Fact, Grade, Values};
use natscope::lab::kernel::experiment;
use natscope::lab::kernel::namespace::Namespace;
use natscope::lab::plan::{SECOND, SERVER};
use natscope::nat::{Facts, NatSpec};
use natscope::net::{Stop, probe};
use natscope::probe::Config;
use natscope::probe::judge::{Judgement, judge};
use natscope::turn::{Over, Server};
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// The longest that a probe may take at this round trip.
const LONGEST: Duration = Duration::from_millis(2500);

/// Whether coturn is here.
pub fn need() -> Outcome {
    coturn::version().map(|_| ()).ok_or_else(|| "coturn's turnserver is not installed".into())
}

/// Which STUN server and which TURN server are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// A plain server elsewhere, and the relay over TCP where it can be.
    Both,
    /// The host of the relay is the only one.
    Alone,
    /// The relay does not send to this host.
    Forbidding,
}

const FORBIDDING: u16 = 3500;
/// Rounds under loss where nothing else is asked for.
const ROUNDS: usize = 3;

pub fn run() -> Outcome {
    runtime()?.block_on(measure())
}

async fn measure() -> Outcome {
    let specs = specs()?;
    let mut wrong = without_loss(&specs).await?;
    wrong.extend(with_loss(&specs).await?);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

async fn without_loss(specs: &[NatSpec]) -> Result<Vec<String>, String> {
    let lab = experiment::build(specs, 0).await.map_err(text)?;
    serve_plainly(&lab.internet, vec![at(SERVER, experiment::PORT)]).await?;
    let _coturn = start(&lab.internet, 3478, "0.0.0.0-0.255.255.255").await?;
    let _forbidding = start(&lab.internet, FORBIDDING, "0.0.0.0-255.255.255.255").await?;
    let mut wrong = Vec::new();
    for asked in [Asked::Both, Asked::Alone, Asked::Forbidding] {
        let mut longest = Duration::ZERO;
        for (spec, site) in specs.iter().zip(&lab.sites) {
            let (judged, took) = ask(&site.clients[0], asked).await?;
            longest = longest.max(took);
            wrong.extend(faults(spec, asked, &judged, took));
        }
        println!("{asked:?}: {} NATs, at most {:.0} ms", specs.len(), longest.as_secs_f64() * 1e3);
    }
    Ok(wrong)
}

/// All nine at once, as often as `NATSCOPE_ROUNDS` says.
async fn with_loss(specs: &[NatSpec]) -> Result<Vec<String>, String> {
    let rounds =
        std::env::var("NATSCOPE_ROUNDS").map_or(Ok(ROUNDS), |n| n.parse()).map_err(text)?;
    let lab = experiment::build(specs, 10).await.map_err(text)?;
    serve_plainly(&lab.internet, vec![at(SERVER, experiment::PORT)]).await?;
    let _coturn = start(&lab.internet, 3478, "0.0.0.0-0.255.255.255").await?;
    let (mut wrong, mut definite, mut all) = (Vec::new(), 0, 0);
    for _ in 0..rounds {
        let asked = lab.sites.iter().map(|site| ask(&site.clients[0], Asked::Both));
        for (spec, told) in specs.iter().zip(futures_util::future::join_all(asked).await) {
            let Facts { mapping, filtering, .. } = told?.0.facts;
            let (fine, sure) = (holds(&mapping, &spec.mapping), mapping.value().is_some());
            let right = fine && holds(&filtering, &spec.filtering);
            if !right {
                wrong.push(format!("{}, 10 % loss: {mapping:?} {filtering:?}", spec.name));
            }
            all += 1;
            definite += usize::from(sure && filtering.value().is_some());
        }
    }
    println!("10 % loss each way: {definite} of {all} definite, {} wrong", wrong.len());
    Ok(wrong)
}

/// coturn without RFC 5780 in the lab's internet; it sends nothing to these addresses.
async fn start(internet: &Namespace, port: u16, denied: &'static str) -> Result<Coturn, String> {
    let started = internet.submit(move || async move {
        let port = port.to_string();
        let mut options =
            vec!["-p", &port, "-r", "natscope.test", "--lt-cred-mech", "-u", "lab:lab"];
        options.extend(["--denied-peer-ip", denied]);
        Coturn::on(&[&SECOND.to_string()], &options, None)
    });
    started.wait().await.map_err(text)
}

async fn ask(client: &Namespace, asked: Asked) -> Result<(Judgement, Duration), String> {
    let stun = if asked == Asked::Alone { at(SECOND, 3478) } else { at(SERVER, experiment::PORT) };
    let port = if asked == Asked::Forbidding { FORBIDDING } else { 3478 };
    let address = at(SECOND, port);
    let relay = Server {
        uri: format!("turn:{address}"),
        name: address.ip().to_string(),
        address,
        over: Over::Udp,
        user: "lab".into(),
        password: "lab".into(),
    };
    let probing = client.submit(move || async move {
        let began = Instant::now();
        let config = Config {
            servers: vec![(format!("stun:{stun}"), stun)],
            relays: vec![(relay.uri.clone(), address)],
            budget: Duration::from_secs(20),
            fixed: false,
        };
        let options = probe::Options { relays: vec![relay], ..probe::Options::default() };
        let record = probe::run(config, &options, Stop::new(), &mut |_| {}).await;
        record.map(|record| (record, began.elapsed())).map_err(text)
    });
    let (record, took) = probing.wait().await.map_err(text)??;
    Ok((judge(&record), took))
}

/// What is not as this account can show it.
fn faults(spec: &NatSpec, asked: Asked, judged: &Judgement, took: Duration) -> Vec<String> {
    let Facts { mapping, filtering, .. } = &judged.facts;
    let mut faults = Vec::new();
    let mut expect = |axis: &str, fine: bool, fact: &dyn Debug| {
        if !fine {
            faults.push(format!("{} {asked:?}: {axis}: {fact:?}", spec.name));
        }
    };
    expect("mapping", holds(mapping, &spec.mapping), mapping);
    expect("filtering", holds(filtering, &spec.filtering), filtering);
    match asked {
        Asked::Both => {
            expect("mapping is proven", proven(mapping), mapping);
            expect("filtering is proven", proven(filtering), filtering);
            expect("in time", took <= LONGEST, &took);
        }
        Asked::Alone => {
            expect("mapping is narrowed", mapping.excludes_some(), mapping);
            expect("filtering is narrowed", filtering.excludes_some(), filtering);
        }
        Asked::Forbidding => {
            let told = judged.servers.iter().flat_map(|server| &server.findings);
            let told: Vec<&str> = told.map(|finding| finding.id.as_str()).collect();
            expect("the refusal is told", told.contains(&"relay-unusable"), &told);
        }
    }
    faults
}

fn holds<T: Values>(fact: &Fact<T>, truth: &T) -> bool {
    fact.possible().contains(truth)
}

fn proven<T: Values>(fact: &Fact<T>) -> bool {
    fact.grade() == Some(Grade::Proven)
}
