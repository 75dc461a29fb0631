//! Measures the NAT in front of this host.

use super::names::{self, Group};
use super::{Relays, Ways};
use crate::ground::finding::{Finding, Id};
use crate::net::resolve;
use crate::net::{self, NetError, Stop};
use crate::probe::record::Record;
use crate::report::{Family, Report};
use crate::stun::uri::Uri;
use crate::turn::Server;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Debug, Clone)]
pub struct Config {
    /// The STUN servers to ask, the preferred first; best with RFC 5780.
    pub servers: Vec<Uri>,
    /// How to leave this host.
    pub ways: Ways,
    /// The longest that measuring may take; trying relays may take it again.
    pub budget: Duration,
    /// The TURN servers to try.
    pub relays: Relays,
}

impl Config {
    /// These servers, within 10 seconds, by whatever way there is.
    #[must_use]
    pub fn new(servers: Vec<Uri>) -> Self {
        let budget = Duration::from_secs(10);
        Self { servers, ways: Ways::default(), budget, relays: Relays::default() }
    }
}

/// What is worth telling while it goes on.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// A step has begun.
    Doing(&'static str),
    /// Something was learned of the path of this family; the record so far can be judged.
    Learned(Family, &'a Record),
}

/// Why nothing could be measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// There are servers, and none has an address of the family that [`Ways`] asks for.
    #[error("no server has an address of the family that is asked for")]
    Family,
    /// Nobody is left to ask: what became of each server, safe to print, and what to do.
    #[error("{0}")]
    Nobody(String),
    /// No path could be measured: why, for each.
    #[error("{0}")]
    Failed(String),
}

/// Looks the servers up, measures both families side by side on this thread, then tries the relays.
/// When `stop` is cancelled it ends at once and reports what it has.
///
/// # Errors
/// Nothing could be measured. What happens to packets is in the report, not an error.
pub async fn probe(
    config: &Config,
    stop: Stop,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Report, ProbeError> {
    let started = jiff::Timestamp::now();
    let clock = Instant::now();
    on_progress(Progress::Doing("looking up the servers"));
    let mut findings = Vec::new();
    let found = names::look_up(&config.servers, config.budget, stop.clone(), &mut findings);
    let (found, relays) = tokio::join!(found, config.relays.found(&config.ways, config.budget));
    let mut groups = names::group(&config.ways, &found, &mut findings);
    if groups.is_empty() {
        // a TURN server is a STUN server too (RFC 8656 section 3)
        let asked = relays.iter().map(|r| (format!("stun:{}", r.address), vec![r.address]));
        groups = names::group(&config.ways, &asked.collect::<Vec<_>>(), &mut findings);
    }
    if groups.is_empty() {
        return Err(nobody(config, &findings));
    }
    on_progress(Progress::Doing("measuring"));
    let runs = run_paths(config, &groups, &relays, &stop, on_progress).await;
    // Afterwards: a relay's address may be a server's other address, which nothing may touch
    // before filtering is known.
    let mut tried = Vec::new();
    if !config.relays.servers.is_empty() {
        on_progress(Progress::Doing("trying the TURN server"));
        tried = config.relays.attempt(&config.ways, config.budget, stop, &mut findings).await;
    }
    let mut records = Vec::new();
    for (family, run) in runs {
        match run {
            Ok(record) => records.push(record),
            Err(error) => {
                findings.push(Finding::new(Id::PathFailed, format!("{}: {error}", family.title())));
            }
        }
    }
    if records.is_empty() {
        return Err(ProbeError::Failed(texts(&findings, &[Id::PathFailed]).join("\n")));
    }
    let mut report = Report::new(started, clock.elapsed(), records, findings);
    report.tried(tried);
    Ok(report)
}

async fn run_paths(
    config: &Config,
    groups: &[Group],
    relays: &[Server],
    stop: &Stop,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Vec<(Family, Result<Record, NetError>)> {
    let on_progress = RefCell::new(on_progress);
    let ways = &config.ways;
    let one = async |(family, servers): &Group| {
        let fixed = ways.port().is_some();
        let of_family = relays.iter().filter(|relay| Family::of(&relay.address) == *family);
        let relays: Vec<Server> = of_family.cloned().collect();
        let path = crate::probe::Config {
            servers: servers.clone(),
            relays: relays.iter().map(|relay| (relay.uri.clone(), relay.address)).collect(),
            budget: config.budget,
            fixed,
        };
        let (bind, tls) = (ways.by().cloned(), config.relays.tls.clone());
        let options = net::probe::Options { bind, port: ways.port(), relays, tls };
        let mut learned =
            |record: &Record| on_progress.borrow_mut()(Progress::Learned(*family, record));
        (*family, net::probe::run(path, &options, stop.clone(), &mut learned).await)
    };
    futures_util::future::join_all(groups.iter().map(one)).await
}

fn texts(findings: &[Finding], ids: &[Id]) -> Vec<String> {
    findings.iter().filter(|f| ids.contains(&f.id)).map(|f| f.text.clone()).collect()
}

/// Why there is nobody to ask.
fn nobody(config: &Config, findings: &[Finding]) -> ProbeError {
    let mut lines = texts(findings, &[Id::Unresolvable, Id::NoRoute]);
    let advice = if findings.iter().any(|f| f.id == Id::NoRoute) {
        "this machine has no route to any server: is the network up?"
    } else if !lines.is_empty() {
        "no server is left to ask"
    } else if config.ways.family() != resolve::Family::Any || config.ways.bind.is_some() {
        return ProbeError::Family;
    } else {
        "no server has an address"
    };
    lines.push(advice.to_owned());
    ProbeError::Nobody(lines.join("\n"))
}
