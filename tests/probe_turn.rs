//! `natscope probe --turn`: an allocation tried beside the probe, and what the report says of it.
#![cfg(target_os = "linux")]

mod common;
#[path = "support/coturn.rs"]
mod coturn;
#[path = "support/faulty_turn.rs"]
mod faulty;

use common::{natscope, parse, stderr, stdout};
use coturn::Coturn;
use faulty::Fault;
use serde_json::Value;
use std::net::SocketAddr;

/// A probe of this TURN server, by our own STUN server.
fn probe(turn: &str, password: &str, format: &str) -> String {
    let server = common::Server::start();
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
    let schema = parse(&common::read("docs/report.schema.json"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&report), "{report:#}");
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
    let (tell, told) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            tell.send(faulty::udp(fault).await.0).unwrap();
            drop(stopped.await);
        });
    });
    let done = body(told.recv().unwrap());
    drop(stop);
    thread.join().unwrap();
    done
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
        (&["--turn", "turn:127.0.0.1"][..], "--user"),
        (&["--turn", "turn:127.0.0.1", "--user", "u"], "--password-file"),
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
