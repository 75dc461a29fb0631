//! One forecast for everyone: the matrix, the connection report, the scenarios, the table of shares
//! and the probe's report say the same of a pair, whoever is asked.

use natscope::ground::fact::{Fact, Grade};
use natscope::lab::cost::Shares;
use natscope::lab::matrix::Cell;
use natscope::lab::scenario::Scenario;
use natscope::nat::Facts;
use natscope::nat::pair::{End, PeerKind, Verdict, forecast};
use natscope::nat::{Allocation, Classic, Filtering, Mapping, NatSpec};
use natscope::net::connect::Attempt;
use natscope::peer::{NatFacts, Side};
use natscope::report::connect::{ConnectReport, Met, Prediction};
use natscope::report::{Family, Path, PeerForecast, Sender, Traversal};
use natscope::signal::Role;
use std::net::SocketAddr;
use std::time::Duration;

fn nine() -> Vec<NatSpec> {
    let all = Mapping::ALL.iter().flat_map(|&mapping| {
        let filtering = Filtering::ALL.iter();
        filtering.map(move |&filtering| NatSpec {
            name: format!("{}-{}", mapping.short(), filtering.short()),
            ..NatSpec::new(mapping, filtering, Allocation::Random)
        })
    });
    all.collect()
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// What a prober that sees everything finds behind this NAT.
fn facts(spec: &NatSpec) -> Facts {
    let truth = spec.truth();
    Facts {
        nat: Fact::proven(truth.nat, "", vec![]),
        mapping: Fact::proven(truth.mapping, "", vec![]),
        filtering: Fact::proven(truth.filtering, "", vec![]),
        classic: Fact::proven(truth.classic, "", vec![]),
        early_packet_poisoning: Fact::proven(false, "", vec![]),
        ..unknown()
    }
}

fn unknown() -> Facts {
    Facts {
        nat: Fact::not_tested(""),
        mapping: Fact::not_tested(""),
        filtering: Fact::not_tested(""),
        classic: Fact::not_tested(""),
        port_preservation: Fact::not_tested(""),
        allocation: Fact::not_tested(""),
        early_packet_poisoning: Fact::not_tested(""),
        mapped_address_rewriting: Fact::not_tested(""),
    }
}

fn path(facts: Facts) -> Path {
    Path {
        family: Family::Ipv4,
        local: Some(address("192.0.2.2:4000")),
        mapped: Some(address("203.0.113.2:5000")),
        facts,
        strays: 0,
        cut_short: false,
    }
}

fn towards(facts: Facts, peer: PeerKind) -> PeerForecast {
    let peers = Traversal::forecast(&[path(facts)]).peers;
    peers.into_iter().find(|p| p.peer == peer).expect("every kind of peer is there")
}

/// What a connection report expects of two sides that measured this.
fn prediction(offer: Facts, answer: Facts) -> Prediction {
    let side = |role, facts| Side {
        role,
        nats: vec![NatFacts {
            local: Some(address("192.0.2.2:4000")),
            mapped: Some(address("203.0.113.2:5000")),
            facts,
        }],
        outcome: None,
        round_trips: None,
        findings: vec![],
    };
    let attempt = Attempt {
        role: Some(Role::Offer),
        here: Some(side(Role::Offer, offer)),
        there: Some(side(Role::Answer, answer)),
        relayed: None,
        cut_short: None,
        findings: vec![],
    };
    let started = "2026-01-01T00:00:00Z".parse().expect("a time");
    let report = ConnectReport::new(started, Duration::from_millis(1), Met::Room, attempt);
    let prediction = report.result.prediction.expect("both sides are known");
    assert_eq!(report.result.predicted, prediction.verdict.definite());
    prediction
}

/// The verdict by a table of shares in which there is this pair alone.
fn by_shares(a: &NatSpec, b: &NatSpec) -> (Verdict, Option<End>) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("two.toml");
    let text = if a.name == b.name {
        format!("[shares]\n{} = 1\n", a.name)
    } else {
        format!("[shares]\n{} = 1\n{} = 1\n", a.name, b.name)
    };
    std::fs::write(&file, text).expect("written");
    let need = Shares::load(&file).expect("readable").need();
    let of = |pair: &&natscope::lab::cost::PairNeed| {
        let names = [pair.a.as_str(), pair.b.as_str()];
        names == [a.name.as_str(), b.name.as_str()] || names == [b.name.as_str(), a.name.as_str()]
    };
    // those that connect are not listed
    let Some(pair) = need.pairs.iter().find(of) else { return (Verdict::Stun, None) };
    let as_asked = pair.a == a.name;
    (pair.verdict, pair.first.map(|end| if as_asked { end } else { end.other() }))
}

