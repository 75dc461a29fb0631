//! TURN clients that others wrote against the relay of `natscope serve`: coturn's, and an ICE agent
//! that may use nothing else.
//!
//! Each test runs in a network namespace of its own: a relay sends to no peer on a loopback address.
#![cfg(target_os = "linux")]

use crate::support::netns;
use netns::Serve;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use tempfile::NamedTempFile;

const SERVER: &str = "203.0.113.1";
const PEER: &str = "203.0.113.10";
const CLIENT: &str = "203.0.113.11";
const COTURN: &str = "turnutils_uclient";

/// Runs `body` in a namespace: this test binary starts itself again in there, for `test` only.
/// It is skipped where there is no namespace or not the `tool`.
fn in_namespace(test: &str, tool: &[&str], body: impl FnOnce()) {
    let test = format!("{}::{test}", module_path!());
    netns::in_namespace_with(&test, || have(tool), &[SERVER, PEER, CLIENT], body);
}

/// Whether a command can be had: it starts, whatever it then says.
fn have(tool: &[&str]) -> Result<(), String> {
    let Some((program, arguments)) = tool.split_first() else { return Ok(()) };
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if *program == "python3" && !output.status.success() {
        return Err("python3 has no module `aioice`".to_owned());
    }
    Ok(())
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// A file that nobody else can read.
fn secret(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    writeln!(file, "{content}").expect("written");
    file
}

/// A relay for alice, and for whoever the secret `north` lets in.
fn relay(more: &[&str]) -> Serve {
    // all are on one host, whose addresses are no peers but by name
    relay_on(SERVER, &[more, &["--allow-peer", PEER, "--allow-peer", CLIENT]].concat())
}

fn relay_on(listen: &str, more: &[&str]) -> Serve {
    let (password, shared) = (secret("wonder"), secret("north"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_natscope"));
    command.args(["serve", "--listen", listen, "--turn", "--user", "alice"]);
    command.arg("--password-file").arg(password.path());
    command.arg("--secret-file").arg(shared.path());
    // it has read the files when it answers
    Serve::start(command.args(more), 1)
}

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A peer that sends everything back.
fn echo() -> Running {
    let mut command = Command::new("turnutils_peer");
    command.args(["-L", PEER, "-p", "3480"]).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().expect("coturn is installed"))
}

/// Several clients side by side, each for half a minute at most; what each said.
fn run<const N: usize>(clients: [&[&str]; N]) -> [String; N] {
    let running = clients.map(|client| {
        let mut command = Command::new("timeout");
        command.arg("30").args(client).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("coreutils")
    });
    running.map(|child| {
        let output = child.wait_with_output().expect("a child");
        assert_ne!(output.status.code(), Some(124), "it did not end: {}", text(&output));
        text(&output)
    })
}

fn assert_clean(what: &str, said: &str) {
    assert!(
        said.contains("Total lost packets 0 (0.000000%), total send dropped 0"),
        "{what}: {said}"
    );
    assert!(
        !said.contains("tot_recv_msgs=0\n") || said.contains("tot_recv_msgs="),
        "{what}: {said}"
    );
    for wrong in ["ERROR", "error 4", "error 5"] {
        assert!(!said.contains(wrong), "{what}: {said}");
    }
}

#[test]
fn coturns_client_runs_clean_over_udp_and_tcp() {
    in_namespace("coturns_client_runs_clean_over_udp_and_tcp", &[COTURN], || {
        let server = relay(&[]);
        let _echo = echo();
        let with = |flags: &[&'static str]| {
            let common = [COTURN, "-u", "alice", "-w", "wonder", "-L", CLIENT, "-n", "20"];
            [&common[..], flags, &[SERVER]].concat()
        };
        // channels and Send, to an echoing peer and from client to client, with and without the
        // reserved next port, with padding
        let flags: [&[&'static str]; 8] = [
            &["-e", PEER],
            &["-e", PEER, "-s", "-c"],
            &["-y", "-m", "4"],
            &["-y", "-s", "-D"],
            &["-t", "-e", PEER],
            &["-t", "-e", PEER, "-s"],
            &["-t", "-y", "-m", "4"],
            &["-X", "-N", "-y"],
        ];
        let commands = flags.map(with);
        let said = run(std::array::from_fn::<_, 8, _>(|n| commands[n].as_slice()));
        for (flags, said) in flags.iter().zip(&said) {
            assert_clean(&format!("{flags:?}"), said);
        }
        let (code, said) = server.terminate();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("relayed "), "{said}");
    });
}

#[test]
fn coturns_client_with_time_limited_credentials_runs_clean() {
    in_namespace("coturns_client_with_time_limited_credentials_runs_clean", &[COTURN], || {
        let _server = relay(&[]);
        let client =
            |secret| [COTURN, "-u", "carol", "-W", secret, "-L", CLIENT, "-y", "-c", SERVER];
        let (good, bad) = (client("north"), client("south"));
        let [good, bad] = run([&good, &bad]);
        assert_clean("north", &good);
        assert!(bad.contains("Cannot complete Allocation"), "{bad}");
    });
}

#[test]
fn coturns_client_is_told_why_it_is_refused() {
    in_namespace("coturns_client_is_told_why_it_is_refused", &[COTURN], || {
        let client = |more: &[&'static str]| {
            let common = [COTURN, "-v", "-L", CLIENT, "-u", "alice", "-w"];
            [&common[..], more, &[SERVER]].concat()
        };
        let server = relay(&["--deny-peer", PEER]);
        let (wrong, denied) = (client(&["wrong", "-c", "-y"]), client(&["wonder", "-e", PEER]));
        let [wrong, denied] = run([&wrong, &denied]);
        assert!(wrong.contains("Cannot complete Allocation"), "{wrong}");
        assert!(denied.contains("403 (Forbidden: the peer is an address denied here)"), "{denied}");
        server.terminate();
        let _server = relay(&["--quota", "1"]);
        let [two] = run([&client(&["wonder", "-y"])]);
        assert!(two.contains("486 (Allocation Quota Reached)"), "{two}");
    });
}

#[test]
fn who_listens_on_all_addresses_relays_to_none_of_them() {
    in_namespace("who_listens_on_all_addresses_relays_to_none_of_them", &[COTURN], || {
        let _server = relay_on("0.0.0.0", &["--relay-address", SERVER]);
        // over TCP: a UDP answer leaves by the address that the route has, not the one asked
        let client = [COTURN, "-v", "-t", "-c", "-L", CLIENT, "-u", "alice", "-w", "wonder"];
        let [said] = run([&[&client[..], &["-e", PEER, SERVER]].concat()]);
        assert!(said.contains("403 (Forbidden: the peer is the server's own address)"), "{said}");
    });
}

const AIOICE: &str = include_str!("support/aioice_relay.py");

#[test]
fn two_aioice_peers_connect_through_the_relay_only() {
    let tool = ["python3", "-c", "import aioice"];
    in_namespace("two_aioice_peers_connect_through_the_relay_only", &tool, || {
        let server = relay(&[]);
        let peer =
            |transport| ["python3", "-c", AIOICE, SERVER, "3478", "alice", "wonder", transport];
        let (udp, tcp) = (peer("udp"), peer("tcp"));
        for said in run([&udp, &tcp]) {
            let result: serde_json::Value =
                serde_json::from_str(said.trim()).unwrap_or_else(|_| panic!("{said}"));
            assert_eq!(result["types"], serde_json::json!(["relay", "relay"]), "{said}");
            assert_eq!(
                result["selected"],
                serde_json::json!([["relay", "relay"], ["relay", "relay"]])
            );
            assert_eq!(result["heard"].as_array().expect("packets").len(), 40);
        }
        let (_, said) = server.terminate();
        assert!(said.contains("relayed "), "{said}");
    });
}
