//! Permissions, channels and data (RFC 8656 sections 9 to 12).

use super::*;
use proptest::prelude::*;
use turn_server_proto::types::attribute::{Data, XorPeerAddress};
use turn_server_proto::types::channel::ChannelData;

const PEER: &str = "192.0.2.9:5000";

/// Alice with an allocation.
fn allocated() -> (World, Who, SocketAddr) {
    let mut world = World::plain();
    let mut who = Who::alice();
    let relayed = world.allocate(&mut who);
    (world, who, relayed)
}

/// The peer and the payload of a Data indication, by the library.
fn data(bytes: &[u8]) -> (SocketAddr, Vec<u8>) {
    let message = Message::from_bytes(bytes).expect("STUN");
    assert_eq!((message.method().value(), message.class()), (7, MessageClass::Indication));
    let peer = message.attribute::<XorPeerAddress>().expect("XOR-PEER-ADDRESS");
    let data = message.attribute::<Data>().expect("DATA").data().to_vec();
    (peer.addr(message.transaction_id()), data)
}

#[test]
fn without_a_permission_nothing_passes_either_way() {
    let (mut world, mut who, relayed) = allocated();
    assert_eq!(world.sent(&who, &send(PEER, b"ping")), None);
    assert_eq!(world.heard(relayed, PEER, b"pong"), None);
    assert_eq!(world.ask(&mut who, PERMIT, &[A::Peer("192.0.2.9:1")]).code, 0);
    // a permission is for the address, whatever the port
    let sent = world.sent(&who, &send(PEER, b"ping"));
    assert_eq!(sent, Some((relayed, addr(PEER), b"ping".to_vec())));
    let heard = world.heard(relayed, PEER, b"pong").expect("passed on");
    assert_eq!(data(&heard), (addr(PEER), b"pong".to_vec()));
    assert_eq!(world.heard(relayed, "192.0.2.10:5000", b"pong"), None);
    let traffic = world.relay.usage()[0].traffic;
    assert_eq!((traffic.to_peers, traffic.to_client, traffic.dropped), (1, 1, 3));
}

#[test]
fn a_permission_lasts_five_minutes_and_is_renewed() {
    let (mut world, mut who, relayed) = allocated();
    world.ask(&mut who, PERMIT, &[A::Peer(PEER)]);
    world.now += seconds(299);
    assert!(world.sent(&who, &send(PEER, b"x")).is_some());
    world.ask(&mut who, PERMIT, &[A::Peer(PEER)]);
    world.now += seconds(299);
    assert!(world.sent(&who, &send(PEER, b"x")).is_some());
    world.now += seconds(1);
    assert_eq!(world.sent(&who, &send(PEER, b"x")), None);
    assert_eq!(world.heard(relayed, PEER, b"x"), None);
}

#[test]
fn a_permission_must_name_a_peer() {
    let (mut world, mut who, _) = allocated();
    assert_eq!(world.ask(&mut who, PERMIT, &[]).code, 400);
    assert_eq!(world.ask(&mut who, BIND, &[A::Peer(PEER)]).code, 400);
    assert_eq!(world.ask(&mut who, BIND, &[A::Channel(0x4000)]).code, 400);
}

#[test]
fn a_channel_carries_both_ways_and_permits() {
    let (mut world, mut who, relayed) = allocated();
    assert_eq!(world.ask(&mut who, BIND, &[A::Channel(0x4001), A::Peer(PEER)]).code, 0);
    let sent = world.sent(&who, &channel(0x4001, b"ping"));
    assert_eq!(sent, Some((relayed, addr(PEER), b"ping".to_vec())));
    assert_eq!(world.heard(relayed, PEER, b"pong"), Some(channel(0x4001, b"pong")));
    let heard = world.heard(relayed, "192.0.2.9:5001", b"other port").expect("permitted");
    assert_eq!(data(&heard), (addr("192.0.2.9:5001"), b"other port".to_vec()));
    assert_eq!(world.sent(&who, &channel(0x4002, b"ping")), None);
}

#[test]
fn a_channel_lasts_ten_minutes_and_its_permission_five() {
    let (mut world, mut who, relayed) = allocated();
    world.ask(&mut who, REFRESH, &[A::Lifetime(3600)]);
    world.ask(&mut who, BIND, &[A::Channel(0x4001), A::Peer(PEER)]);
    world.now += seconds(300);
    assert_eq!(world.sent(&who, &channel(0x4001, b"x")), None);
    world.ask(&mut who, PERMIT, &[A::Peer(PEER)]);
    assert!(world.sent(&who, &channel(0x4001, b"x")).is_some());
    world.now += seconds(299);
    assert_eq!(world.heard(relayed, PEER, b"x"), Some(channel(0x4001, b"x")));
    world.now += seconds(1);
    world.ask(&mut who, PERMIT, &[A::Peer(PEER)]);
    assert_eq!(world.sent(&who, &channel(0x4001, b"x")), None);
    let heard = world.heard(relayed, PEER, b"x").expect("permitted");
    assert_eq!(data(&heard).1, b"x");
}

