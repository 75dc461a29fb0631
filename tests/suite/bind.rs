//! `--bind ADDR:PORT` on loopback, against a server of our own.
#![allow(clippy::disallowed_types)] // there are servers in it

use serde_json::Value;
use std::net::UdpSocket;
use std::process::{Command, Output};

/// A plain STUN server on a port of its own, until the test is over.
fn server() -> String {
    use natscope::stun;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let uri = format!("stun:{}", socket.local_addr().expect("known"));
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Ok(request) = stun::read(&buffer[..length]) else { continue };
            let response = stun::Success {
                mapped: from,
                origin: None,
                other: None,
                software: None,
                padding: None,
                fingerprint: false,
                classic: None,
            };
            let mut bytes = Vec::new();
            stun::encode_success(request.id, &response, &mut bytes);
            let _refused = socket.send_to(&bytes, from);
        }
    });
    uri
}

fn probe(bind: &str, servers: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_natscope"));
    command.args(["probe", "--format", "json", "--bind", bind]);
    for server in servers {
        command.args(["--server", server]);
    }
    command.output().expect("natscope runs")
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.local_addr().expect("known").port()
}

#[test]
fn the_mapping_is_measured_from_the_port_and_nothing_else() {
    let servers = [server(), server()];
    let local = format!("127.0.0.1:{}", free_port());
    let output = probe(&local, &servers);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report["paths"][0]["local"], *local);
    assert_eq!(report["paths"][0]["mapped"], *local);
    let sockets = report["sockets"].as_array().expect("sockets");
    let fixed: Vec<&Value> = sockets.iter().filter(|s| s["fixed"] == true).collect();
    assert_eq!(fixed.len(), 1, "{sockets:#?}");
    assert_eq!(fixed[0]["local"], *local);
    assert!(sockets.iter().filter(|s| s["local"] == *local).count() == 1, "{sockets:#?}");
    let asked: Vec<&Value> = report["transactions"]
        .as_array()
        .expect("transactions")
        .iter()
        .filter(|t| t["socket"] == fixed[0]["id"])
        .collect();
    assert_eq!(asked.len(), 2, "each server once: {asked:#?}");
    let findings = report["findings"].as_array().expect("findings");
    assert!(findings.iter().any(|f| f["id"] == "fixed-port"), "{findings:#?}");
}

#[test]
fn a_port_in_use_is_said_before_anything_is_sent() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let at = taken.local_addr().expect("known");
    let output = probe(&at.to_string(), &[server()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&at.port().to_string()) && said.contains("in use"), "{said}");
}

#[test]
fn a_bad_bind_is_a_mistake_in_the_command() {
    for bind in ["127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:", "[127.0.0.1]:5", "a:b:c"] {
        let output = probe(bind, &["stun:127.0.0.1:1".to_owned()]);
        assert_eq!(output.status.code(), Some(2), "{bind}");
    }
    let output = probe("no-such-interface:4500", &["stun:127.0.0.1:1".to_owned()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no interface named"));
}
