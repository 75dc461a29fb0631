//! Servers of a few lines, and the messages that they send.
#![allow(clippy::disallowed_types)] // they are servers

use natscope::sim::bytes;
use natscope::stun::address::PLAIN;
pub use natscope::stun::types::{MAPPED, XOR_MAPPED};
use std::net::{SocketAddr, UdpSocket};

/// What a server does with a request: the bytes that go back, and whether by another socket.
pub type Behaviour = fn(&[u8], SocketAddr) -> Vec<(Vec<u8>, bool)>;

pub const SUCCESS: u16 = 0x0101;
pub const ERROR: u16 = 0x0111;

/// Answers on a port of its own, until the test is over; gives the URI.
pub fn serve(behaviour: Behaviour) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let other = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let uri = format!("stun:{}", socket.local_addr().expect("known"));
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            for (bytes, elsewhere) in behaviour(&buffer[..length], from) {
                let by = if elsewhere { &other } else { &socket };
                let _refused = by.send_to(&bytes, from);
            }
        }
    });
    uri
}

/// A message to this request, its length as it should be.
pub fn message(request: &[u8], kind: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(attribute(*kind, value));
    }
    frame(request, kind, body.len(), &body)
}

pub fn frame(request: &[u8], kind: u16, length: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(length).expect("short").to_be_bytes());
    bytes.extend(&request[4..20]);
    bytes.extend(body);
    bytes
}

pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub fn plain(address: SocketAddr) -> Vec<u8> {
    bytes::address(address, &PLAIN)
}

pub fn xored(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    bytes::address(address, request[4..].first_chunk().expect("a cookie and an id"))
}

pub fn seen_as(request: &[u8], address: SocketAddr) -> Vec<(Vec<u8>, bool)> {
    let answer = message(request, SUCCESS, &[(XOR_MAPPED, xored(address, request))]);
    vec![(answer, false)]
}

pub fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("literal"), port)
}

pub fn error(
    request: &[u8],
    code: u16,
    reason: &[u8],
    more: &[(u16, Vec<u8>)],
) -> Vec<(Vec<u8>, bool)> {
    let [class, number] = [code / 100, code % 100].map(|n| u8::try_from(n).expect("small"));
    let mut attributes = vec![(9, [&[0, 0, class, number], reason].concat())];
    attributes.extend(more.iter().cloned());
    vec![(message(request, ERROR, &attributes), false)]
}
