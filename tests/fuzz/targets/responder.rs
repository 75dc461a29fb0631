//! Any datagram from anywhere to the server: no panic, an answer is STUN, goes back to where the
//! question came from, and is never answered itself (two servers must not talk for ever).
#![no_main]

use libfuzzer_sys::fuzz_target;
use natscope::stun::responder::{Over, Responder, Site, Sites};
use natscope::stun;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

fuzz_target!(|input: (u8, Option<u128>, u32, u16, &[u8])| {
    let (flags, v6, v4, port, bytes) = input;
    let ip = v6.map_or(IpAddr::V4(Ipv4Addr::from(v4)), |v6| IpAddr::V6(Ipv6Addr::from(v6)));
    let source = SocketAddr::new(ip, port);
    let over = if flags & 1 == 0 { Over::Udp } else { Over::Tcp };
    let at = |host, port| SocketAddr::from(([203, 0, 113, host], port));
    let (sites, site) = if flags & 2 == 0 {
        (Sites::One(at(1, 3478)), Site::PRIMARY)
    } else {
        let site = Site { alternate_ip: flags & 4 != 0, alternate_port: flags & 8 != 0 };
        (Sites::Two { primary: at(1, 3478), alternate: at(2, 3479) }, site)
    };
    let mut server = Responder::new(sites, None, "natscope");
    let mut out = Vec::new();
    let now = Duration::ZERO;
    let Some(answer) = server.respond(now, over, site, source, bytes, &mut out) else { return };
    assert_eq!(answer.to.ip(), source.ip(), "nobody else is ever sent to");
    assert!(sites.address(answer.from).is_some(), "it leaves by a socket that exists");
    let question = stun::read(bytes).expect("only STUN is answered");
    let read = stun::read(&out).expect("the answer is STUN");
    assert_eq!((read.id, read.cookie), (question.id, question.cookie));
    if read.class == stun::Class::Success {
        assert_eq!(read.reflexive(), Some(source));
    }
    let mut again = Vec::new();
    assert_eq!(server.respond(now, over, site, source, &out, &mut again), None);
});