#[test]
fn all_that_forecast_agree_on_all_81_pairs() {
    let mut pairs = 0;
    for a in nine() {
        for b in nine() {
            let what = format!("{} × {}", a.name, b.name);
            let one = forecast(&a, &b);
            assert_eq!(Cell::new(&a, &b, vec![]).predicted, one.verdict, "matrix, {what}");
            assert_eq!(by_shares(&a, &b), (one.verdict, one.first), "shares, {what}");
            let predicted = prediction(facts(&a), facts(&b));
            assert_eq!(predicted.verdict.definite(), Some(one.verdict), "connect, {what}");
            let role = |end| if end == End::A { Role::Offer } else { Role::Answer };
            assert_eq!(predicted.first, one.first.map(role), "connect, {what}");
            pairs += 1;
        }
    }
    assert_eq!(pairs, 81);
}

/// The peers of a probe's report and of a scenario are those of RFC 3489.
#[test]
fn reports_and_scenarios_say_the_same_of_the_classic_peers() {
    let scenario = Scenario::find("symmetric").expect("the program's own");
    for a in nine() {
        for &kind in PeerKind::ALL {
            let what = format!("{} × {kind}", a.name);
            let one = forecast(&a, &kind.spec());
            let found = towards(facts(&a), kind);
            assert_eq!(found.verdict.definite(), Some(one.verdict), "report, {what}");
            assert!(found.possible.is_empty() && !found.because.is_empty(), "{what}");
            let sender = |end| if end == End::A { Sender::Here } else { Sender::Peer };
            assert_eq!(found.first, one.first.map(sender), "report, {what}");
            let concluded = scenario.conclude(&a, &facts(&a), 0.1);
            if let Some(peer) = concluded.peers.iter().find(|p| p.peer == kind.classic()) {
                assert_eq!(peer.verdict.definite(), Some(one.verdict), "scenario, {what}");
                assert_eq!(peer.first, one.first, "scenario, {what}");
            }
            assert_eq!(concluded.peers.len(), 4);
        }
    }
}

/// Every set of values that two facts may leave, against every kind of peer.
#[test]
fn facts_left_open_give_exactly_the_union_of_the_verdicts_of_their_values() {
    for mappings in subsets(Mapping::ALL) {
        for filterings in subsets(Filtering::ALL) {
            let open = Facts {
                nat: Fact::proven(true, "", vec![]),
                mapping: Fact::narrowed(&mappings, "", vec![]),
                filtering: Fact::narrowed(&filterings, "", vec![]),
                ..unknown()
            };
            for &kind in PeerKind::ALL {
                let mut union: Vec<Verdict> = mappings
                    .iter()
                    .flat_map(|&m| filterings.iter().map(move |&f| (m, f)))
                    .map(|(m, f)| {
                        forecast(&NatSpec::new(m, f, Allocation::Random), &kind.spec()).verdict
                    })
                    .collect();
                union.sort_unstable();
                union.dedup();
                let found = towards(open.clone(), kind);
                let what = format!("{mappings:?} {filterings:?} × {kind}: {}", found.because);
                if let [one] = union.as_slice() {
                    assert_eq!(found.verdict.definite(), Some(*one), "{what}");
                    assert!(found.possible.is_empty() && found.grade.is_some(), "{what}");
                } else {
                    assert_eq!(found.verdict.definite(), None, "{what}");
                    assert_eq!(found.possible, union, "{what}");
                    assert_eq!(found.grade, None, "{what}");
                    assert!(found.because.contains("depends on"), "{what}");
                }
            }
        }
    }
}

