//! The cases from the field: a server with a fault, as its own process.
#![allow(clippy::disallowed_types)] // it asks whether the server is there

use super::probe;
use serde_json::Value;
use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// The server of the field cases with this fault, once it answers.
fn faulty(fault: &str, places: &[SocketAddr]) -> Option<Running> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/stun/faulty.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(fault).args(places.iter().map(SocketAddr::to_string));
    let child = match command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            crate::support::skip(format!("python3: {error}"));
            return None;
        }
    };
    let mut running = Running(child);
    let asking = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    asking.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
    let request = natscope::stun::encode_request([7; 12], natscope::stun::Request::default());
    let mut buffer = [0; 512];
    for place in places {
        let mut answered = false;
        for _ in 0..100 {
            let _refused = asking.send_to(&request, place);
            answered = asking.recv_from(&mut buffer).is_ok_and(|(_, from)| from == *place);
            if answered {
                break;
            }
        }
        if !answered {
            let _gone = running.0.kill();
            let mut said = String::new();
            let _all = running.0.stderr.take().map(|mut pipe| pipe.read_to_string(&mut said));
            panic!("{place} does not answer: {said}");
        }
    }
    Some(running)
}

/// Ports that were free a moment ago.
fn free(ips: &[&str]) -> Vec<SocketAddr> {
    let sockets: Vec<UdpSocket> =
        ips.iter().map(|ip| UdpSocket::bind((*ip, 0)).expect("loopback")).collect();
    sockets.iter().map(|socket| socket.local_addr().expect("known")).collect()
}

#[test]
fn the_cases_from_the_field() {
    for (fault, standing, id) in [
        ("mapped6", "answers", "no-rfc5780"),
        ("private", "unusable", "proxy-before-server"),
        ("unpadded", "answers", "malformed-attribute"),
        ("auth", "wants-credentials", "wants-credentials"),
        ("symmetric", "answers", "no-rfc5780"),
    ] {
        let places = free(&["127.0.0.1"]);
        let Some(_running) = faulty(fault, &places) else { return };
        let probed = probe(&[&format!("stun:{}", places[0])]);
        probed.assert_true(fault);
        assert_eq!(probed.standing(0), standing, "{fault}");
        let text = probed.finding(0, id);
        match fault {
            "auth" => {
                assert!(text.contains("401") && text.contains("example.org"), "{text}");
                assert!(!probed.text.contains("neither over UDP nor"), "{}", probed.text);
            }
            "mapped6" | "unpadded" => {
                assert_eq!(probed.known("nat"), Some(&Value::Bool(false)), "{fault}");
            }
            _ => assert_eq!(probed.known("nat"), None, "{fault}"),
        }
    }
}

#[test]
fn three_plain_servers_that_see_three_ports_show_a_dependent_mapping() {
    let places = free(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let Some(_running) = faulty("symmetric", &places) else { return };
    let uris: Vec<String> = places.iter().map(|place| format!("stun:{place}")).collect();
    let probed = probe(&uris.iter().map(String::as_str).collect::<Vec<_>>());
    let mapping = &probed.report["paths"][0]["mapping"];
    assert_eq!(mapping["status"], "inconclusive", "{mapping}");
    let left = serde_json::json!(["address-dependent", "address-and-port-dependent"]);
    assert_eq!(mapping["possible"], left, "{mapping}");
}
