//! STUN clients that others wrote, of RFC 5780 and of RFC 3489, against `natscope serve`: they must
//! see the open host that they run on. And the server as a process: how it stops, how it fails.
//!
//! Each test runs in a network namespace of its own with three addresses.
#![cfg(target_os = "linux")]

use crate::support::netns;
use netns::Serve;
use std::process::{Command, Output};

const SERVER: &str = "203.0.113.1";
const ALTERNATE: &str = "203.0.113.2";
const CLIENT: &str = "203.0.113.10";

/// Runs `body` in a namespace: this test binary starts itself again in there, for `test` only.
/// It is skipped where there is no namespace or not the `tool`.
fn in_namespace(test: &str, tool: &[&str], body: impl FnOnce()) {
    let test = format!("{}::{test}", module_path!());
    netns::in_namespace_with(&test, || have(tool), &[SERVER, ALTERNATE, CLIENT], body);
}

/// Whether a command can be had: it starts, whatever it then says.
fn have(tool: &[&str]) -> Result<(), String> {
    let Some((program, arguments)) = tool.split_first() else { return Ok(()) };
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    // Only python is asked for a module, and fails without it.
    if *program == "python3" && !output.status.success() {
        return Err("python3 has no module `stun` (pystun3)".to_owned());
    }
    Ok(())
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn natscope() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_natscope"));
    command.arg("serve");
    command
}

fn two_addresses() -> Serve {
    Serve::start(natscope().args(["--listen", SERVER, "--alternate", ALTERNATE]), 4)
}

fn one_address() -> Serve {
    Serve::start(natscope().args(["--listen", SERVER]), 1)
}

/// What a foreign client prints; it is given half a minute.
fn run(client: &[&str]) -> String {
    let output = Command::new("timeout").arg("30").args(client).output().expect("coreutils");
    assert_ne!(output.status.code(), Some(124), "{client:?} did not end: {}", text(&output));
    text(&output)
}

const COTURN: &str = "turnutils_natdiscovery";

#[test]
fn coturn_sees_an_open_host() {
    in_namespace("coturn_sees_an_open_host", &[COTURN], || {
        let _server = two_addresses();
        for padding in [&[][..], &["-P"]] {
            let said = run(&[&[COTURN, "-m", "-f", "-L", CLIENT], padding, &[SERVER]].concat());
            assert!(said.contains("No NAT! (Endpoint Independent Mapping)"), "{said}");
            assert!(said.contains("NAT with Endpoint Independent Mapping!"), "{said}");
            assert!(said.contains("NAT with Endpoint Independent Filtering!"), "{said}");
            assert!(said.contains("No ALG: Mapped == XOR-Mapped"), "{said}");
            assert!(said.contains("Other addr: : 203.0.113.2:3479"), "{said}");
            // the answer to "change both" says where it came from
            assert!(said.contains("Response origin: : 203.0.113.2:3479"), "{said}");
        }
    });
}

#[test]
fn coturn_is_answered_on_another_port_and_sees_collisions() {
    in_namespace("coturn_is_answered_on_another_port_and_sees_collisions", &[COTURN], || {
        let _server = two_addresses();
        // RESPONSE-PORT: the lifetime is asked for by a second socket
        let said = run(&[COTURN, "-t", "-T", "1", "-L", CLIENT, SERVER]);
        assert!(said.contains("RFC 5780 response 2"), "{said}");
        let said = run(&[COTURN, "-c", "-A", ALTERNATE, "-L", CLIENT, SERVER]);
        assert!(said.contains("UDP reflexive addr: 203.0.113.2:"), "{said}");
        let said = run(&[COTURN, "-H", "-L", CLIENT, SERVER]);
        assert!(said.contains("successful hairpinning"), "{said}");
    });
}

#[test]
fn coturn_is_not_told_a_filtering_by_a_server_with_one_address() {
    in_namespace("coturn_is_not_told_a_filtering_by_a_server_with_one_address", &[COTURN], || {
        let _server = one_address();
        let said = run(&[COTURN, "-m", "-f", "-L", CLIENT, SERVER]);
        assert!(said.contains("UDP reflexive addr: 203.0.113.10:"), "{said}");
        assert!(!said.contains("Other addr"), "{said}");
        assert!(!said.contains("Independent Filtering"), "{said}");
    });
}

