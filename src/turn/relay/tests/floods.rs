//! Nothing grows without bound, whatever is thrown at the relay.

use super::*;

#[test]
fn a_flood_from_invented_addresses_leaves_nothing_behind() {
    let mut world = World::plain();
    for n in 0..20_000u32 {
        let ip = IpAddr::from((0x0100_0000 + n).to_be_bytes());
        let mut who = Who::alice();
        who.path.remote = SocketAddr::new(ip, 7);
        let bytes = world.request(&who, ALLOCATE, &[UDP]);
        assert_eq!(world.answer(&who, &bytes).expect("a challenge").code, 401);
        assert_eq!(world.sent(&who, &send("192.0.2.9:1", b"x")), None);
    }
    let relay = &world.relay;
    assert!(relay.paths.is_empty() && relay.accounts.is_empty() && relay.closing.is_empty());
}

#[test]
fn a_source_without_a_password_gets_so_many_answers_and_no_more() {
    let limit = Some(Limit { per_second: 5, burst: 5 });
    let mut world = World::limited(config(), limit);
    let mut alice = Who::alice();
    world.allocate(&mut alice);
    let mallory = Who::new("198.51.100.66:1", "alice", "");
    let bytes = world.request(&mallory, ALLOCATE, &[UDP]);
    let answers = (0..100).filter(|_| world.answer(&mallory, &bytes).is_some()).count();
    assert_eq!(answers, 5);
    // a wrong password is no way round
    let guessing = Who { nonce: alice.nonce.clone(), password: "x".into(), ..alice.clone() };
    let bytes = world.request(&guessing, REFRESH, &[]);
    assert!((0..100).filter(|_| world.answer(&guessing, &bytes).is_some()).count() <= 5);
    // and who has the right one is not held back
    for _ in 0..100 {
        assert_eq!(world.ask(&mut alice, REFRESH, &[]).code, 0);
    }
}

#[test]
fn permissions_and_channels_of_one_allocation_are_bounded() {
    let mut world = World::plain();
    let mut who = Who::alice();
    world.allocate(&mut who);
    let peer = |n: u32| A::PeerAt(SocketAddr::new((0x0800_0000 + n).to_be_bytes().into(), 1));
    let refused =
        (0..1000).filter(|&n| world.ask(&mut who, PERMIT, &[peer(n)]).code == 508).count();
    assert_eq!(refused, 1000 - 128);
    assert_eq!(world.ask(&mut who, PERMIT, &[peer(0)]).code, 0, "those that are there are renewed");
    let many: Vec<A> = (2000..2200).map(peer).collect();
    assert_eq!(world.ask(&mut who, PERMIT, &many).code, 508);
    world.now += seconds(300);
    assert_eq!(world.ask(&mut who, PERMIT, &[peer(5000)]).code, 0, "expired ones make room");

    let mut who = Who::alice_at(9);
    world.allocate(&mut who);
    let bind = |n: u16| {
        let peer = SocketAddr::new([192, 0, 2, 9].into(), n + 1);
        [A::Channel(0x4000 + n), A::PeerAt(peer)]
    };
    let refused = (0..500).filter(|&n| world.ask(&mut who, BIND, &bind(n)).code == 508).count();
    assert_eq!(refused, 500 - 128);
    assert_eq!(world.ask(&mut who, BIND, &bind(0)).code, 0);
}

#[test]
fn allocations_that_come_and_go_are_remembered_to_a_bound() {
    let mut world = World::plain();
    for port in 1..=2000 {
        let mut who = Who::alice_at(port);
        world.allocate(&mut who);
        world.ask(&mut who, REFRESH, &[A::Lifetime(0)]);
    }
    assert_eq!(world.relay.usage().len(), REMEMBERED);
    assert!(
        world.open.is_empty() && world.relay.paths.is_empty() && world.relay.sockets.is_empty()
    );
}
