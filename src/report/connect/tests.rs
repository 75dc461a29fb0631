use super::*;
use crate::ground::fact::Fact;
use crate::ground::finding::Severity;
use crate::ice::{
    Allocation, Candidate, Check, CheckResult, Gathered, Kind, Pair, PairEnd, Transport,
};
use crate::nat::Facts;
use crate::nat::{Filtering, Mapping};
use crate::peer::{NatFacts, RoundTrips};
use crate::report::Document;
use std::net::SocketAddr;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn facts(filtering: Filtering, mapping: Mapping) -> Facts {
    Facts {
        nat: Fact::proven(true, "the address differs", vec![]),
        mapping: Fact::proven(mapping, "two servers saw it", vec![]),
        filtering: Fact::proven(filtering, "the controls passed", vec![]),
        classic: Fact::not_tested("not asked"),
        port_preservation: Fact::not_tested("not asked"),
        allocation: Fact::not_tested("not asked"),
        early_packet_poisoning: Fact::not_tested("not asked"),
        mapped_address_rewriting: Fact::not_tested("not asked"),
    }
}

fn side(role: Role, n: u8, connection: Connection) -> Side {
    let base = at(&format!("192.168.{n}.2:4000"));
    let mapped = at(&format!("203.0.113.{n}:5000"));
    let remote = at(&format!("203.0.113.{}:5000", 3 - n));
    let local = |kind, address| Candidate {
        foundation: "1".to_owned(),
        component: 1,
        transport: Transport::Udp,
        priority: 1,
        address,
        kind,
        related: None,
    };
    let pair = Pair {
        local: PairEnd { kind: Kind::ServerReflexive, address: base },
        remote: PairEnd { kind: Kind::ServerReflexive, address: remote },
        transport: Transport::Udp,
    };
    let connected = connection != Connection::Failed;
    let failure =
        crate::turn::Failure::Unauthorized { realm: "natscope".to_owned(), reason: String::new() };
    let (mapping, filtering) =
        (Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent);
    Side {
        role,
        nats: vec![NatFacts {
            local: Some(at(&format!("192.168.{n}.2:4001"))),
            mapped: Some(mapped),
            facts: facts(filtering, mapping),
        }],
        outcome: Some(Outcome {
            connection,
            because: if connected {
                "the peer answers".to_owned()
            } else {
                format!("no check from {base} was answered")
            },
            role: crate::ice::Role::Controlling,
            selected: connected.then_some(pair),
            connected_ms: connected.then_some(12.5),
            gathered_ms: 8.0,
            local: vec![local(Kind::Host, base), local(Kind::ServerReflexive, mapped)],
            remote: vec![local(Kind::ServerReflexive, remote)],
            stun: vec![Gathered {
                server: "stun:203.0.113.9".to_owned(),
                base,
                mapped: Some(mapped),
                rtt_ms: Some(0.5),
                because: None,
            }],
            turn: vec![Allocation {
                server: "turn:203.0.113.9".to_owned(),
                relayed: None,
                mapped: None,
                ms: None,
                failure: Some(failure),
            }],
            checks: vec![Check {
                pair,
                sent_ms: vec![10.0, 60.0],
                answered_ms: connected.then_some(11.5),
                received_ms: vec![],
                mapped: None,
                result: if connected { CheckResult::Succeeded } else { CheckResult::Unanswered },
                nominated: connected,
            }],
            lost: None,
            avoided: vec![],
        }),
        round_trips: connected
            .then(|| RoundTrips::of(&[Some(std::time::Duration::from_millis(3)), None])),
        findings: vec![],
    }
}

fn attempt(here: Option<Side>, there: Option<Side>) -> Attempt {
    Attempt {
        role: here.as_ref().map(|side| side.role),
        here,
        there,
        relayed: None,
        cut_short: None,
        findings: vec![],
    }
}

fn of(attempt: Attempt) -> ConnectReport {
    let started = "2026-01-01T00:00:00Z".parse().unwrap();
    ConnectReport::new(started, Duration::from_millis(1500), Met::Room, attempt)
}

fn of_sides(here: Option<Side>, there: Option<Side>) -> ConnectReport {
    of(attempt(here, there))
}

pub(in crate::report) fn both(connection: Connection) -> ConnectReport {
    let (offer, answer) = (side(Role::Offer, 1, connection), side(Role::Answer, 2, connection));
    of_sides(Some(answer), Some(offer))
}

#[test]
fn both_sides_write_the_same() {
    let (offer, answer) = (
        side(Role::Offer, 1, Connection::DirectReflexive),
        side(Role::Answer, 2, Connection::DirectReflexive),
    );
    let here = of_sides(Some(offer.clone()), Some(answer.clone()));
    let there = of_sides(Some(answer), Some(offer));
    assert_eq!(ConnectReport { written_by: there.written_by, ..here }, there);
}

#[test]
fn a_connection_is_shown() {
    let mut report = both(Connection::DirectReflexive);
    report.relayed = Some(Relayed {
        by: Role::Offer,
        relay: Some(at("203.0.113.9:6000")),
        round_trips: Some(RoundTrips::of(&[Some(std::time::Duration::from_millis(7))])),
        because: None,
    });
    insta::assert_snapshot!("connected_text", report.text(false));
    insta::assert_snapshot!("connected_markdown", report.markdown());
    assert_eq!(report.result.needs, Needs::Stun);
}

#[test]
fn a_failure_says_what_was_missing_and_what_to_do() {
    let report = both(Connection::Failed);
    insta::assert_snapshot!("failed_text", report.text(false));
    assert_eq!(report.result.needs, Needs::Turn);
    assert_eq!(report.result.predicted, Some(Verdict::Turn));
    assert!(report.text(false).contains("check the user name and the password"));
}

#[test]
fn what_ended_early_claims_nothing() {
    let cut_short = Some("it was interrupted".to_owned());
    let report = of(Attempt { cut_short, ..attempt(None, None) });
    assert_eq!((report.result.connection, report.result.needs), (None, Needs::Unknown));
    assert!(report.result.sentence().starts_with("Could not tell"), "{}", report.result.sentence());
}

#[test]
fn the_document_comes_back_as_it_was() {
    for report in [both(Connection::RelayBoth), both(Connection::Failed)] {
        let text = report.json().unwrap();
        assert_eq!(serde_json::from_str::<ConnectReport>(&text).unwrap(), report);
    }
}

#[test]
fn what_a_hostile_peer_tells_steers_nothing() {
    let mut there = side(Role::Answer, 2, Connection::Failed);
    let evil = "\u{1b}[2J<img src=x> **b** [a](http://e.com)".to_owned();
    there.findings.push(Finding {
        id: evil.as_str().into(),
        severity: Severity::Error,
        text: evil.clone(),
    });
    if let Some(outcome) = &mut there.outcome {
        outcome.because.clone_from(&evil);
        outcome.stun[0].server = evil;
    }
    let report = of_sides(Some(side(Role::Offer, 1, Connection::Failed)), Some(there));
    assert!(!report.text(false).contains('\u{1b}'));
    let shown = report.markdown();
    assert!(
        !shown.contains("<img") && !shown.contains("**b") && !shown.contains("[a]("),
        "{shown}"
    );
}