#[test]
fn the_rfc_3489_client_sees_an_open_host() {
    in_namespace("the_rfc_3489_client_sees_an_open_host", &["stun"], || {
        let _server = two_addresses();
        let said = run(&["stun", SERVER, "-v", "-p", "40100"]);
        assert!(said.contains("Primary: Open"), "{said}");
        for passed in ["test I = 1", "test II = 1", "test III = 1", "test I(2) = 1", "is nat  = 0"]
        {
            assert!(said.contains(passed), "{passed}: {said}");
        }
        assert!(said.contains("ChangedAddress = 203.0.113.2:3479"), "{said}");
        assert!(said.contains("SourceAddress = 203.0.113.2:3478"), "{said}");
    });
}

/// Asks by pystun3 and prints what it concludes.
const PYSTUN: &str = "import stun; print(*stun.get_ip_info(source_ip='203.0.113.10', stun_host='203.0.113.1', stun_port=3478), sep='|')";

#[test]
fn pystun3_sees_an_open_host() {
    in_namespace("pystun3_sees_an_open_host", &["python3", "-c", "import stun"], || {
        let _server = two_addresses();
        assert_eq!(run(&["python3", "-c", PYSTUN]).trim(), "Open Internet|203.0.113.10|54320");
    });
}

#[test]
fn pystun3_is_not_told_open_by_a_server_that_cannot_know() {
    in_namespace(
        "pystun3_is_not_told_open_by_a_server_that_cannot_know",
        &["python3", "-c", "import stun"],
        || {
            let _server = one_address();
            let said = run(&["python3", "-c", PYSTUN]);
            // it gives up after a few seconds
            assert!(said.contains('|'), "{said}");
            assert!(!said.contains("Open Internet"), "{said}");
        },
    );
}

#[test]
fn the_rfc_3489_client_is_not_told_open_by_a_server_that_cannot_know() {
    in_namespace(
        "the_rfc_3489_client_is_not_told_open_by_a_server_that_cannot_know",
        &["stun"],
        || {
            let _server = one_address();
            let said = run(&["stun", SERVER, "-v", "-p", "40100"]);
            assert!(said.contains("MappedAddress = 203.0.113.1:40100"), "{said}");
            assert!(!said.contains("Primary: Open"), "{said}");
        },
    );
}

#[test]
fn sigterm_ends_the_server_well() {
    in_namespace("sigterm_ends_the_server_well", &[], || {
        let (code, said) = two_addresses().terminate();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.ends_with("natscope: stopped\n"), "{said}");
        // nothing is left behind: the ports are free at once
        let (code, said) = two_addresses().terminate();
        assert_eq!(code, Some(0), "{said}");
    });
}

#[test]
fn a_second_server_on_a_port_says_so_and_fails() {
    in_namespace("a_second_server_on_a_port_says_so_and_fails", &[], || {
        let _first = one_address();
        let second = natscope().args(["--listen", SERVER]).output().expect("it runs");
        assert_eq!(second.status.code(), Some(1));
        let said = text(&second);
        assert!(said.contains("cannot open a socket on 203.0.113.1:3478"), "{said}");
        assert!(said.contains("another server runs there"), "{said}");
        let elsewhere = natscope().args(["--listen", "192.0.2.9"]).output().expect("it runs");
        assert_eq!(elsewhere.status.code(), Some(1));
        assert!(text(&elsewhere).contains("not an address of this host"), "{}", text(&elsewhere));
    });
}

#[test]
fn a_server_with_one_address_says_what_it_cannot_offer() {
    in_namespace("a_server_with_one_address_says_what_it_cannot_offer", &[], || {
        let (_, said) = one_address().terminate();
        assert!(said.contains("203.0.113.1:3478: one address only"), "{said}");
        assert!(said.contains("no CHANGE-REQUEST"), "{said}");
        assert!(said.contains("--alternate"), "{said}");
    });
}
