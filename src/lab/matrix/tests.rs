use super::autopsy::{Witness, examine, since};
use super::*;
use crate::ice::{
    Candidate, Check, CheckResult, Connection, Outcome, Pair, PairEnd, Role, Transport,
};
use crate::lab::catalogue::Catalogue;
use crate::lab::rules::{Reason, Refused};
use std::net::Ipv4Addr;

fn nat(name: &str) -> NatSpec {
    Catalogue::embedded().find(name).unwrap()
}

/// A run as it should be.
pub(crate) fn run(first: End, turn: bool, outcome: RunOutcome) -> Run {
    let connected = outcome != RunOutcome::Failed;
    let (direct, relay) = match outcome {
        RunOutcome::Direct => (10, 0),
        RunOutcome::Relay => (0, 10),
        RunOutcome::Failed => (0, 0),
    };
    Run {
        first,
        turn,
        outcome,
        selected: None,
        relay_packets: relay,
        relay_reported: relay,
        direct_packets: direct,
        ms: 12.5,
        rtt_ms: connected.then_some(0.4),
        alive_without_relay: connected.then_some(outcome == RunOutcome::Direct),
        because: String::new(),
        autopsy: None,
    }
}

/// The four runs of a cell.
fn runs(stun: [RunOutcome; 2], turn: [RunOutcome; 2]) -> Vec<Run> {
    let mut all = Vec::new();
    for (with, outcomes) in [(false, stun), (true, turn)] {
        all.extend(End::BOTH.into_iter().zip(outcomes).map(|(first, o)| run(first, with, o)));
    }
    all
}

use RunOutcome::{Direct, Failed, Relay};

fn cell(a: &str, b: &str, stun: [RunOutcome; 2], turn: [RunOutcome; 2]) -> Cell {
    Cell::new(&nat(a), &nat(b), runs(stun, turn))
}

#[test]
fn the_verdict_from_the_runs() {
    let stun = cell("eim-eif", "symmetric", [Direct; 2], [Direct; 2]);
    assert_eq!((stun.verdict, stun.agrees), (Some(Verdict::Stun), true), "{stun:?}");
    let turn = cell("eim-apdf", "symmetric", [Failed; 2], [Relay; 2]);
    assert_eq!((turn.verdict, turn.agrees), (Some(Verdict::Turn), true), "{turn:?}");
    let order = cell("eim-apdf", "apdm-eif", [Direct, Failed], [Direct, Relay]);
    assert_eq!((order.verdict, order.agrees), (Some(Verdict::OrderDependent), true), "{order:?}");
    let none = cell("eim-apdf", "symmetric", [Failed; 2], [Failed; 2]);
    assert_eq!((none.verdict, none.agrees), (Some(Verdict::None), false));
    assert!(none.faults[0].contains("predicted turn, measured none"), "{none:?}");
}

#[test]
fn the_wrong_order_is_a_fault() {
    let cell = cell("eim-apdf", "apdm-eif", [Failed, Direct], [Relay, Direct]);
    assert_eq!(cell.verdict, Some(Verdict::OrderDependent));
    assert!(!cell.agrees);
    assert!(cell.faults[0].contains("STUN alone, a first: failed where direct"), "{cell:?}");
}

#[test]
fn a_relay_that_fails_once_is_a_fault() {
    let cell = cell("eim-apdf", "symmetric", [Failed; 2], [Relay, Failed]);
    assert_eq!((cell.verdict, cell.agrees), (Some(Verdict::Turn), false));
    assert_eq!(cell.faults, ["with TURN, b first: failed where relay was expected"]);
}

#[test]
fn a_claim_that_the_packets_do_not_bear_out_is_no_verdict() {
    let broken = |change: fn(&mut Run), which: usize, stun, turn, b| {
        let mut all = runs(stun, turn);
        change(&mut all[which]);
        let cell = Cell::new(&nat("eim-apdf"), &nat(b), all);
        assert_eq!((cell.verdict, cell.agrees), (None, false), "{cell:?}");
        cell.faults[0].clone()
    };
    let direct = |change, which| broken(change, which, [Direct; 2], [Direct; 2], "eim-apdf");
    assert!(direct(|r| r.relay_packets = 1, 2).contains("the relay carried its data"));
    assert!(direct(|r| r.direct_packets = 0, 0).contains("no data passed from NAT to NAT"));
    assert!(direct(|r| r.alive_without_relay = Some(false), 1).contains("died with the relay"));
    let relayed = |change, which| broken(change, which, [Failed; 2], [Relay; 2], "symmetric");
    assert!(relayed(|r| r.relay_packets = 0, 2).contains("the relay carried no data"));
    assert!(relayed(|r| r.relay_reported = 0, 2).contains("says that it carried nothing"));
    assert!(relayed(|r| r.alive_without_relay = Some(true), 3).contains("outlived the relay"));
}