#[test]
fn a_number_has_one_peer_and_a_peer_one_number() {
    let (mut world, mut who, _) = allocated();
    let other = "192.0.2.10:5000";
    assert_eq!(world.ask(&mut who, BIND, &[A::Channel(0x4001), A::Peer(PEER)]).code, 0);
    assert_eq!(world.ask(&mut who, BIND, &[A::Channel(0x4001), A::Peer(PEER)]).code, 0);
    assert_eq!(world.ask(&mut who, BIND, &[A::Channel(0x4001), A::Peer(other)]).code, 400);
    assert_eq!(world.ask(&mut who, BIND, &[A::Channel(0x4002), A::Peer(PEER)]).code, 400);
    assert_eq!(world.ask(&mut who, BIND, &[A::Channel(0x4002), A::Peer(other)]).code, 0);
    world.ask(&mut who, REFRESH, &[A::Lifetime(3600)]);
    world.now += seconds(600);
    assert_eq!(world.ask(&mut who, BIND, &[A::Channel(0x4001), A::Peer(other)]).code, 0);
}

#[test]
fn channel_numbers_have_a_range() {
    let (mut world, mut who, _) = allocated();
    for (number, code) in [(0, 400), (0x3fff, 400), (0x8000, 400), (0xffff, 400), (0x4fff, 0)] {
        let said = world.ask(&mut who, BIND, &[A::Channel(number), A::Peer(PEER)]);
        assert_eq!(said.code, code, "{number:#x}");
    }
}

#[test]
fn over_a_stream_channel_data_is_padded() {
    let mut world = World::plain();
    let mut who = Who::alice();
    who.path.over = Over::Tcp;
    let relayed = world.allocate(&mut who);
    world.ask(&mut who, BIND, &[A::Channel(0x4001), A::Peer(PEER)]);
    for length in 0..9 {
        let heard = world.heard(relayed, PEER, &vec![7; length]).expect("passed on");
        assert_eq!(frame(&heard), Ok(Some(heard.len())));
        assert_eq!(heard.len(), 4 + length.next_multiple_of(4));
        assert_eq!(ChannelData::parse(&heard).expect("by the library").data(), vec![7; length]);
    }
    // and what the client sends has its padding taken off
    let mut bytes = channel(0x4001, b"abc");
    bytes.push(0);
    assert_eq!(world.sent(&who, &bytes).expect("sent").2, b"abc");
}

#[test]
fn what_is_malformed_is_dropped() {
    let (mut world, mut who, _) = allocated();
    world.ask(&mut who, BIND, &[A::Channel(0x4001), A::Peer(PEER)]);
    let good = send(PEER, b"ping");
    assert!(world.sent(&who, &good).is_some());
    let data = || A::Raw(0x0013, b"x".to_vec());
    let mut bad = vec![
        indication(&[A::Peer(PEER)]),
        indication(&[data()]),
        indication(&[A::Peer(PEER), data(), A::Raw(0x001a, vec![])]),
        indication(&[A::Peer(PEER), data(), A::Raw(0x7777, vec![])]),
        indication(&[A::Raw(0x0012, vec![0, 1, 2, 3]), data()]),
        good[..good.len() - 1].to_vec(),
        channel(0x4001, b"ping")[..7].to_vec(),
        [&good[..], &[0]].concat(),
    ];
    let mut no_cookie = good.clone();
    no_cookie[4] ^= 1;
    bad.push(no_cookie);
    for bytes in &bad {
        assert_eq!(world.sent(&who, bytes), None, "{bytes:?}");
    }
    for cut in 0..good.len() {
        assert_eq!(world.sent(&who, &good[..cut]), None);
    }
    // an attribute that need not be understood does no harm
    assert!(
        world.sent(&who, &indication(&[A::Peer(PEER), data(), A::Raw(0x8777, vec![1])])).is_some()
    );
}

#[test]
fn usage_outlives_the_allocation() {
    let (mut world, mut who, relayed) = allocated();
    world.ask(&mut who, PERMIT, &[A::Peer(PEER)]);
    world.sent(&who, &send(PEER, b"12345"));
    world.heard(relayed, PEER, b"123");
    let live = world.relay.usage();
    assert_eq!((live.len(), live[0].live, live[0].client), (1, true, who.path));
    world.ask(&mut who, REFRESH, &[A::Lifetime(0)]);
    let ended = world.relay.usage();
    let traffic =
        Traffic { to_peers: 1, to_peers_bytes: 5, to_client: 1, to_client_bytes: 3, dropped: 0 };
    assert_eq!((ended.len(), ended[0].live, ended[0].traffic), (1, false, traffic));
    assert_eq!((&ended[0].relayed, ended[0].user.as_str()), (&vec![relayed], "alice"));
    assert_eq!(world.relay.total(), traffic);
    world.allocate(&mut who);
    assert_eq!((world.relay.usage().len(), world.relay.total()), (2, traffic));
}

fn any_peer() -> impl Strategy<Value = SocketAddr> {
    let v4 = any::<([u8; 4], u16)>().prop_map(SocketAddr::from);
    let v6 = any::<([u8; 16], u16)>().prop_map(SocketAddr::from);
    prop_oneof![v4, v6]
}

