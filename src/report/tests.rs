use super::*;
use crate::ground::fact::Fact;
use crate::ground::finding::Severity;
use crate::nat::{Allocation, Classic, Filtering, Mapping};
use crate::probe::judge::{Judgement, ServerJudgement, Standing};
use crate::probe::record::{Outcome, Record, Reply, ServerRecord, Via};
use crate::stun::Change;
use std::time::Duration;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A transaction of socket `s1`, answered when `mapped` is given.
fn transaction(id: usize, local: &str, server: &str, mapped: Option<&str>) -> Transaction {
    let at = id as f64;
    Transaction {
        id: format!("t{id}"),
        socket: local.to_owned(),
        about: 0,
        server: address(server),
        via: Via::Udp,
        change: if mapped.is_some() { Change::NONE } else { Change::BOTH },
        response_port: None,
        expected_from: address(server),
        sent: vec![at],
        closed: at + 200.0,
        received: mapped.map(|mapped| Reply {
            at: at + 0.4,
            from: address(server),
            mapped: address(mapped),
            mapped_plain: None,
            xor: true,
            origin: Some(address(server)),
            other: None,
            software: Some("server 1".to_owned()),
            defects: Vec::new(),
        }),
        again: Vec::new(),
        rejected: Vec::new(),
        icmp: Vec::new(),
        outcome: if mapped.is_some() { Outcome::Answered } else { Outcome::Silent },
    }
}

fn record() -> Record {
    let socket = |id: &str, local: &str| SocketRecord::new(id.into(), address(local));
    let (a, b) = ("198.51.100.1:3478", "198.51.100.1:3479");
    Record {
        servers: vec![ServerRecord::new("stun:stun.example.org:3478".into(), address(a))],
        sockets: vec![socket("s1", "192.168.1.10:50000"), socket("s2", "192.168.1.10:50001")],
        transactions: vec![
            transaction(1, "s1", a, Some("203.0.113.7:50000")),
            transaction(2, "s1", a, None),
            transaction(3, "s2", a, Some("203.0.113.7:50001")),
            transaction(4, "s2", b, Some("203.0.113.7:61234")),
        ],
        strays: 1,
        cut_short: false,
    }
}

fn record_v6() -> Record {
    let server = "[2001:db8::1]:3478";
    let local = "[2001:db8:1::5]:40000";
    Record {
        servers: vec![ServerRecord::new("stun:six.example.org".into(), address(server))],
        sockets: vec![SocketRecord::new("s1".into(), address(local))],
        transactions: vec![transaction(1, "s1", server, Some(local))],
        ..Record::default()
    }
}

/// A judgement for the renderers, independent of the judge's words.
fn judgement(mapping: Fact<Mapping>, filtering: Fact<Filtering>) -> Judgement {
    let classic = match (mapping.value(), filtering.value()) {
        (Some(&m), Some(&f)) => Fact::probable(Classic::of(true, m, f), "of its parts", vec![]),
        _ => Fact::inconclusive("its parts are not known", vec![]),
    };
    Judgement {
        facts: Facts {
            nat: Fact::proven(
                true,
                "192.168.1.10:50000 is seen as 203.0.113.7:50000 by 198.51.100.1:3478",
                vec!["t1".into()],
            ),
            mapping,
            filtering,
            classic,
            port_preservation: Fact::proven(true, "two sockets kept their ports", vec![]),
            allocation: Fact::probable(Allocation::Preserving, "two of two ports", vec![]),
            early_packet_poisoning: Fact::not_tested("no packet came early"),
            mapped_address_rewriting: Fact::not_tested("no server sent MAPPED-ADDRESS"),
        },
        servers: vec![ServerJudgement {
            standing: Standing::Answers,
            short: Standing::Answers.words().to_owned(),
            rtt_us: Some(412),
            other_address: Some(address("198.51.100.2:3479")),
            mapped: Some(address("203.0.113.7:50000")),
            findings: vec![Finding {
                id: "software".into(),
                severity: Severity::Info,
                text: "calls itself `\x1b[31m<b>evil</b>|`".into(),
            }],
        }],
        findings: vec![],
        seen: Some((address("192.168.1.10:50000"), address("203.0.113.7:50000"))),
    }
}