#[test]
fn what_was_stopped_early_has_no_verdict() {
    for made in 0..2 {
        let mut all = runs([Direct; 2], [Direct; 2]);
        all.truncate(made);
        let cell = Cell::new(&nat("eim-eif"), &nat("eim-eif"), all);
        assert_eq!((cell.verdict, cell.agrees), (None, false));
        assert!(cell.faults[0].starts_with("stopped before both orders"), "{cell:?}");
    }
    let mut all = runs([Failed; 2], [Relay; 2]);
    all.truncate(2);
    let cell = Cell::new(&nat("symmetric"), &nat("symmetric"), all);
    assert_eq!(cell.verdict, None, "whether a relay connects was not tried");
    let matrix = Matrix::new(vec!["symmetric".into()], vec![cell], false, 1.0);
    assert_eq!((matrix.summary.unknown, matrix.summary.agree), (1, 0));
    assert_eq!(matrix.disagreements().count(), 0);
}

#[test]
fn pairs_and_names() {
    assert_eq!(pairs(4).len(), 10);
    assert_eq!(pairs(9).len(), 45);
    let twice = distinct(vec![nat("full-cone"), nat("symmetric"), nat("eim-eif")]);
    assert_eq!(twice.len(), 2);
}

#[test]
fn the_document_is_as_the_contract_says() {
    let cell = cell("eim-apdf", "symmetric", [Failed; 2], [Relay; 2]);
    let nats = vec!["eim-apdf".into(), "symmetric".into()];
    insta::assert_json_snapshot!(Matrix::new(nats, vec![cell], true, 1.5));
}

/// What an agent says that sent five checks from behind `public` to `remote`.
fn outcome(public: &str, remote: &str) -> Outcome {
    let end =
        |address: &str| PairEnd { kind: Kind::ServerReflexive, address: address.parse().unwrap() };
    Outcome {
        connection: Connection::Failed,
        because: String::new(),
        role: Role::Controlling,
        selected: None,
        connected_ms: None,
        gathered_ms: 1.0,
        local: vec![Candidate {
            foundation: "1".into(),
            component: 1,
            transport: Transport::Udp,
            priority: 1,
            address: public.parse().unwrap(),
            kind: Kind::ServerReflexive,
            related: None,
        }],
        remote: vec![],
        stun: vec![],
        turn: vec![],
        checks: vec![Check {
            pair: Pair { local: end(public), remote: end(remote), transport: Transport::Udp },
            sent_ms: vec![0.0; 5],
            answered_ms: None,
            received_ms: vec![],
            mapped: None,
            result: CheckResult::Unanswered,
            nominated: false,
        }],
        lost: None,
        avoided: vec![],
    }
}

fn refused(reason: Reason, from: &str, to: &str, packets: u64) -> Refused {
    Refused { reason, from: from.parse().unwrap(), to: to.parse().unwrap(), packets }
}

#[test]
fn an_autopsy_names_box_reason_and_ports() {
    let (a, b) = (nat("eim-apdf"), nat("apdm-apdf"));
    let said =
        [outcome("192.0.2.1:1000", "192.0.2.2:2000"), outcome("192.0.2.2:2000", "192.0.2.1:1000")];
    let at_a = [vec![refused(Reason::Filter, "192.0.2.2:2999", "192.0.2.1:1000", 5)]];
    let at_b = [vec![
        refused(Reason::Filter, "192.0.2.1:1000", "192.0.2.2:2000", 4),
        // not of this peer
        refused(Reason::NoMapping, "203.0.113.9:9", "192.0.2.2:2000", 1),
    ]];
    let witness = |spec, public: u8, outcome, refused| Witness {
        spec,
        public: Ipv4Addr::new(192, 0, 2, public),
        outcome,
        refused,
    };
    let found = examine(witness(&a, 1, &said[0], &at_a), witness(&b, 2, &said[1], &at_b));
    insta::assert_json_snapshot!(found);
}

#[test]
fn only_what_is_new_counts_for_a_run() {
    let old = [refused(Reason::Filter, "192.0.2.1:1", "192.0.2.2:2", 3)];
    let new = [
        refused(Reason::Filter, "192.0.2.1:1", "192.0.2.2:2", 5),
        refused(Reason::Taken, "192.0.2.1:1", "192.0.2.2:2", 1),
    ];
    let packets: Vec<u64> = since(&old, &new).iter().map(|r| r.packets).collect();
    assert_eq!(packets, [2, 1]);
    assert!(since(&new, &new).is_empty());
}