fn subsets<T: Copy>(all: &[T]) -> Vec<Vec<T>> {
    let chosen = |mask: u32| {
        let with = all.iter().enumerate().filter(move |(at, _)| mask & (1 << at) != 0);
        with.map(|(_, value)| *value).collect()
    };
    (1..1 << all.len()).map(chosen).collect()
}

#[test]
fn the_grade_is_that_of_the_weakest_fact_that_the_verdict_rests_on() {
    use PeerKind::{FullCone, PortRestrictedCone, Symmetric};
    let cone = || {
        let (mapping, filtering) =
            (Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
        facts(&NatSpec::new(mapping, filtering, Allocation::Preserving))
    };
    let grade = |facts: Facts, peer| towards(facts, peer).grade;
    assert_eq!(grade(cone(), Symmetric), Some(Grade::Proven));

    let guessed = |facts: Facts| Facts {
        filtering: Fact::probable(Filtering::AddressAndPortDependent, "", vec![]),
        ..facts
    };
    // an open filter would let a symmetric peer in; a cone gets in by any
    assert_eq!(grade(guessed(cone()), Symmetric), Some(Grade::Probable));
    assert_eq!(grade(guessed(cone()), PortRestrictedCone), Some(Grade::Proven));

    // whether early packets spoil the mapping was not shown: it would depend on the order then
    let untested = || Facts { early_packet_poisoning: Fact::not_tested(""), ..cone() };
    assert_eq!(grade(untested(), PortRestrictedCone), Some(Grade::Probable));
    assert_eq!(grade(untested(), FullCone), Some(Grade::Proven));
    let spoilt = Facts { early_packet_poisoning: Fact::proven(true, "", vec![]), ..cone() };
    let found = towards(spoilt, PortRestrictedCone);
    assert_eq!(
        (found.verdict.definite(), found.first),
        (Some(Verdict::OrderDependent), Some(Sender::Here))
    );
    assert_eq!(found.grade, Some(Grade::Proven));
    assert!(found.because.contains("only when this side sends first"), "{}", found.because);

    // nobody saw whether permissions are shared by the whole router
    let (mapping, filtering) = (Mapping::AddressDependent, Filtering::AddressDependent);
    let shared = facts(&NatSpec::new(mapping, filtering, Allocation::Random));
    let found = towards(shared, Symmetric);
    assert_eq!(
        (found.verdict.definite(), found.grade),
        (Some(Verdict::Turn), Some(Grade::Probable))
    );

    let blocked = Facts { classic: Fact::probable(Classic::UdpBlocked, "", vec![]), ..unknown() };
    let silent = Path { mapped: None, ..path(blocked) };
    let peers = Traversal::forecast(&[silent]).peers;
    assert!(peers.iter().all(|p| p.verdict.definite() == Some(Verdict::Turn)), "{peers:?}");
    let sure: Vec<PeerKind> =
        peers.iter().filter(|p| p.grade == Some(Grade::Proven)).map(|p| p.peer).collect();
    assert_eq!(sure, [PeerKind::UdpBlocked], "there it does not matter what is here");
}

/// A table of a report, made as often as this, takes far less than a probe's first packet.
#[test]
#[allow(clippy::disallowed_methods)] // how long it takes is what is asked
fn the_table_of_a_report_is_made_in_no_time() {
    let open = path(Facts { nat: Fact::proven(true, "", vec![]), ..unknown() });
    let began = std::time::Instant::now();
    for _ in 0..200 {
        assert_eq!(Traversal::forecast(std::slice::from_ref(&open)).peers.len(), 7);
    }
    let each = began.elapsed() / 200;
    println!("{each:?} each");
    assert!(each < std::time::Duration::from_millis(50), "{each:?}");
}