fn any_attribute() -> impl Strategy<Value = A> {
    prop_oneof![
        any_peer().prop_map(A::PeerAt),
        any_peer().prop_map(A::PeerAt),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|data| A::Raw(0x0013, data)),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|data| A::Raw(0x0013, data)),
        (0x8000u16..0x8020, proptest::collection::vec(any::<u8>(), 0..9))
            .prop_map(|(kind, value)| A::Raw(kind, value)),
        (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..9))
            .prop_map(|(kind, value)| A::Raw(kind, value)),
    ]
}

proptest! {
    /// What is laid down by hand is read by the library as what was meant.
    #[test]
    fn a_data_indication_by_hand_is_the_librarys(
        peer in any_peer(),
        payload in proptest::collection::vec(any::<u8>(), 0..100),
        id: [u8; 12],
    ) {
        let mut bytes = Vec::new();
        wire::write_data(id, peer, &payload, &mut bytes);
        prop_assert_eq!(data(&bytes), (peer, payload));
        let message = Message::from_bytes(&bytes).expect("STUN");
        let mut padded = [0; 16];
        padded[4..].copy_from_slice(&id);
        prop_assert_eq!(u128::from(message.transaction_id()), u128::from_be_bytes(padded));
        prop_assert_eq!(frame(&bytes), Ok(Some(bytes.len())));
    }

    #[test]
    fn channel_data_by_hand_is_the_librarys(
        number in 0x4000u16..0x8000,
        payload in proptest::collection::vec(any::<u8>(), 0..100),
        pad: bool,
    ) {
        let mut bytes = Vec::new();
        wire::write_channel(number, &payload, pad, &mut bytes);
        let mut by_library = vec![0; 4 + payload.len()];
        ChannelData::new(number, &payload).write_into_unchecked(&mut by_library);
        prop_assert_eq!(&bytes[..by_library.len()], &by_library[..]);
        prop_assert!(bytes[by_library.len()..].iter().all(|&byte| byte == 0));
        prop_assert_eq!(bytes.len() % 4 == 0 || !pad, true);
    }

    /// A Send indication is taken apart as the library takes it apart.
    #[test]
    fn a_send_indication_by_hand_is_the_librarys(
        attributes in proptest::collection::vec(any_attribute(), 0..5),
    ) {
        let bytes = indication(&attributes);
        let found = wire::read_send(&bytes).map(|(peer, data)| (peer, bytes[data].to_vec()));
        // integrity and fingerprint are read by the library as such, and by hand like any other
        let special = |a: &A| matches!(a, A::Raw(0x0008 | 0x001c | 0x8028, _));
        prop_assume!(!attributes.iter().any(special));
        let message = Message::from_bytes(&bytes).expect("STUN");
        let known = |kind: u16| matches!(kind, 0x0012 | 0x0013 | 0x8000..);
        let all_known = message.iter_attributes().all(|(_, a)| known(a.get_type().value()));
        let peer = message.attribute::<XorPeerAddress>();
        let data = message.attribute::<Data>();
        let expected = match (peer, data) {
            (Ok(peer), Ok(data)) if all_known => {
                Some((peer.addr(message.transaction_id()), data.data().to_vec()))
            }
            _ => None,
        };
        prop_assert_eq!(found, expected);
    }

    /// Nothing that comes in makes it stumble, and whoever has no allocation relays nothing.
    #[test]
    fn any_bytes_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        head in prop_oneof![Just(vec![]), Just(vec![0x40, 1]), Just(vec![0, 3]), Just(vec![0, 0x16])],
    ) {
        let bytes = [head, bytes].concat();
        let (mut world, who, relayed) = allocated();
        let _ = frame(&bytes);
        for path in [who.path, Who::alice_at(9).path] {
            let (step, out) = world.raw(&path, &bytes);
            prop_assert!(matches!(step, Step::Nothing | Step::Answer), "{:?}", step);
            prop_assert_eq!(matches!(step, Step::Answer), !out.is_empty());
        }
        prop_assert_eq!(world.heard(relayed, PEER, &bytes), None);
    }
}

#[test]
fn a_stream_is_cut_where_its_messages_end() {
    let stream =
        [channel(0x4001, b"abc"), vec![0], send(PEER, b"x"), channel(0x4002, b"")].concat();
    let mut lengths = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        for more in 0..4 {
            assert_eq!(frame(&stream[at..at + more]), Ok(None), "too early to tell");
        }
        let length = frame(&stream[at..]).expect("a stream").expect("four bytes are there");
        lengths.push(length);
        at += length;
    }
    assert_eq!(lengths, [8, 40, 4]);
    assert_eq!(frame(&[0x80]), Err(NotTurn), "no bytes begin so");
    assert_eq!(frame(&[0, 1, 0, 3]), Err(NotTurn), "STUN is a multiple of four");
    assert_eq!(frame(&[0x40, 0, 0xff, 0xff]), Ok(Some(LONGEST)));
}
