//! Tables, one file for each rule: what a record holds, and what the rule makes of it.

mod combine;
mod credit;
mod extras;
mod filtering;
mod machines;
mod mapping;
mod reach;
mod refusals;
mod servers;
mod standing;

use super::{Judgement, judge};
use crate::ground::fact::{Fact, Grade};
use crate::ground::finding::{Finding, Severity};
use crate::ground::icmp::IcmpKind;
use crate::nat::{Facts, Mapping};
use crate::probe::record::{
    IcmpError, Outcome, Record, Rejected, RejectedWhy, Reply, ServerRecord, SocketRecord,
    Transaction, Via,
};
use crate::stun::Change;
use std::fmt::Debug;
use std::net::SocketAddr;

/// The mapping socket, on a host with a public address.
const M: &str = "203.0.113.2:40001";
const A: &str = "192.0.2.1:3478";
const A_PORT: &str = "192.0.2.1:3479";
const A_BOTH: &str = "192.0.2.2:3479";
const A_ADDRESS: &str = "192.0.2.2:3478";
const B: &str = "192.0.2.33:3478";
const C: &str = "192.0.2.65:3478";
const D: &str = "192.0.2.97:3478";
const X: &str = "198.51.100.7:1001";
const Y: &str = "198.51.100.7:1002";
const Z: &str = "198.51.100.7:1003";
/// Another address of ours, or of a proxy.
const FAR: &str = "198.51.100.99:1004";

fn address(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

/// A record in the making.
#[derive(Default)]
struct Run(Record);

impl Run {
    /// A server at its endpoints, each with what it sees of the mapping socket; the first is the
    /// one that was given.
    fn server(mut self, seen: &[(&str, Option<&str>)]) -> Self {
        let about = self.0.servers.len();
        let primary = address(seen.first().expect("a server has an endpoint").0);
        self.0.servers.push(ServerRecord::new(format!("stun:{primary}"), primary));
        seen.iter().fold(self, |run, (remote, mapped)| run.ask(about, "m", remote, *mapped))
    }

    /// One server that was given and is asked nothing yet.
    fn named(mut self, at: &str) -> Self {
        self.0.servers.push(ServerRecord::new(format!("stun:{at}"), address(at)));
        self
    }

    fn ask(mut self, about: usize, socket: &str, remote: &str, mapped: Option<&str>) -> Self {
        let at = self.0.transactions.len() as f64 * 10.0;
        if !self.0.sockets.iter().any(|s| s.id == socket) {
            self.0.sockets.push(SocketRecord::new(socket.into(), address(M)));
        }
        let remote = address(remote);
        self.0.transactions.push(Transaction {
            id: format!("t{}", self.0.transactions.len() + 1),
            socket: socket.into(),
            about,
            server: remote,
            via: Via::Udp,
            change: Change::NONE,
            response_port: None,
            expected_from: remote,
            sent: vec![at],
            closed: at + 500.0,
            received: mapped.map(|mapped| Reply {
                at: at + 1.0,
                from: remote,
                mapped: address(mapped),
                mapped_plain: None,
                xor: true,
                origin: None,
                other: None,
                software: None,
                defects: Vec::new(),
            }),
            again: Vec::new(),
            rejected: Vec::new(),
            icmp: Vec::new(),
            outcome: if mapped.is_some() { Outcome::Answered } else { Outcome::Silent },
        });
        self
    }

    /// Another socket, on this address of the host's.
    fn socket(mut self, id: &str, local: &str) -> Self {
        self.0.sockets.push(SocketRecord::new(id.into(), address(local)));
        self
    }

    /// Changes the last transaction.
    fn but(mut self, change: impl FnOnce(&mut Transaction)) -> Self {
        change(self.0.transactions.last_mut().expect("one was begun"));
        self
    }

    /// Changes the last answer.
    fn saying(self, change: impl FnOnce(&mut Reply)) -> Self {
        self.but(|t| change(t.received.as_mut().expect("answered")))
    }

    /// The last transaction is over TCP.
    fn tcp(self) -> Self {
        self.but(|t| t.via = Via::Tcp)
    }

    /// The last transaction had this for an answer; from where it was asked unless `but` says more.
    fn rejected(self, why: RejectedWhy, code: Option<u16>) -> Self {
        self.but(|t| t.rejected = vec![Rejected { code, ..Rejected::new(1.0, t.server, why) }])
    }

    /// The last transaction met this ICMP error.
    fn icmp(self, offender: Option<&str>, kind: IcmpKind) -> Self {
        let offender = offender.map(|ip| ip.parse().expect(ip));
        self.but(|t| t.icmp = vec![IcmpError { at: 1.0, offender, kind }])
    }

    fn judged(&self) -> Judgement {
        judge(&self.0)
    }

    fn facts(&self) -> Facts {
        self.judged().facts
    }

    fn mapping(&self) -> Fact<Mapping> {
        self.facts().mapping
    }

    fn finding(&self, id: &str) -> Option<String> {
        self.judged().findings.into_iter().find(|f| f.id.as_str() == id).map(|f| f.text)
    }
}

/// Plain servers, each with what it saw.
fn plain(seen: &[(&str, &str)]) -> Run {
    seen.iter().fold(Run::default(), |run, (at, mapped)| run.server(&[(*at, Some(*mapped))]))
}

/// The fact has this value and grade, or none, for this reason.
#[track_caller]
fn is<T: Debug + PartialEq + Copy>(fact: &Fact<T>, known: Option<(T, Grade)>, because: &str) {
    assert_eq!(fact.known().map(|(value, grade)| (*value, grade)), known, "{because}: {fact:?}");
    assert!(fact.because().contains(because), "{because}: {fact:?}");
}

/// There is one finding of this id, with this severity and text.
#[track_caller]
fn has(findings: &[Finding], id: &str, severity: Severity, text: &str) {
    let found = findings.iter().find(|f| f.id.as_str() == id);
    let found = found.unwrap_or_else(|| panic!("no {id}: {findings:?}"));
    assert!(found.severity == severity && found.text.contains(text), "{text}: {found:?}");
}

#[test]
fn what_is_noticed_about_a_path() {
    let run = || plain(&[(A, X)]);
    let fixed = |failed: Option<&str>| {
        let mut run = run();
        run.0.sockets[0].fixed = true;
        run.0.sockets[0].failed = failed.map(str::to_owned);
        run
    };
    let (mut cut, mut strays) = (run(), run());
    cut.0.cut_short = true;
    strays.0.strays = 3;
    for (run, id, severity, text) in [
        (cut, "cut-short", Severity::Warning, "before its plan was done"),
        (strays, "strays", Severity::Info, "3 datagrams"),
        (plain(&[(A, X), (B, FAR)]), "several-external-addresses", Severity::Warning, "under 2"),
        (fixed(None), "fixed-port", Severity::Info, "is seen as 198.51.100.7:1001:"),
        (fixed(Some("in use")), "fixed-port-failed", Severity::Error, "opened (in use)"),
    ] {
        has(&run.judged().findings, id, severity, text);
    }
    assert_eq!(run().judged().findings, []);
}
