//! From records to a report, and back.

use super::{Family, Host, Path, Report, SCHEMA, Server, Tool, Traversal};
use crate::ground::finding::{Finding, Origin};
use crate::probe::judge::{Judgement, ServerJudgement, Standing, judge};
use crate::probe::record::{Record, ServerRecord};
use std::time::Duration;

impl Report {
    /// The report of a run on this machine: one record for each address family, judged here and once.
    /// `findings` are what was noticed outside the paths, such as a name that did not resolve.
    #[must_use]
    pub fn new(
        started: jiff::Timestamp,
        took: Duration,
        mut records: Vec<Record>,
        findings: Vec<Finding>,
    ) -> Self {
        records.sort_by_key(family);
        if records.len() > 1 {
            // ids are unique within a record only; the judge repeats them as evidence
            for record in &mut records {
                let prefix = if family(record) == Family::Ipv4 { "4" } else { "6" };
                rename(record, prefix);
            }
        }
        let judged = |record| (judge(&record), record);
        Self::of(started, took, records.into_iter().map(judged), findings)
    }

    /// The report of runs that are judged already.
    pub(super) fn of(
        started: jiff::Timestamp,
        took: Duration,
        runs: impl IntoIterator<Item = (Judgement, Record)>,
        findings: Vec<Finding>,
    ) -> Self {
        let mut report = Self {
            schema: SCHEMA.to_owned(),
            tool: Tool::default(),
            started: format!("{started:.0}"),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            host: Host::default(),
            servers: Vec::new(),
            paths: Vec::new(),
            traversal: Traversal::default(),
            turn: Vec::new(),
            findings,
            sockets: Vec::new(),
            transactions: Vec::new(),
        };
        for (judgement, record) in runs {
            report.add(family(&record), record, judgement);
        }
        report.traversal = Traversal::forecast(&report.paths);
        report
    }

    fn add(&mut self, family: Family, record: Record, judgement: Judgement) {
        let offset = self.servers.len();
        let local = record.sockets.first().map(|s| s.local);
        self.paths.push(Path {
            family,
            local: judgement.seen.map_or(local, |(local, _)| Some(local)),
            mapped: judgement.seen.map(|(_, mapped)| mapped),
            facts: judgement.facts,
            strays: record.strays,
            cut_short: record.cut_short,
        });
        self.servers.extend(record.servers.into_iter().zip(judgement.servers).map(server));
        self.findings.extend(judgement.findings);
        self.sockets.extend(record.sockets);
        self.transactions.extend(record.transactions.into_iter().map(|mut t| {
            t.about += offset;
            t
        }));
    }

    /// The observations of one path, as they were recorded.
    #[must_use]
    pub fn record(&self, path: &Path) -> Record {
        let of_path: Vec<usize> = (0..self.servers.len())
            .filter(|&i| Family::of(&self.servers[i].address) == path.family)
            .collect();
        let about = |global: usize| of_path.iter().position(|&i| i == global);
        Record {
            servers: of_path
                .iter()
                .map(|&i| &self.servers[i])
                .map(|s| ServerRecord {
                    uri: s.uri.clone(),
                    address: s.address,
                    sent_by: s.sent_by,
                    relay: s.relay.clone(),
                })
                .collect(),
            sockets: self
                .sockets
                .iter()
                .filter(|s| Family::of(&s.local) == path.family)
                .cloned()
                .collect(),
            transactions: self
                .transactions
                .iter()
                .filter_map(|t| about(t.about).map(|about| (t, about)))
                .map(|(t, about)| {
                    let mut t = t.clone();
                    t.about = about;
                    t
                })
                .collect(),
            strays: path.strays,
            cut_short: path.cut_short,
        }
    }

    /// The same observations judged by this version. The findings that no record shows (a name
    /// that did not resolve) are kept; a path without observations keeps its facts.
    #[must_use]
    pub fn judged_again(&self) -> Self {
        if self.transactions.is_empty() {
            return self.clone();
        }
        let kept = self.findings.iter().filter(|f| f.id.origin() == Some(Origin::Run)).cloned();
        let mut again = Self {
            paths: Vec::new(),
            servers: Vec::new(),
            sockets: Vec::new(),
            transactions: Vec::new(),
            findings: kept.collect(),
            ..self.clone()
        };
        for path in &self.paths {
            let record = self.record(path);
            let judgement = judge(&record);
            again.add(path.family, record, judgement);
        }
        again.traversal = Traversal::forecast(&again.paths);
        again.weigh();
        again
    }
}

/// The family of a record: that of its servers.
fn family(record: &Record) -> Family {
    let address = record.servers.first().map(|s| s.address);
    address
        .or_else(|| record.sockets.first().map(|s| s.local))
        .map_or(Family::Ipv4, |a| Family::of(&a))
}

fn server((server, judged): (ServerRecord, ServerJudgement)) -> Server {
    Server {
        uri: server.uri,
        address: server.address,
        sent_by: server.sent_by,
        relay: server.relay,
        standing: Some(judged.standing),
        summary: (judged.standing != Standing::Answers).then_some(judged.short),
        #[allow(clippy::cast_precision_loss)] // microseconds of a round trip
        rtt_ms: judged.rtt_us.map(|us| us as f64 / 1000.0),
        other_address: judged.other_address,
        mapped: judged.mapped,
        findings: judged.findings,
    }
}

fn rename(record: &mut Record, prefix: &str) {
    for socket in &mut record.sockets {
        socket.id.insert_str(0, prefix);
    }
    for transaction in &mut record.transactions {
        transaction.id.insert_str(0, prefix);
        if !transaction.socket.is_empty() {
            transaction.socket.insert_str(0, prefix);
        }
    }
}
