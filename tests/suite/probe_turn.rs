//! `natscope probe --turn`: an allocation tried beside the probe, and what the report says of it.
#![cfg(target_os = "linux")]

use crate::support;
use crate::support::coturn;
use crate::support::faulty_turn as faulty;
use crate::support::{natscope, parse, stderr, stdout};
use coturn::Coturn;
use faulty::Fault;
use serde_json::Value;
use std::net::SocketAddr;

/// A probe of this TURN server, by our own STUN server.
fn probe(turn: &str, password: &str, format: &str) -> String {
    let server = support::Server::start();
    let output = natscope()
        .args(["probe", "--server", &server.uri(), "--turn", turn, "--format", format])
        .args(["--user", "lab", "--budget", "4s"])
        .env("NATSCOPE_TURN_PASSWORD", password)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for text in [stdout(&output), stderr(&output)] {
        assert!(password.len() < 6 || !text.contains(password), "the password is shown: {text}");
    }
    stdout(&output)
}

fn json(turn: &str, password: &str) -> Value {
    let report = parse(&probe(turn, password, "json"));
    report["turn"][0].clone()
}

#[test]
fn coturn_is_shown_to_relay() {
    if !coturn::installed() {
        return;
    }
    let coturn = Coturn::start(&[], None);
    for (transport, over) in [("", "udp"), ("?transport=tcp", "tcp")] {
        let turn = json(&format!("turn:{}{transport}", coturn.address), "lab");
        assert_eq!(turn["over"], over, "{turn:#}");
        assert!(turn["relayed"].as_str().unwrap().starts_with("127.0.0.1:"), "{turn:#}");
        assert!(turn["allocated_ms"].is_f64() && turn["through_ms"].is_f64(), "{turn:#}");
        assert!(turn["because"].is_null() && turn["failure"].is_null(), "{turn:#}");
    }
    let turn = json(&format!("turn:{}", coturn.address), "wrong-password");
    assert_eq!(turn["failure"]["failure"], "unauthorized", "{turn:#}");
    assert_eq!(turn["failure"]["realm"], "natscope.test", "{turn:#}");
    let text = probe(&format!("turn:{}", coturn.address), "wrong-password", "text");
    assert!(text.contains("401") && text.contains("what to do: check the user name"), "{text}");
}

/// A faulty server that lives while `body` runs.
fn with<T>(fault: Fault, body: impl FnOnce(SocketAddr) -> T) -> T {
    faulty::live("127.0.0.1", fault, body)
}

#[test]
fn an_allocation_that_relays_nothing_is_noticed() {
    // it says that it relays from an address where nobody is
    with(Fault::None, |address| {
        let turn = json(&format!("turn:{address}"), "lab");
        assert_eq!(turn["relayed"], faulty::RELAYED, "{turn:#}");
        assert!(turn["through_ms"].is_null() && turn["failure"].is_null(), "{turn:#}");
        assert!(turn["advice"].as_str().unwrap().contains("relay ports"), "{turn:#}");
    });
}

#[test]
fn a_full_server_is_named_in_markdown() {
    with(Fault::Code(508, false), |address| {
        let markdown = probe(&format!("turn:{address}"), "lab", "markdown");
        assert!(markdown.contains("no allocation; 508"), "{markdown}");
        assert!(markdown.contains("widen its port range"), "{markdown}");
    });
}

#[test]
fn credentials_that_are_missing_are_asked_for() {
    for (args, said) in [
        (&["--turn", "turn:127.0.0.1", "--user", "u"][..], "--password-file"),
        (&["--turn", "turn:127.0.0.1", "--password", "p"], "--user"),
        (&["--expect", "turn=works"], "--turn turn:HOST"),
        (&["--expect", "turn=tls", "--turn", "turn:127.0.0.1"], "--turn turns:HOST"),
        (&["--expect", "turn=yes", "--turn", "turn:127.0.0.1"], "works, udp, tcp, tls"),
        (&["--turn", "stun:127.0.0.1"], "this is a STUN server"),
        (&["--turn", "turns:a?transport=udp"], "DTLS is not supported"),
        (&["--password-file", "/nonexistent"], "--turn"),
    ] {
        let output = natscope().arg("probe").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{args:?}: {}", stderr(&output));
    }
    let args = ["--turn", "turn:127.0.0.1", "--user", "u", "--password-file", "/nonexistent"];
    let output = natscope().arg("probe").args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("/nonexistent"), "{}", stderr(&output));
}

/// What `probe --turn` tells behind a NAT of the lab, whose server has a relay.
fn behind(nat: &str) -> Option<Vec<Value>> {
    if !support::lab() {
        return None;
    }
    let program = assert_cmd::cargo::cargo_bin!("natscope");
    let output = natscope()
        .args(["lab", "exec", nat, "--"])
        .arg(program)
        .args(["probe", "--server", "stun:203.0.113.1", "--budget", "6s", "--format", "json"])
        .args(["--turn", "turn:203.0.113.1", "--turn", "turn:203.0.113.1?transport=tcp"])
        .args(["--user", "lab", "--password", "lab"])
        .output()
        .unwrap();
    let report = parse(&stdout(&output));
    Some(report["turn"].as_array().unwrap_or_else(|| panic!("{report:#}")).clone())
}

#[test]
fn our_own_relay_is_shown_to_relay_behind_a_symmetric_nat() {
    let Some(turn) = behind("symmetric") else { return };
    for server in &turn {
        assert!(server["through_ms"].is_f64() && server["because"].is_null(), "{server:#}");
    }
}

#[test]
fn blocked_udp_is_not_blamed_on_the_relays_ports() {
    let Some(turn) = behind("udp-blocked") else { return };
    assert_eq!(turn[0]["failure"]["failure"], "no-answer", "{:#}", turn[0]);
    let over_tcp = &turn[1];
    assert!(over_tcp["relayed"].is_string() && over_tcp["through_ms"].is_f64(), "{over_tcp:#}");
    assert_eq!(over_tcp["through_by"], "second-allocation", "{over_tcp:#}");
    assert_eq!(over_tcp["verdict"], "works", "{over_tcp:#}");
    assert!(over_tcp["advice"].is_null() && over_tcp["because"].is_null(), "{over_tcp:#}");
}
