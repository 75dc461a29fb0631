//! The responder by the letter of RFC 5780 and RFC 3489.

use super::{Answer, Over, Responder, Site, Sites};
use crate::stun::{self, Change, Class, Message, Request};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::time::Duration;

const CLIENT: &str = "198.51.100.7:40000";

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("a literal address")
}

fn two() -> Responder {
    let sites =
        Sites::Two { primary: addr("203.0.113.1:3478"), alternate: addr("203.0.113.2:3479") };
    Responder::new(sites, None, "natscope")
}

fn ask(server: &mut Responder, site: Site, from: &str, bytes: &[u8]) -> Option<(Answer, Message)> {
    let mut out = Vec::new();
    let answer = server.respond(Duration::ZERO, Over::Udp, site, addr(from), bytes, &mut out)?;
    Some((answer, stun::read(&out).expect("the answer is STUN")))
}

#[test]
fn each_change_request_leaves_by_the_socket_it_asks_for() {
    for (ip, port) in [(false, false), (false, true), (true, false), (true, true)] {
        let request = Request { change: Change { ip, port }, response_port: None };
        let bytes = stun::encode_request([1; 12], request);
        for (site, _) in two().sites().all() {
            let (answer, message) = ask(&mut two(), site, CLIENT, &bytes).expect("answered");
            let expected = Site {
                alternate_ip: site.alternate_ip != ip,
                alternate_port: site.alternate_port != port,
            };
            assert_eq!(answer, Answer { from: expected, to: addr(CLIENT) });
            assert_eq!(message.xor_mapped, Some(addr(CLIENT)));
            assert_eq!(message.mapped, Some(addr(CLIENT)));
            assert_eq!(message.origin, two().sites().address(expected));
            assert_eq!(message.other, two().sites().address(site.changed(Change::BOTH)));
        }
    }
}

#[test]
fn response_port_goes_to_the_source_address_only_and_not_with_padding() {
    let request = Request { change: Change::BOTH, response_port: Some(50_000) };
    let bytes = stun::encode_request([2; 12], request);
    let (answer, _) = ask(&mut two(), Site::PRIMARY, CLIENT, &bytes).expect("answered");
    assert_eq!(answer.to, addr("198.51.100.7:50000"));
    let zero = Request { change: Change::NONE, response_port: Some(0) };
    let bytes = stun::encode_request([2; 12], zero);
    assert!(ask(&mut two(), Site::PRIMARY, CLIENT, &bytes).is_none(), "never to port 0");
    let mut padded = stun::encode_request([2; 12], request);
    padded.extend([0, 0x26, 0, 4, b'0', b'0', b'0', b'0']);
    padded[3] += 8;
    let (_, message) = ask(&mut two(), Site::PRIMARY, CLIENT, &padded).expect("answered");
    assert_eq!(message.error.map(|e| e.0), Some(400));
}

#[test]
fn a_server_with_one_address_does_not_know_change_request() {
    let mut server = Responder::new(Sites::One(addr("203.0.113.1:3478")), None, "natscope");
    let change =
        stun::encode_request([3; 12], Request { change: Change::PORT, response_port: None });
    let (answer, message) = ask(&mut server, Site::PRIMARY, CLIENT, &change).expect("answered");
    assert_eq!(answer.from, Site::PRIMARY);
    assert_eq!(message.error.map(|e| e.0), Some(420));
    assert_eq!(message.unknown_attributes, [3]);
    let plain = stun::encode_request([3; 12], Request::default());
    let (_, message) = ask(&mut server, Site::PRIMARY, CLIENT, &plain).expect("answered");
    assert_eq!(message.other, None);
}

/// A request with PADDING of so many bytes.
fn padded(length: u16) -> Vec<u8> {
    let mut bytes = stun::encode_request([7; 12], Request::default());
    bytes.extend([0x00, 0x26]);
    bytes.extend(length.to_be_bytes());
    bytes.resize(bytes.len() + usize::from(length), b'0');
    let body = u16::try_from(bytes.len() - 20).expect("short");
    bytes[2..4].copy_from_slice(&body.to_be_bytes());
    bytes
}

/// 24 bytes were answered with 1,592.
#[test]
fn padding_never_makes_an_answer_longer_than_its_request() {
    let mut plain = Vec::new();
    let bytes = stun::encode_request([7; 12], Request::default());
    two().respond(Duration::ZERO, Over::Udp, Site::PRIMARY, addr(CLIENT), &bytes, &mut plain);
    for length in [0, 4, 64, 100, 200, 500, 1400, 1500, 2000, 8000] {
        let request = padded(length);
        let mut out = Vec::new();
        let (server, from) = (&mut two(), addr(CLIENT));
        let answered =
            server.respond(Duration::ZERO, Over::Udp, Site::PRIMARY, from, &request, &mut out);
        assert!(answered.is_some(), "{length}");
        assert!(out.len() <= request.len().max(plain.len()), "{length}: {} bytes", out.len());
        let padding = stun::read(&out).expect("STUN").padding;
        let room = request.len() >= plain.len() + 8;
        assert_eq!(padding.is_some(), room, "{length}: {padding:?}");
        assert!(length < 1500 || padding >= Some(1400), "{length}: {padding:?}");
        let mut over_tcp = Vec::new();
        two().respond(Duration::ZERO, Over::Tcp, Site::PRIMARY, from, &request, &mut over_tcp);
        assert_eq!(over_tcp.len(), plain.len(), "no fragments over TCP");
    }
}

