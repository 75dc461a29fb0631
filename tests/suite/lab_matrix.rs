//! `natscope lab matrix` as a user runs it: real connections between every pair of NATs.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // a clock to give up by

use crate::support::{lab, natscope, parse, stderr, stdout};
use serde_json::Value;
use std::process::{Command, Stdio};

const NINE: [&str; 9] = [
    "eim-eif",
    "eim-adf",
    "eim-apdf",
    "adm-eif",
    "adm-adf",
    "adm-apdf",
    "apdm-eif",
    "apdm-adf",
    "apdm-apdf",
];

/// The document of a matrix; every pair must be as predicted.
fn matrix(arguments: &[&str]) -> Value {
    let output =
        natscope().args(["lab", "matrix", "--format", "json"]).args(arguments).output().unwrap();
    let (out, err) = (stdout(&output), stderr(&output));
    assert!(err.is_empty(), "{err}");
    let document = parse(&out);
    let wrong: Vec<&Value> =
        cells(&document).iter().filter(|cell| cell["agrees"] != true).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(document["schema"], "natscope-matrix/1");
    for run in cells(&document).iter().flat_map(|cell| cell["runs"].as_array().unwrap()) {
        assert_proven(run);
    }
    document
}

fn cells(document: &Value) -> &[Value] {
    document["cells"].as_array().unwrap()
}

fn verdict<'a>(document: &'a Value, a: &str, b: &str) -> &'a str {
    let cell = cells(document)
        .iter()
        .find(|c| (c["a"] == a && c["b"] == b) || (c["a"] == b && c["b"] == a));
    cell.unwrap_or_else(|| panic!("{a} × {b}"))["verdict"].as_str().unwrap()
}

/// Packets say of every connection which way it went, and a failure has its autopsy.
fn assert_proven(run: &Value) {
    let packets = |way: &str| run[way].as_u64().unwrap();
    match run["outcome"].as_str().unwrap() {
        "direct" => {
            assert_eq!(packets("relay_packets"), 0, "{run}");
            assert!(packets("direct_packets") >= 5, "{run}");
            assert_eq!(run["alive_without_relay"], true, "{run}");
        }
        "relay" => {
            assert!(packets("relay_packets") >= 5, "{run}");
            assert_eq!(packets("direct_packets"), 0, "{run}");
            assert_eq!(run["alive_without_relay"], false, "{run}");
        }
        _ => {
            assert_eq!(run["turn"], false, "{run}");
            let text = run["autopsy"]["text"].as_array().unwrap();
            assert!(!text.is_empty(), "{run}");
            assert!(!run["autopsy"]["drops"].as_array().unwrap().is_empty(), "{run}");
        }
    }
}

#[test]
fn the_classic_four_and_every_format() {
    if !lab() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let files = ["m.json", "m.md", "m.txt", "m.xml"].map(file);
    let outputs: Vec<&str> = files.iter().flat_map(|f| ["--output", f.as_str()]).collect();
    let document = matrix(&outputs);
    assert_eq!(cells(&document).len(), 10);
    for cell in cells(&document) {
        let (a, b) = (cell["a"].as_str().unwrap(), cell["b"].as_str().unwrap());
        let turn = b == "symmetric" && ["port-restricted-cone", "symmetric"].contains(&a);
        assert_eq!(cell["verdict"], if turn { "turn" } else { "stun" }, "{a} × {b}");
    }
    let [json, md, txt, xml] = files.map(|file| std::fs::read_to_string(file).unwrap());
    assert_eq!(parse(&json), document);
    assert!(md.contains("| **symmetric** | stun | stun | turn | turn |"), "{md}");
    assert!(txt.contains("10 of 10 pairs as predicted"), "{txt}");
    assert!(txt.contains("it filters by address and port, and a"), "{txt}");
    assert!(xml.contains("tests=\"10\""), "{xml}");
    assert!(xml.contains("failures=\"0\" errors=\"0\""), "{xml}");
}

