use super::*;
use crate::lab::catalogue::Catalogue;
use crate::lab::matrix::autopsy::Autopsy;
use crate::nat::NatSpec;
use crate::nat::pair::End;
use RunOutcome::{Direct, Failed, Relay};

fn run_of(first: End, turn: bool, outcome: RunOutcome) -> Run {
    let (direct_packets, relay_packets) = match outcome {
        RunOutcome::Direct => (10, 0),
        RunOutcome::Relay => (0, 10),
        RunOutcome::Failed => (0, 0),
    };
    let failed = outcome == RunOutcome::Failed;
    Run {
        first,
        turn,
        outcome,
        selected: None,
        relay_packets,
        relay_reported: relay_packets,
        direct_packets,
        ms: 12.5,
        rtt_ms: None,
        alive_without_relay: (!failed).then_some(outcome == RunOutcome::Direct),
        because: String::new(),
        autopsy: failed.then(|| Autopsy {
            text: vec!["b's | <symmetric> dropped 5 packets".into()],
            drops: vec![],
            checks: vec![],
        }),
    }
}

/// A cell with each verdict, one of them wrong, one unknown.
pub(in crate::report) fn matrix() -> Matrix {
    let names = ["eim-eif", "eim-apdf", "apdm-eif", "symmetric"];
    let nats: Vec<NatSpec> =
        names.iter().map(|name| Catalogue::embedded().find(name).unwrap()).collect();
    let cell = |a: usize, b: usize, runs: Vec<Run>| Cell::new(&nats[a], &nats[b], runs);
    let four = |stun: [RunOutcome; 2], turn: [RunOutcome; 2]| {
        let mut runs = Vec::new();
        for (with, outcomes) in [(false, stun), (true, turn)] {
            let both = End::BOTH.into_iter().zip(outcomes);
            runs.extend(both.map(|(first, outcome)| run_of(first, with, outcome)));
        }
        runs
    };
    let cells = vec![
        cell(0, 0, four([Direct; 2], [Direct; 2])),
        cell(0, 1, four([Failed; 2], [Relay; 2])),
        cell(1, 2, four([Direct, Failed], [Direct, Relay])),
        cell(1, 3, four([Failed; 2], [Relay; 2])),
        cell(3, 3, vec![]),
    ];
    let names = nats.into_iter().map(|spec| spec.name).collect();
    Matrix::new(names, cells, false, 2.5)
}

#[test]
fn as_text() {
    let plain = text(&matrix(), false);
    assert!(plain.lines().all(|line| line.chars().count() <= 80), "{plain}");
    assert!(!plain.contains('\u{1b}'));
    insta::assert_snapshot!(plain);
    assert!(text(&matrix(), true).contains("\u{1b}[32mstun\u{1b}[0m"));
}

#[test]
fn nine_nats_fit_a_terminal() {
    let nats = (1..=9).map(|n| format!("apdm-apdf{n}")).collect();
    let plain = text(&Matrix::new(nats, vec![], true, 1.0), false);
    assert!(plain.lines().all(|line| line.chars().count() <= 80), "{plain}");
}

#[test]
fn as_markdown() {
    insta::assert_snapshot!(markdown(&matrix()));
}

#[test]
fn as_junit() {
    insta::assert_snapshot!(junit(&matrix()).unwrap());
}
