//! Where the relay does not go.

use super::*;

/// Peers that nobody is relayed to, and the relay's own addresses among them.
const FORBIDDEN: [&str; 26] = [
    "127.0.0.1:80",
    "127.9.9.9:80",
    "169.254.169.254:80",
    "224.0.0.251:5353",
    "0.0.0.0:80",
    "255.255.255.255:67",
    "240.0.0.1:80",
    "10.0.0.1:80",
    "172.16.0.1:80",
    "192.168.0.1:80",
    "100.64.0.1:80",
    "198.18.0.1:80",
    "203.0.113.1:3478",
    "203.0.113.1:22",
    "203.0.113.2:3479",
    "[::1]:80",
    "[::]:80",
    "[fe80::1]:80",
    "[ff02::1]:80",
    "[fd00::1]:80",
    "[2001:db8::1]:22",
    "[::ffff:127.0.0.1]:80",
    "[::ffff:8.8.8.8]:80",
    "[64:ff9b::127.0.0.1]:80",
    "[64:ff9b::203.0.113.1]:80",
    "[2002:7f00:1::1]:80",
];

fn both_families() -> World {
    let relay = vec![addr(SERVER).ip(), addr("[2001:db8::1]:0").ip()];
    World::new(Config { relay, ..config() })
}

#[test]
fn a_permission_for_a_forbidden_peer_is_403_and_none_of_its_request_is_installed() {
    let mut world = both_families();
    let mut who = Who::alice();
    world.ask(&mut who, ALLOCATE, &[UDP, A::Additional(2)]);
    for peer in FORBIDDEN {
        let said = world.ask(&mut who, PERMIT, &[A::Peer("192.0.2.9:1"), A::Peer(peer)]);
        assert_eq!((said.code, said.signed), (403, true), "{peer}");
        assert!(said.reason.starts_with("Forbidden: the peer is "), "{peer}: {}", said.reason);
        assert_eq!(world.sent(&who, &send(peer, b"x")), None, "{peer}");
    }
    assert_eq!(
        world.sent(&who, &send("192.0.2.9:1", b"x")),
        None,
        "the good one came with bad ones"
    );
}

#[test]
fn a_channel_to_a_forbidden_peer_is_403() {
    let mut world = both_families();
    let mut who = Who::alice();
    world.ask(&mut who, ALLOCATE, &[UDP, A::Additional(2)]);
    for peer in FORBIDDEN.into_iter().chain(["192.0.2.9:0"]) {
        let said = world.ask(&mut who, BIND, &[A::Channel(0x4000), A::Peer(peer)]);
        assert_eq!((said.code, said.signed), (403, true), "{peer}");
        assert_eq!(world.sent(&who, &channel(0x4000, b"x")), None, "{peer}");
    }
}

#[test]
fn the_socket_is_asked_again_whatever_was_permitted() {
    let world = both_families();
    for peer in FORBIDDEN.into_iter().chain(["192.0.2.9:0"]) {
        assert!(!world.relay.may_send(addr(peer)), "{peer}");
    }
    assert!(world.relay.may_send(addr("192.0.2.9:1")));
}

#[test]
fn private_peers_can_be_allowed() {
    let policy = Policy { allow_private: true, ..config().policy };
    let mut world = World::new(Config { policy, ..config() });
    let mut who = Who::alice();
    world.allocate(&mut who);
    assert_eq!(world.ask(&mut who, PERMIT, &[A::Peer("192.168.0.1:1")]).code, 0);
    assert!(world.sent(&who, &send("192.168.0.1:1", b"x")).is_some());
    assert_eq!(world.ask(&mut who, PERMIT, &[A::Peer("127.0.0.1:1")]).code, 403);
}

#[test]
fn two_clients_of_the_relay_meet_at_its_own_address_and_nowhere_else_on_it() {
    let mut world = World::plain();
    let (mut alice, mut bob) = (Who::alice(), Who::new("198.51.100.8:5", "bob", "builder"));
    // before anybody is there, not even by port 0
    let a = world.allocate(&mut alice);
    let b = world.allocate(&mut bob);
    for (who, peer) in [(&mut alice, b), (&mut bob, a)] {
        assert_eq!(world.ask(who, PERMIT, &[A::PeerAt(peer)]).code, 0);
    }
    let (from, to, payload) = world
        .sent(&alice, &indication(&[A::PeerAt(b), A::Raw(0x13, b"hi".to_vec())]))
        .expect("sent");
    assert_eq!((from, to), (a, b));
    assert!(world.heard(to, &from.to_string(), &payload).is_some());
    // the permission is for the address; a port of it that is no allocation's stays shut
    for port in [22, 3478, a.port() ^ 1] {
        let peer = SocketAddr::new(a.ip(), port);
        let bytes = indication(&[A::PeerAt(peer), A::Raw(0x13, b"hi".to_vec())]);
        assert_eq!(world.sent(&alice, &bytes), None, "{port}");
        assert_eq!(world.heard(a, &peer.to_string(), b"hi"), None, "{port} is heard");
        assert_eq!(world.ask(&mut alice, PERMIT, &[A::PeerAt(peer)]).code, 403, "{port}");
        assert_eq!(world.ask(&mut alice, BIND, &[A::Channel(0x4001), A::PeerAt(peer)]).code, 403);
    }
    assert_eq!(world.ask(&mut alice, BIND, &[A::Channel(0x4000), A::PeerAt(b)]).code, 0);
    assert!(world.sent(&alice, &channel(0x4000, b"x")).is_some());
    // and shuts when the other has gone
    world.ask(&mut bob, REFRESH, &[A::Lifetime(0)]);
    assert_eq!(world.sent(&alice, &channel(0x4000, b"x")), None);
    assert!(!world.relay.may_send(b));
}

#[test]
fn a_permission_without_a_port_is_for_a_relayed_peer_when_there_is_one() {
    // some clients name a permission's address only
    let mut world = World::plain();
    let mut alice = Who::alice();
    world.allocate(&mut alice);
    assert_eq!(world.ask(&mut alice, PERMIT, &[A::Peer("203.0.113.1:0")]).code, 0);
    assert_eq!(world.ask(&mut alice, PERMIT, &[A::Peer("203.0.113.2:0")]).code, 403);
    assert_eq!(world.ask(&mut alice, PERMIT, &[A::Peer("127.0.0.1:0")]).code, 403);
    assert_eq!(world.ask(&mut alice, PERMIT, &[A::Peer("192.0.2.9:0")]).code, 0);
}

#[test]
fn a_peer_of_another_family_is_443() {
    let mut world = World::plain();
    let mut who = Who::alice();
    world.allocate(&mut who);
    assert_eq!(world.ask(&mut who, PERMIT, &[A::Peer("[2600::9]:1")]).code, 443);
    let bind = [A::Channel(0x4000), A::Peer("[2600::9]:1")];
    assert_eq!(world.ask(&mut who, BIND, &bind).code, 443);
    assert_eq!(world.ask(&mut who, REFRESH, &[A::Family(2)]).code, 443);
    assert_eq!(world.sent(&who, &send("[2600::9]:1", b"x")), None);
}

#[test]
fn what_is_dropped_is_counted() {
    let mut world = World::plain();
    let mut who = Who::alice();
    let relayed = world.allocate(&mut who);
    world.sent(&who, &send("127.0.0.1:80", b"x"));
    world.sent(&who, &channel(0x4000, b"x"));
    world.heard(relayed, "192.0.2.9:1", b"x");
    assert_eq!(world.relay.usage()[0].traffic, Traffic { dropped: 3, ..Traffic::default() });
}
