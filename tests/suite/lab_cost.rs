//! `natscope lab cost` as a user runs it. What is checked does not depend on how quick the machine
//! is.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // a moment in the middle of a run

use crate::support::{lab, natscope, parse, stderr, stdout};
use serde_json::Value;
use std::process::{Command, Stdio};

fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {value:#}"))
}

fn check_way(way: &Value, what: &str) {
    let (median, p99) = (number(way, "/rtt/median_ms"), number(way, "/rtt/p99_ms"));
    assert!(median > 0.0 && p99 >= median, "{what}: {way:#}");
    let steps = way["load"]["steps"].as_array().unwrap();
    assert!(!steps.is_empty(), "{what}: {way:#}");
    for step in steps {
        let (offered, delivered) =
            (number(step, "/offered_mbit_s"), number(step, "/delivered_mbit_s"));
        assert!(delivered <= offered && offered > 0.0, "{what}: {step:#}");
        assert!((0.0..=1.0).contains(&number(step, "/loss")), "{what}: {step:#}");
    }
}

fn check_relay(relay: &Value) {
    assert!(relay["failure"].is_null(), "{relay:#}");
    assert!(relay["version"].as_str().is_some_and(|v| v.contains('.')), "{relay:#}");
    check_way(&relay["channel"], "channel");
    check_way(&relay["indication"], "indication");
    assert!(number(relay, "/memory/idle_kib") > 0.0, "{relay:#}");
    assert!(number(relay, "/memory/with_kib") >= number(relay, "/memory/idle_kib"), "{relay:#}");
    assert!(number(relay, "/stun/requests") > 0.0 && number(relay, "/stun/cpu_us") > 0.0);
    for cpu in ["channel_cpu", "indication_cpu"] {
        assert!(number(relay, &format!("/{cpu}/per_gbit")) > 0.0, "{relay:#}");
    }
}

/// Ethernet, IP and UDP take 42 bytes; `ChannelData` 4 more (RFC 8656 section 12.4); a Send
/// indication 36 more: a header of 20, a peer of 12, and the head of its data of 4 (section 11.1).
fn check_wire(wire: &Value) {
    let payload = number(wire, "/payload_bytes");
    let overhead = |path| (number(wire, path) - 1.0) * payload;
    let close = |a: f64, b: f64| (a - b).abs() < 1.0;
    assert!(close(overhead("/direct"), 42.0), "{wire:#}");
    assert!(close(overhead("/channel"), 46.0), "{wire:#}");
    assert!(close(overhead("/indication"), 78.0), "{wire:#}");
}

#[test]
fn direct_and_relayed_are_measured_in_one_run() {
    if !lab() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (text, markdown) = (folder.path().join("cost.txt"), folder.path().join("cost.md"));
    let output = natscope()
        .args(["lab", "cost", "--calls", "500", "--format", "json", "--output"])
        .arg(&text)
        .arg("--output")
        .arg(&markdown)
        .output()
        .unwrap();
    let document = parse(&stdout(&output));
    assert_eq!(output.status.code(), Some(0), "{}\n{document:#}", stderr(&output));
    assert_eq!(document["schema"], "natscope-cost/1");
    assert_eq!(document["complete"], true, "{document:#}");
    let system = &document["system"];
    assert_eq!(system["natscope"], env!("CARGO_PKG_VERSION"));
    assert!(system["kernel"].is_string() && system["nft"].is_string(), "{system}");
    assert!((0.0..=1.0).contains(&number(&document, "/others")), "{document:#}");
    check_way(&document["direct"], "direct");
    let relays = document["relays"].as_array().unwrap();
    let coturn = Command::new(natscope::lab::coturn::program()).arg("--version").output().is_ok();
    assert_eq!(relays.len(), if coturn { 2 } else { 1 }, "{document:#}");
    relays.iter().for_each(check_relay);
    let wire = document["wire"].as_array().unwrap();
    assert_eq!(wire.len(), 2);
    wire.iter().for_each(check_wire);
    let need = |what: &str| number(&document, &format!("/need/{what}"));
    assert!((need("stun") + need("order_dependent") + need("turn") - 1.0).abs() < 1e-9);
    assert!((number(&document, "/plan/relayed_calls") - 500.0 * need("turn")).abs() < 1e-6);
    let (low, high) = (need("ranges/turn/low"), need("ranges/turn/high"));
    assert!(0.1 < low && low < need("turn") && need("turn") < high && high < 0.3, "{document:#}");
    assert!((number(&document, "/plan/relayed_range/high") - 500.0 * high).abs() < 1e-6);
    assert_eq!(document["need"]["populations"][0]["name"], "mixed");
    assert_eq!(document["plan"]["relays"].as_array().unwrap().len(), relays.len());
    let text = std::fs::read_to_string(text).unwrap();
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(text.contains("TURN, natscope") && !text.contains("not measured"), "{text}");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in ["because UDP is blocked", "home and mobile of", "Assumed: one host of four"] {
        assert!(flat.contains(said), "{said}: {text}");
    }
    let markdown = std::fs::read_to_string(markdown).unwrap();
    assert!(markdown.contains("TURN, natscope"), "{markdown}");
}

#[test]
fn an_interrupt_leaves_a_valid_partial_document() {
    if !lab() {
        return;
    }
    let child = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["lab", "cost", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // it is somewhere in the middle; wherever that is, the document must be whole
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let document = parse(&stdout(&output));
    assert_eq!(document["complete"], false, "{document:#}");
    assert!(number(&document, "/need/turn") > 0.0);
}

#[test]
fn a_table_of_ones_own_decides_how_often_a_relay_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, "[shares]\neim-apdf = 1\nsymetric = 1\n").unwrap();
    let output = natscope().args(["lab", "cost", "--shares"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("mine.toml:3") && said.contains("did you mean `symmetric`"), "{said}");
    let output = natscope().args(["lab", "cost", "--shares", "home:mobil"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("`mobil` (did you mean `mobile`?)"), "{said}");
}