#[test]
fn fourteen_of_the_45_pairs_need_a_relay() {
    if !lab() {
        return;
    }
    let document = matrix(&NINE);
    let summary = &document["summary"];
    assert_eq!(summary["cells"], 45);
    assert_eq!(summary["turn"], 14);
    assert_eq!(summary["stun"], 29);
    assert_eq!(summary["order_dependent"], 2);
    for peer in ["adm-eif", "apdm-eif"] {
        assert_eq!(verdict(&document, "eim-apdf", peer), "order-dependent");
    }
}

/// Faults of routers, hosts without a NAT, and hosts without UDP.
#[test]
fn unusual_networks_are_as_predicted_too() {
    if !lab() {
        return;
    }
    let nats = ["open", "firewall", "udp-blocked", "leaky-home", "eim-apdf", "symmetric"];
    let document = matrix(&nats);
    let of = |a, b| verdict(&document, a, b);
    assert_eq!(of("leaky-home", "eim-apdf"), "order-dependent");
    assert_eq!(of("leaky-home", "leaky-home"), "turn");
    assert_eq!(of("udp-blocked", "udp-blocked"), "turn");
    assert_eq!(of("open", "symmetric"), "stun");
    assert_eq!(of("firewall", "symmetric"), "turn");
}

/// Two NATs in a row, each of which filters by its own mapping, and permissions that a router shares.
#[test]
fn stacks_and_shared_permissions_are_as_predicted_too() {
    if !lab() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(format!("{name}.toml"));
        std::fs::write(&path, format!("name = \"{name}\"\n{text}")).unwrap();
        path.display().to_string()
    };
    let inner = "mapping = \"endpoint-independent\"\nfiltering = \"address-dependent\"\n\
                 allocation = \"preserving\"\n";
    let outer = "[[layers]]\nname = \"outer\"\nmapping = \"address-and-port-dependent\"\n\
                 filtering = \"endpoint-independent\"\nallocation = \"random\"\n";
    let stack = file("stack", &format!("{inner}{outer}"));
    let shared = file(
        "shared",
        "mapping = \"address-dependent\"\nfiltering = \"address-dependent\"\n\
         scope = \"endpoint\"\nallocation = \"random\"\n",
    );
    let document = matrix(&[&stack, &shared, "symmetric", "port-restricted-cone"]);
    assert_eq!(verdict(&document, "stack", "symmetric"), "stun");
    assert_eq!(verdict(&document, "shared", "symmetric"), "stun");
    assert_eq!(verdict(&document, "stack", "port-restricted-cone"), "order-dependent");
}

#[test]
fn wrong_arguments_are_said_before_anything_is_built() {
    let (dir, run) = (tempfile::tempdir().unwrap(), |args: &[&str]| {
        let output = natscope().args(["lab", "matrix"]).args(args).output().unwrap();
        (output.status.code(), stderr(&output))
    });
    let (code, said) = run(&["symetric"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("did you mean `symmetric`?"), "{said}");
    if lab() {
        let file = dir.path().join("m.html").display().to_string();
        let (code, said) = run(&["--output", &file]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("must end in .json, .md, .txt or .xml"), "{said}");
    }
}

#[test]
fn an_interrupt_leaves_a_valid_partial_document() {
    if !lab() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("m.json");
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["lab", "matrix", "udp-blocked", "--output", &file.display().to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // signals are handled before the lab's own process is begun; the attempts then take seconds
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let began = std::time::Instant::now();
    while std::fs::read_to_string(&children).unwrap().is_empty() {
        assert!(began.elapsed().as_secs() < 20, "no lab");
        std::thread::yield_now();
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let code = child.wait().unwrap().code();
    let document = parse(&std::fs::read_to_string(&file).unwrap());
    assert_eq!(document["summary"]["complete"], false, "{document}");
    assert_eq!(document["cells"][0]["verdict"], Value::Null);
    assert_eq!(code, Some(3));
}
