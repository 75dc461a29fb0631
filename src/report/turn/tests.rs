use super::*;
use crate::net::allocation::{Direct, Second};
use crate::turn::client::Guard;
use std::time::Duration;

fn tried(failure: Option<Failure>, through: Direct) -> TurnServer {
    let server = Server {
        uri: "turn:relay.example".to_owned(),
        name: "relay.example".to_owned(),
        address: "198.51.100.1:3478".parse().unwrap(),
        over: Over::Udp,
        user: "somebody".to_owned(),
        password: "hunter2".to_owned(),
    };
    let works = failure.is_none();
    let relayed = works.then(|| "198.51.100.1:50000".parse().unwrap());
    let took = works.then_some(Duration::from_micros(51_200));
    let attempt = Attempt {
        relayed,
        mapped: None,
        took,
        guard: Guard::Signed,
        failure,
        remark: None,
        direct: through,
        second: Second::NotTried,
        otherwise: None,
    };
    TurnServer::new(&server, attempt)
}

fn shown(server: TurnServer) -> String {
    let mut out = String::new();
    text(&mut out, std::slice::from_ref(&server));
    markdown(&mut out, &[server]);
    out
}

#[test]
fn a_working_server_needs_nothing() {
    let server = tried(None, Direct::Came(Duration::from_micros(1250)));
    assert_eq!(server.verdict, TurnVerdict::Works);
    assert_eq!((server.because.as_ref(), server.advice.as_ref()), (None, None));
    let shown = shown(server);
    assert!(shown.contains("relays from 198.51.100.1:50000"), "{shown}");
    assert!(shown.contains("a packet came through in 1.2 ms"), "{shown}");
}

#[test]
fn every_failure_comes_with_advice_and_without_credentials() {
    let realm = "<b>|\u{1b}[31m".to_owned();
    let server =
        tried(Some(Failure::Unauthorized { realm, reason: String::new() }), Direct::NotTried);
    let shown = shown(server.clone());
    assert!(shown.contains("401") && shown.contains("check the user name"), "{shown}");
    assert!(!shown.contains('\u{1b}') && shown.contains("&lt;b&gt;"), "{shown}");
    let json = serde_json::to_string(&server).unwrap();
    for text in [&shown, &json] {
        assert!(!text.contains("hunter2") && !text.contains("somebody"), "{text}");
    }
}

#[test]
fn without_udp_here_nothing_is_said_of_the_relays_ports() {
    let server = tried(None, Direct::NoUdp);
    assert_eq!((server.advice.as_ref(), server.verdict), (None, TurnVerdict::Unknown));
    assert!(shown(server).contains("could not be told"));
}

#[test]
fn a_firewall_before_the_relay_ports_is_suspected() {
    let server = tried(None, Direct::Lost);
    assert!(server.failure.is_none());
    let shown = shown(server);
    assert!(shown.contains("no packet sent to 198.51.100.1:50000 came"), "{shown}");
    assert!(shown.contains("open the server's relay ports"), "{shown}");
}