pub(super) fn cone() -> Judgement {
    judgement(
        Fact::proven(
            Mapping::EndpointIndependent,
            "two addresses of the server saw the same endpoint",
            vec!["t3".into(), "t4".into()],
        ),
        Fact::proven(
            Filtering::AddressAndPortDependent,
            "nothing came from where nothing had been sent, and every control passed",
            vec!["t2".into()],
        ),
    )
}

fn of(records: Vec<Record>) -> Report {
    let started = "2026-11-25T06:40:00Z".parse().unwrap();
    Report::new(started, Duration::from_millis(640), records, vec![])
}

fn judged(run: (Judgement, Record)) -> Report {
    let started = "2026-11-25T06:40:00Z".parse().unwrap();
    Report::of(started, Duration::from_millis(640), [run], vec![])
}

pub(super) fn report(judgement: Judgement) -> Report {
    let mut report = judged((judgement, record()));
    report.host = Host { os: "linux".into(), arch: "x86_64".into() };
    report
}

fn facts_of(report: &Report) -> Vec<&Facts> {
    report.paths.iter().map(|p| &p.facts).collect()
}

#[test]
fn text_fits_80_columns() {
    let text = text(&report(cone()), false);
    insta::assert_snapshot!("text", text);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn colours_change_no_word() {
    let plain = text(&report(cone()), false);
    let colour = text(&report(cone()), true);
    assert!(colour.contains("\x1b["));
    assert_eq!(anstream::adapter::strip_str(&colour).to_string(), plain);
}

#[test]
fn markdown_for_a_ticket() {
    let markdown = markdown(&report(cone()));
    insta::assert_snapshot!("markdown", markdown);
    assert!(!markdown.contains("<b>"));
}

#[test]
fn explained() {
    insta::assert_snapshot!("explain", explain(&report(cone())));
}

#[test]
fn json_is_the_contract() {
    let text = report(cone()).json().unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!("json", text);
}

#[test]
fn saved_and_read_again_is_the_same() {
    let report = report(cone());
    assert_eq!(read(&report.json().unwrap()).unwrap(), report);
}

#[test]
fn judging_a_saved_report_again_gives_the_same() {
    for records in [vec![record()], vec![record_v6(), record()]] {
        let report = of(records);
        let saved = read(&report.json().unwrap()).unwrap();
        assert_eq!(saved.judged_again(), report);
    }
}

#[test]
fn observations_survive_as_recorded() {
    let report = report(cone());
    assert_eq!(report.record(&report.paths[0]), record());
}

#[test]
fn two_paths_share_no_id() {
    let report = of(vec![record_v6(), record()]);
    let ids: std::collections::BTreeSet<_> = report.transactions.iter().map(|t| &t.id).collect();
    assert_eq!(ids.len(), report.transactions.len());
    assert_eq!(report.paths[0].family, Family::Ipv4);
    for t in &report.transactions {
        assert!(report.sockets.iter().any(|s| s.id == t.socket), "{} has its socket", t.id);
    }
    for facts in facts_of(&report) {
        for axis in Axis::ALL {
            let fact = axis.of(facts);
            assert!(fact.evidence.iter().all(|id| ids.contains(id)), "{fact:?}");
        }
    }
}

#[test]
fn other_documents_are_refused_with_a_reason() {
    let error = |text: &str| read(text).unwrap_err().to_string();
    let json = report(cone()).json().unwrap();
    let newer = error(&json.replace(SCHEMA, "natscope-report/2"));
    assert!(newer.contains("`natscope-report/2`") && newer.contains("reads up to"), "{newer}");
    assert!(error(&json.replace(SCHEMA, "natscope-matrix/1")).contains("natscope-matrix/1"));
    assert!(error("{").starts_with("not a natscope report"));
    assert!(error("{}").contains("missing field `schema`"));
    let unknown = json.replacen("\"tool\"", "\"tol\": 1, \"tool\"", 1);
    assert!(error(&unknown).contains("unknown field `tol`"), "strict in tests");
    assert!(error(&json.replacen("\"about\": 0", "\"about\": 7", 1)).contains("damaged"));
}

fn forecast(judgement: Judgement) -> Vec<(PeerKind, Forecast)> {
    report(judgement).traversal.peers.iter().map(|p| (p.peer, p.verdict)).collect()
}

fn verdicts(judgement: Judgement) -> Vec<Forecast> {
    forecast(judgement).into_iter().map(|(_, verdict)| verdict).collect()
}

#[test]
fn forecasts_follow_the_facts() {
    use Forecast::{Inconclusive, OrderDependent as Order, Stun, Turn};
    let known = |m, f| judgement(Fact::proven(m, "", vec![]), Fact::proven(f, "", vec![]));
    let (eim, symmetric) = (Mapping::EndpointIndependent, Mapping::AddressAndPortDependent);
    let (open, strict) = (Filtering::EndpointIndependent, Filtering::AddressAndPortDependent);
    assert_eq!(verdicts(known(eim, open)), [Stun, Stun, Stun, Stun, Stun, Stun, Turn]);
    assert_eq!(verdicts(known(eim, strict)), [Stun, Stun, Stun, Stun, Stun, Turn, Turn]);
    assert_eq!(verdicts(known(symmetric, strict)), [Stun, Turn, Stun, Stun, Turn, Turn, Turn]);
    // a combination without a classic name
    assert_eq!(verdicts(known(symmetric, open)), [Stun, Order, Stun, Stun, Order, Stun, Turn]);

    let unfiltered = judgement(Fact::proven(eim, "", vec![]), Fact::inconclusive("lost", vec![]));
    assert_eq!(verdicts(unfiltered), [Stun, Stun, Stun, Stun, Stun, Inconclusive, Turn]);
    let filter_only =
        judgement(Fact::inconclusive("lost", vec![]), Fact::proven(strict, "", vec![]));
    assert_eq!(verdicts(filter_only), [Stun, Inconclusive, Stun, Stun, Inconclusive, Turn, Turn]);
}

#[test]
fn a_spoiled_mapping_depends_on_who_sends_first() {
    let mut judgement = cone();
    judgement.facts.early_packet_poisoning = Fact::proven(true, "", vec![]);
    let order: Vec<PeerKind> = forecast(judgement)
        .into_iter()
        .filter(|(_, verdict)| *verdict == Forecast::OrderDependent)
        .map(|(peer, _)| peer)
        .collect();
    assert_eq!(order, [PeerKind::SymmetricUdpFirewall, PeerKind::PortRestrictedCone]);
}

#[test]
fn blocked_udp_needs_a_relay_over_tcp_and_silence_shows_nothing() {
    let unknown = || judgement(Fact::not_tested(""), Fact::not_tested(""));
    let silent = |mut judgement: Judgement| {
        let mut record = record();
        record.transactions.retain(|t| t.received.is_none());
        judgement.facts.nat = Fact::not_tested("");
        judgement.seen = None;
        judged((judgement, record))
    };
    let mut blocked = unknown();
    blocked.facts.classic = Fact::proven(Classic::UdpBlocked, "", vec![]);
    let report = silent(blocked);
    assert!(report.traversal.peers.iter().all(|p| p.verdict == Forecast::Turn));
    assert!(report.traversal.summary.contains("TCP or TLS"), "{}", report.traversal.summary);
    assert!(report.is_definite());

    let report = silent(unknown());
    let definite: Vec<_> =
        report.traversal.peers.iter().filter(|p| p.verdict != Forecast::Inconclusive).collect();
    assert_eq!(definite.len(), 1, "only that a blocked peer needs a relay");
    assert!(!report.is_definite());
}

#[test]
fn summaries() {
    let known = |m, f| {
        report(judgement(Fact::proven(m, "", vec![]), Fact::proven(f, "", vec![])))
            .traversal
            .summary
    };
    let all: Vec<String> = Mapping::ALL
        .iter()
        .flat_map(|&m| Filtering::ALL.iter().map(move |&f| (m, f)))
        .map(|(m, f)| format!("{}-{}: {}", m.short(), f.short(), known(m, f)))
        .collect();
    insta::assert_snapshot!("summaries", all.join("\n"));
}