#[test]
fn a_server_with_one_address_does_not_know_padding() {
    let mut server = Responder::new(Sites::One(addr("203.0.113.1:3478")), None, "natscope");
    let (_, message) = ask(&mut server, Site::PRIMARY, CLIENT, &padded(1500)).expect("answered");
    assert_eq!(message.error.map(|e| e.0), Some(420));
    assert_eq!(message.unknown_attributes, [0x26]);
    let mut classic = padded(1500);
    classic[4..8].copy_from_slice(&[9; 4]);
    let (_, message) = ask(&mut server, Site::PRIMARY, CLIENT, &classic).expect("answered");
    assert_eq!((message.error, message.padding), (None, None));
}

#[test]
fn unknown_required_attributes_are_listed_in_a_420() {
    let mut bytes = stun::encode_request([4; 12], Request::default());
    bytes.extend([0x7f, 0x01, 0, 4, 1, 2, 3, 4]);
    bytes[3] += 8;
    let (_, message) = ask(&mut two(), Site::PRIMARY, CLIENT, &bytes).expect("answered");
    assert_eq!(message.class, Class::Error);
    assert_eq!(message.unknown_attributes, [0x7f01]);
}

#[test]
fn a_client_of_rfc_3489_is_answered_in_its_own_words() {
    let mut bytes = vec![0, 1, 0, 8];
    bytes.extend([9; 16]);
    bytes.extend([0, 3, 0, 4, 0, 0, 0, 6]);
    let (answer, message) = ask(&mut two(), Site::PRIMARY, CLIENT, &bytes).expect("answered");
    assert_eq!(answer.from, Site { alternate_ip: true, alternate_port: true });
    assert_eq!((message.cookie, message.id), (0x0909_0909, [9; 12]));
    assert_eq!((message.mapped, message.xor_mapped), (Some(addr(CLIENT)), None));
    assert_eq!(message.other, Some(addr("203.0.113.2:3479")));
}

#[test]
fn with_one_address_a_client_of_rfc_3489_is_not_told_that_nothing_filters() {
    let mut server = Responder::new(Sites::One(addr("203.0.113.1:3478")), None, "natscope");
    let request = |flags: u8| {
        let mut bytes = vec![0, 1, 0, 8];
        bytes.extend([9; 16]);
        bytes.extend([0, 3, 0, 4, 0, 0, 0, flags]);
        bytes
    };
    assert!(ask(&mut server, Site::PRIMARY, CLIENT, &request(6)).is_none());
    let (_, message) = ask(&mut server, Site::PRIMARY, CLIENT, &request(0)).expect("answered");
    assert_eq!(message.mapped, Some(addr(CLIENT)));
}

#[test]
fn what_could_be_made_to_loop_or_to_flood_is_not_answered() {
    let bytes = stun::encode_request([5; 12], Request::default());
    for source in [
        "198.51.100.7:0",
        "203.0.113.1:3478",
        "203.0.113.2:3478",
        "224.0.0.1:3478",
        "255.255.255.255:3478",
        "0.0.0.0:3478",
        "[::ffff:203.0.113.1]:0",
        "[ff02::1]:3478",
    ] {
        assert!(ask(&mut two(), Site::PRIMARY, source, &bytes).is_none(), "{source}");
    }
    let mut response = Vec::new();
    two().respond(Duration::ZERO, Over::Udp, Site::PRIMARY, addr(CLIENT), &bytes, &mut response);
    assert!(ask(&mut two(), Site::PRIMARY, CLIENT, &response).is_none(), "a response");
    let mut indication = bytes.clone();
    indication[1] = 0x11;
    assert!(ask(&mut two(), Site::PRIMARY, CLIENT, &indication).is_none(), "an indication");
    let mut allocate = bytes;
    allocate[1] = 3;
    assert!(ask(&mut two(), Site::PRIMARY, CLIENT, &allocate).is_none(), "another method");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_answer_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut server = two();
        let mut out = Vec::new();
        if server.respond(Duration::ZERO, Over::Udp, Site::PRIMARY, addr(CLIENT), &bytes, &mut out).is_some() {
            let answer = out.clone();
            prop_assert!(server.respond(Duration::ZERO, Over::Udp, Site::PRIMARY, addr(CLIENT), &answer, &mut out).is_none());
        }
    }
}
