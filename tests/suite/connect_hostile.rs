//! `natscope connect` towards a signalling server and a peer that mean it no good.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // a server of its own kind

use crate::support::{natscope, parse, stderr};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio_tungstenite::tungstenite;

/// What a client may come to, in KiB: it has about 20 MiB by itself.
const MOST: u64 = 64 << 10;

fn connecting(to: SocketAddr) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin!("natscope"))
        .args(["connect", "--via", &format!("ws://{to}"), "--room", "a", "--bind", "127.0.0.1"])
        .args(["--no-probe", "--server", "stun:127.0.0.1:9", "--wait", "30s"])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The most memory that it has had, in KiB.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Sends this again and again and reads nothing, until the client goes. Its peak, and what it said.
fn flooded_by(frame: &[u8]) -> (u64, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = connecting(listener.local_addr().unwrap());
    let (stream, _) = listener.accept().unwrap();
    let mut server = tungstenite::accept(stream).unwrap();
    let stream = server.get_mut();
    // a client that has stopped reading is not a client that has gone
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let many = frame.repeat(64 * 1024 / frame.len());
    let (mut sent, mut most) = (0, 0);
    while stream.write_all(&many).is_ok() {
        sent += many.len();
        most = most.max(peak(&client).unwrap_or(0));
        assert!(sent < 1 << 30 && most < MOST, "{most} KiB after {sent} bytes");
    }
    let output = client.wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    (most, said)
}

#[test]
fn a_server_that_pings_and_does_not_read_filled_the_memory() {
    let ping = [&[0x89, 125][..], &[b'x'; 125]].concat();
    let answer = [&[0x8a, 125][..], &[b'x'; 125]].concat();
    let binary = [&[0x82, 125][..], &[b'x'; 125]].concat();
    let text = [&[0x81, 4][..], b"null"].concat();
    for frame in [ping, answer, binary, text] {
        let (most, said) = flooded_by(&frame);
        assert!(said.contains("without pause"), "{most} KiB: {said}");
    }
}

#[test]
fn a_server_whose_message_never_ends_is_left() {
    // the first part of a text, then parts of a kilobyte, none of which is the last
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = connecting(listener.local_addr().unwrap());
    let (stream, _) = listener.accept().unwrap();
    let mut server = tungstenite::accept(stream).unwrap();
    let stream = server.get_mut();
    stream.write_all(&[0x01, 1, b'x']).unwrap();
    let part = [&[0x00, 126, 4, 0][..], &[b'x'; 1024]].concat();
    let mut sent = 0;
    while stream.write_all(&part).is_ok() {
        sent += part.len();
        assert!(sent < 64 << 20, "it takes {sent} bytes");
    }
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

#[test]
fn a_peer_that_names_services_is_told_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let offer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
        a=ice-ufrag:peer\r\na=ice-pwd:SecretSecretSecretSecret\r\n\
        a=candidate:1 1 udp 2130706431 224.0.0.251 5353 typ host\r\n\
        a=candidate:2 1 udp 2130706430 169.254.169.254 80 typ host\r\n\
        a=candidate:3 1 udp 2130706429 127.0.0.1 53 typ host\r\n\
        a=candidate:4 1 udp 2130706428 127.3.4.5 40009 typ host\r\n\
        a=end-of-candidates\r\n";
    std::fs::write(folder.path().join("offer.sdp"), offer).unwrap();
    let output = natscope()
        .current_dir(folder.path())
        .args(["connect", "answer", "offer.sdp", "--answer", "answer.sdp", "--bind", "127.0.0.1"])
        .args([
            "--no-probe",
            "--quick",
            "--server",
            "stun:127.0.0.1:9",
            "--wait",
            "1s",
            "--format",
            "json",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = parse(&String::from_utf8(output.stdout).unwrap());
    let side = &report["sides"][0];
    let finding =
        side["findings"].as_array().unwrap().iter().find(|f| f["id"] == "unsafe-candidate");
    let text = finding.unwrap_or_else(|| panic!("{side:#}"))["text"].as_str().unwrap();
    assert!(text.contains("224.0.0.251:5353") && text.contains("nor to 2 more"), "{text}");
    assert_eq!(side["outcome"]["avoided"].as_array().unwrap().len(), 3, "{side:#}");
    let checked: Vec<&str> = side["outcome"]["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|check| check["pair"]["remote"]["address"].as_str())
        .collect();
    assert_eq!(checked, ["127.3.4.5:40009"]);
}
