//! Allocate and Refresh (RFC 8656 sections 7 and 8): lifetimes, ports, families, quotas.

use super::*;

#[test]
fn an_allocation_names_its_address_the_client_and_its_time() {
    let mut world = World::plain();
    let mut who = Who::alice();
    let said = world.ask(&mut who, ALLOCATE, &[UDP]);
    assert_eq!((said.mapped, said.lifetime), (Some(who.path.remote), Some(600)));
    assert!(said.relayed[0].port() >= 49_152, "{said:?}");
    for (asked, granted) in [(1, 600), (601, 601), (3600, 3600), (3601, 3600), (u32::MAX, 3600)] {
        let said = world.ask(&mut who, REFRESH, &[A::Lifetime(asked)]);
        assert_eq!((said.code, said.lifetime), (0, Some(granted)));
    }
    assert_eq!(world.ask(&mut who, REFRESH, &[]).lifetime, Some(600));
}

#[test]
fn a_lost_answer_is_given_again_and_another_request_is_a_mismatch() {
    let mut world = World::plain();
    let mut who = Who::alice();
    world.ask(&mut who, REFRESH, &[]);
    let bytes = world.request(&who, ALLOCATE, &[UDP]);
    let first = world.answer(&who, &bytes).expect("an answer");
    world.now += seconds(1);
    let again = world.answer(&who, &bytes).expect("an answer");
    assert_eq!((again.code, &again.relayed), (0, &first.relayed));
    assert_eq!(again.lifetime, Some(599), "it is not longer for that");
    assert_eq!(world.open.len(), 1);
    assert_eq!(world.ask(&mut who, ALLOCATE, &[UDP]).code, 437);
}

#[test]
fn without_an_allocation_there_is_nothing_to_refresh_permit_or_bind() {
    let mut world = World::plain();
    let mut who = Who::alice();
    assert_eq!(world.ask(&mut who, REFRESH, &[]).code, 437);
    assert_eq!(world.ask(&mut who, REFRESH, &[A::Lifetime(0)]).code, 437);
    assert_eq!(world.ask(&mut who, PERMIT, &[A::Peer("192.0.2.9:1")]).code, 437);
    let bind = [A::Channel(0x4000), A::Peer("192.0.2.9:1")];
    assert_eq!(world.ask(&mut who, BIND, &bind).code, 437);
}

#[test]
fn another_user_cannot_have_somebodys_allocation() {
    let mut world = World::plain();
    let mut alice = Who::alice();
    world.allocate(&mut alice);
    let mut bob = Who { user: "bob".into(), password: "builder".into(), ..alice.clone() };
    for (method, attributes) in [
        (ALLOCATE, vec![UDP]),
        (REFRESH, vec![A::Lifetime(0)]),
        (PERMIT, vec![A::Peer("8.8.8.8:1")]),
    ] {
        assert_eq!(world.ask(&mut bob, method, &attributes).code, 441);
    }
    assert_eq!(world.ask(&mut alice, REFRESH, &[]).code, 0);
}

#[test]
fn only_udp_is_relayed() {
    let mut world = World::plain();
    let mut who = Who::alice();
    assert_eq!(world.ask(&mut who, ALLOCATE, &[A::Transport(6)]).code, 442);
    assert_eq!(world.ask(&mut who, ALLOCATE, &[A::Transport(0)]).code, 442);
    assert_eq!(world.ask(&mut who, ALLOCATE, &[]).code, 400);
}

#[test]
fn what_must_be_understood_and_is_not_is_named() {
    let mut world = World::plain();
    let mut who = Who::alice();
    let said =
        world.ask(&mut who, ALLOCATE, &[UDP, A::Raw(0x001a, vec![]), A::Raw(0x7777, vec![1])]);
    assert_eq!((said.code, said.unknown), (420, vec![0x001a, 0x7777]), "DONT-FRAGMENT, nonsense");
    let many: Vec<A> = (0..60).map(|n| A::Raw(0x7000 + n, vec![])).collect();
    assert_eq!(world.ask(&mut who, REFRESH, &many).unknown.len(), 16);
    assert_eq!(world.ask(&mut who, ALLOCATE, &[UDP, A::Raw(0x8777, vec![1])]).code, 0);
}

#[test]
fn what_is_malformed_is_a_bad_request() {
    let mut world = World::plain();
    let mut who = Who::alice();
    for bad in [
        A::Raw(0x0019, vec![17]),
        A::Raw(0x0019, vec![]),
        A::Raw(0x0017, vec![1, 0, 0]),
        A::Raw(0x000d, vec![0; 5]),
        A::Raw(0x0018, vec![]),
        A::Raw(0x0022, vec![0; 4]),
        A::Raw(0x0012, vec![0, 1, 0, 1, 1, 1, 1]),
        A::Raw(0x0012, vec![0, 3, 0, 1, 1, 1, 1, 1]),
    ] {
        assert_eq!(world.ask(&mut who, ALLOCATE, &[UDP, bad.clone()]).code, 400, "{bad:?}");
    }
    assert!(world.open.is_empty());
}

#[test]
fn what_has_expired_is_gone_and_its_port_is_free() {
    let mut world = World::plain();
    let mut who = Who::alice();
    let relayed = world.allocate(&mut who);
    world.ask(&mut who, PERMIT, &[A::Peer("192.0.2.9:1")]);
    world.now += seconds(600);
    // even before it is cleared away
    assert_eq!(world.sent(&who, &send("192.0.2.9:1", b"late")), None);
    assert_eq!(world.heard(relayed, "192.0.2.9:1", b"late"), None);
    world.relay.expire(world.now);
    world.close();
    assert!(world.open.is_empty());
    assert!(!world.relay.serves(&who.path));
    assert_eq!(world.ask(&mut who, REFRESH, &[]).code, 437);
    world.allocate(&mut who);
    world.now += seconds(600);
    let said = world.ask(&mut who, ALLOCATE, &[UDP]);
    assert_eq!(said.code, 0, "a new one may be had at once: {said:?}");
    assert_eq!(world.open.len(), 1);
}

#[test]
fn a_client_whose_connection_ends_leaves_nothing_behind() {
    let mut world = World::plain();
    let mut who = Who::alice();
    who.path.over = Over::Tcp;
    world.allocate(&mut who);
    world.relay.disconnected(&who.path);
    world.relay.disconnected(&who.path);
    world.close();
    assert!(world.open.is_empty() && world.relay.accounts.is_empty());
}

#[test]
fn a_user_has_no_more_allocations_than_the_quota() {
    let mut world = World::new(Config { quota: Some(2), ..config() });
    let mut all: Vec<Who> = (1..=3).map(Who::alice_at).collect();
    world.allocate(&mut all[0]);
    world.allocate(&mut all[1]);
    let said = world.ask(&mut all[2], ALLOCATE, &[UDP]);
    assert_eq!((said.code, said.signed), (486, true));
    world.allocate(&mut Who::new("198.51.100.7:9", "bob", "builder"));
    assert_eq!(world.ask(&mut all[0], REFRESH, &[A::Lifetime(0)]).code, 0);
    world.allocate(&mut all[2]);
    world.now += seconds(600);
    world.relay.expire(world.now);
    world.close();
    world.allocate(&mut all[0]);
    world.allocate(&mut all[1]);
}

#[test]
fn a_new_expiry_is_not_a_new_quota() {
    let mut world = World::new(Config { quota: Some(1), ..config() });
    let guest = |port: u16, left: u64| {
        let user = format!("{}:carol", EPOCH + left);
        let password = time_limited_password(b"north", &user);
        Who::new(&format!("198.51.100.7:{port}"), &user, &password)
    };
    world.allocate(&mut guest(1, 60));
    assert_eq!(world.ask(&mut guest(2, 61), ALLOCATE, &[UDP]).code, 486);
}

fn time_limited(port: u16, left: u64, name: &str) -> Who {
    let user = format!("{}{name}", EPOCH + left);
    let password = time_limited_password(b"north", &user);
    Who::new(&format!("198.51.100.8:{port}"), &user, &password)
}

/// Each was an account of its own, with a quota of its own.
#[test]
fn users_without_a_name_are_one_account() {
    let mut world = World::new(Config { quota: Some(2), ..config() });
    world.allocate(&mut time_limited(1, 60, ""));
    world.allocate(&mut time_limited(2, 61, ":"));
    let said = world.ask(&mut time_limited(3, 62, ""), ALLOCATE, &[UDP]);
    assert_eq!(said.code, 486);
    assert!(said.reason.contains("users without a name share one"), "{}", said.reason);
    world.allocate(&mut time_limited(4, 60, ":carol"));
}

/// `EXPIRY:alice` shared the quota and the reservations of the user alice.
#[test]
fn a_time_limited_alice_is_not_the_alice_with_a_password() {
    let mut world = World::new(Config { quota: Some(2), ..config() });
    let said = world.ask(&mut Who::alice_at(1), ALLOCATE, &[UDP, A::Even(true)]);
    let token = said.token.expect("a token");
    let said = world.ask(&mut time_limited(1, 60, ":alice"), ALLOCATE, &[UDP, A::Token(token)]);
    assert_eq!(said.code, 508, "the port is another's");
    world.allocate(&mut time_limited(2, 60, ":alice"));
    world.allocate(&mut time_limited(3, 60, ":alice"));
    assert_eq!(world.ask(&mut time_limited(4, 61, ":alice"), ALLOCATE, &[UDP]).code, 486);
    let said = world.ask(&mut Who::alice_at(2), ALLOCATE, &[UDP, A::Token(token)]);
    assert_eq!(said.code, 0);
    assert_eq!(world.ask(&mut Who::alice_at(3), ALLOCATE, &[UDP]).code, 486);
}

/// EVEN-PORT and a second family went past the quota.
#[test]
fn every_socket_and_every_reserved_port_counts() {
    let relay = vec![addr(SERVER).ip(), addr("[2001:db8::1]:0").ip()];
    let mut world = World::new(Config { quota: Some(3), relay: relay.clone(), ..config() });
    let mut both = Who::alice_at(1);
    let said = world.ask(&mut both, ALLOCATE, &[UDP, A::Additional(2)]);
    assert_eq!((said.code, said.relayed.len()), (0, 2));
    assert_eq!(world.ask(&mut Who::alice_at(2), ALLOCATE, &[UDP, A::Even(true)]).code, 486);
    let said = world.ask(&mut Who::alice_at(3), ALLOCATE, &[UDP, A::Additional(2)]);
    assert_eq!((said.code, said.relayed.len()), (0, 1), "one is left");
    assert_eq!(said.lacking, Some((stun_types::AddressFamily::IPV6, 508)));
    assert_eq!(world.ask(&mut Who::alice_at(4), ALLOCATE, &[UDP]).code, 486);
    // one family of two given up is one more to be had
    assert_eq!(world.ask(&mut both, REFRESH, &[A::Lifetime(0), A::Family(2)]).code, 0);
    world.allocate(&mut Who::alice_at(4));
    assert_eq!(world.ask(&mut Who::alice_at(5), ALLOCATE, &[UDP]).code, 486);

    let mut world = World::new(Config { capacity: 2, relay, ..config() });
    world.allocate(&mut Who::alice_at(1));
    let said = world.ask(&mut Who::alice_at(2), ALLOCATE, &[UDP, A::Additional(2)]);
    assert_eq!((said.code, said.relayed.len()), (0, 1));
    assert_eq!(world.ask(&mut Who::alice_at(3), ALLOCATE, &[UDP]).code, 508);
}

#[test]
fn what_begins_and_ends_is_told_once_with_what_it_carried() {
    let mut world = World::plain();
    let mut who = Who::alice();
    let relayed = world.allocate(&mut who);
    let began = world.relay.poll_event().expect("it began");
    assert!(began.live && began.relayed == [relayed] && began.client == who.path);
    assert_eq!((began.account.as_str(), world.relay.poll_event()), ("alice", None));
    world.ask(&mut who, PERMIT, &[A::PeerAt(addr("192.0.2.9:9"))]);
    world.sent(&who, &send("192.0.2.9:9", b"four"));
    world.now += seconds(60);
    world.ask(&mut who, REFRESH, &[A::Lifetime(0)]);
    let ended = world.relay.poll_event().expect("it ended");
    assert!(!ended.live && ended.age == seconds(60) && ended.relayed == [relayed], "{ended:?}");
    assert_eq!((ended.traffic.to_peers, ended.traffic.to_peers_bytes), (1, 4));
    let mut other = time_limited(1, 600, ":carol");
    world.allocate(&mut other);
    assert_eq!(world.relay.poll_event().map(|e| e.account), Some("carol (time-limited)".into()));
    world.relay.end_all();
    assert!(world.relay.poll_event().is_some_and(|event| !event.live));
}

#[test]
fn a_users_bandwidth_is_one_for_all_allocations_and_both_ways() {
    let bandwidth = "800kbit".parse().ok();
    let mut world = World::new(Config { bandwidth, ..config() });
    let (mut a, mut b, mut bob) =
        (Who::alice_at(1), Who::alice_at(2), Who::new("198.51.100.7:9", "bob", "builder"));
    let relayed = world.allocate(&mut a);
    for who in [&mut b, &mut bob] {
        world.allocate(who);
    }
    for who in [&mut a, &mut b, &mut bob] {
        world.ask(who, PERMIT, &[A::PeerAt(addr("192.0.2.9:9"))]);
    }
    let payload = [7; 1000];
    let packet = send("192.0.2.9:9", &payload);
    let mut passed = 0;
    // ten seconds of a packet each millisecond by three ways: 3 MB/s asked for, 100 kB/s allowed
    for _ in 0..10_000 {
        world.now += Duration::from_millis(1);
        passed += usize::from(world.sent(&a, &packet).is_some());
        passed += usize::from(world.sent(&b, &packet).is_some());
        passed += usize::from(world.heard(relayed, "192.0.2.9:9", &payload).is_some());
    }
    assert!((1060..=1070).contains(&passed), "{passed} of 1,000 bytes, 65 of them at once");
    assert!(world.sent(&bob, &packet).is_some(), "others have their own");
    // a new allocation is not a new bucket
    world.ask(&mut a, REFRESH, &[A::Lifetime(0)]);
    world.ask(&mut b, REFRESH, &[A::Lifetime(0)]);
    world.relay.expire(world.now);
    world.allocate(&mut a);
    world.ask(&mut a, PERMIT, &[A::PeerAt(addr("192.0.2.9:9"))]);
    assert!(world.sent(&a, &packet).is_none());
    world.ask(&mut a, REFRESH, &[A::Lifetime(0)]);
    world.ask(&mut bob, REFRESH, &[A::Lifetime(0)]);
    world.now += seconds(2);
    world.relay.expire(world.now);
    assert!(world.relay.accounts.is_empty(), "nothing is kept for ever");
}

#[test]
fn bandwidths_are_read_with_their_units() {
    let read = |text: &str| text.parse::<Bandwidth>();
    for (text, bytes) in
        [("2Mbit", 250_000), ("2Mbit/s", 250_000), ("250kB", 250_000), ("1GB", 1_000_000_000)]
    {
        assert_eq!(read(text), Ok(Bandwidth::new(bytes)), "{text}");
    }
    for bad in ["", "2", "Mbit", "2mbit", "0kB", "2 parsecs", "-1kB", "99999999999999999999GB"] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn new_credentials_count_from_the_next_request_on() {
    let mut world = World::plain();
    let mut alice = Who::alice();
    world.allocate(&mut alice);
    let users = vec![("bob".to_owned(), "better".to_owned())];
    world.relay.set_credentials(&Credentials { users, secrets: Vec::new() });
    assert_eq!(world.ask(&mut alice, REFRESH, &[]).code, 401);
    assert_eq!(
        world.ask(&mut Who::new("198.51.100.7:3", "bob", "builder"), ALLOCATE, &[UDP]).code,
        401
    );
    assert_eq!(world.ask(&mut time_limited(1, 60, ":carol"), ALLOCATE, &[UDP]).code, 401);
    world.allocate(&mut Who::new("198.51.100.7:4", "bob", "better"));
}

#[test]
fn the_relay_is_full_when_it_says_so() {
    let mut world = World::new(Config { capacity: 1, ..config() });
    world.allocate(&mut Who::alice_at(1));
    assert_eq!(world.ask(&mut Who::alice_at(2), ALLOCATE, &[UDP]).code, 508);
}

#[test]
fn when_the_ports_are_used_up_the_relay_is_full() {
    let ports = PortRange::new(50_000, 50_003).expect("a range");
    let mut world = World::new(Config { ports, ..config() });
    world.taken.insert(addr("203.0.113.1:50002"));
    let mut all: Vec<Who> = (1..=4).map(Who::alice_at).collect();
    let mut given: Vec<u16> = all[..3].iter_mut().map(|who| world.allocate(who).port()).collect();
    given.sort_unstable();
    assert_eq!(given, [50_000, 50_001, 50_003], "somebody else has one");
    assert_eq!(world.ask(&mut all[3], ALLOCATE, &[UDP]).code, 508);
    world.taken.clear();
    assert_eq!(world.allocate(&mut all[3]).port(), 50_002, "and gave it back");
    world.ask(&mut all[0], REFRESH, &[A::Lifetime(0)]);
    world.allocate(&mut all[0]);
}

#[test]
fn a_system_without_sockets_is_a_full_relay_and_no_port_is_lost() {
    let ports = PortRange::new(50_000, 50_003).expect("a range");
    let mut world = World::new(Config { ports, ..config() });
    world.exhausted = true;
    for port in 1..20 {
        assert_eq!(world.ask(&mut Who::alice_at(port), ALLOCATE, &[UDP]).code, 508);
        assert_eq!(world.ask(&mut Who::alice_at(port), ALLOCATE, &[UDP, A::Even(true)]).code, 508);
    }
    assert!(world.relay.accounts.is_empty() && world.relay.reservations.is_empty());
    world.exhausted = false;
    for port in 1..=4 {
        world.allocate(&mut Who::alice_at(port));
    }
}

#[test]
fn an_even_port_and_the_next_are_had_by_token() {
    let mut world = World::plain();
    let (mut media, mut control) = (Who::alice_at(1), Who::alice_at(2));
    let said = world.ask(&mut media, ALLOCATE, &[UDP, A::Even(true)]);
    let (first, token) = (said.relayed[0], said.token.expect("a token"));
    assert_eq!(first.port() % 2, 0);
    let mut bob = Who::new("198.51.100.7:3", "bob", "builder");
    assert_eq!(world.ask(&mut bob, ALLOCATE, &[UDP, A::Token(token)]).code, 508, "not his");
    assert_eq!(world.ask(&mut control, ALLOCATE, &[UDP, A::Token(token ^ 1)]).code, 508);
    let said = world.ask(&mut control, ALLOCATE, &[UDP, A::Token(token)]);
    assert_eq!(said.relayed[0].port(), first.port() + 1);
    assert_eq!(world.ask(&mut Who::alice_at(4), ALLOCATE, &[UDP, A::Token(token)]).code, 508);
    let said = world.ask(&mut Who::alice_at(5), ALLOCATE, &[UDP, A::Even(false)]);
    assert_eq!((said.relayed[0].port() % 2, said.token), (0, None));
}

#[test]
fn a_reserved_port_is_kept_for_half_a_minute_and_counts() {
    let ports = PortRange::new(50_000, 50_001).expect("a range");
    let mut world = World::new(Config { ports, quota: Some(2), ..config() });
    let said = world.ask(&mut Who::alice_at(1), ALLOCATE, &[UDP, A::Even(true)]);
    let token = said.token.expect("a token");
    assert_eq!(world.ask(&mut Who::alice_at(2), ALLOCATE, &[UDP]).code, 486, "two are hers");
    let mut bob = Who::new("198.51.100.7:3", "bob", "builder");
    assert_eq!(world.ask(&mut bob, ALLOCATE, &[UDP]).code, 508, "both are taken");
    world.now += seconds(30);
    let said = world.ask(&mut Who::alice_at(2), ALLOCATE, &[UDP, A::Token(token)]);
    assert_eq!(said.code, 508, "too late");
    world.relay.expire(world.now);
    world.allocate(&mut bob);
}

#[test]
fn a_full_relay_does_not_lose_the_port_that_was_reserved() {
    let ports = PortRange::new(50_000, 50_001).expect("a range");
    let mut world = World::new(Config { ports, capacity: 1, ..config() });
    let mut first = Who::alice_at(1);
    let token = world.ask(&mut first, ALLOCATE, &[UDP, A::Even(true)]).token.expect("a token");
    let mut second = Who::alice_at(2);
    assert_eq!(world.ask(&mut second, ALLOCATE, &[UDP, A::Token(token)]).code, 508);
    assert_eq!(world.ask(&mut first, REFRESH, &[A::Lifetime(0)]).code, 0);
    assert_eq!(world.ask(&mut second, ALLOCATE, &[UDP, A::Token(token)]).code, 0);
    assert_eq!(world.ask(&mut second, REFRESH, &[A::Lifetime(0)]).code, 0);
    assert!(world.relay.accounts.is_empty(), "{:?}", world.relay.accounts);
}

#[test]
fn contradictions_are_bad_requests() {
    let mut world = World::plain();
    let mut who = Who::alice();
    for contradiction in [
        vec![A::Even(true), A::Token(1)],
        vec![A::Family(1), A::Token(1)],
        vec![A::Additional(2), A::Token(1)],
        vec![A::Family(1), A::Additional(2)],
        vec![A::Even(false), A::Additional(2)],
        vec![A::Additional(1)],
    ] {
        let asked = [vec![UDP], contradiction.clone()].concat();
        assert_eq!(world.ask(&mut who, ALLOCATE, &asked).code, 400, "{contradiction:?}");
    }
}

fn both_families() -> World {
    let relay = vec![addr(SERVER).ip(), addr("[2001:db8::1]:0").ip()];
    World::new(Config { relay, ..config() })
}

#[test]
fn a_family_that_the_relay_has_not_is_refused() {
    let mut world = World::plain();
    let mut who = Who::alice();
    assert_eq!(world.ask(&mut who, ALLOCATE, &[UDP, A::Family(2)]).code, 440);
    assert_eq!(world.ask(&mut who, ALLOCATE, &[UDP, A::Family(9)]).code, 440);
    let said = world.ask(&mut who, ALLOCATE, &[UDP, A::Additional(2)]);
    assert_eq!(
        (said.code, said.relayed.len(), said.lacking),
        (0, 1, Some((AddressFamily::IPV6, 440)))
    );
    let relay = vec![addr("[2001:db8::1]:0").ip()];
    let mut world = World::new(Config { relay, ..config() });
    assert_eq!(world.ask(&mut who, ALLOCATE, &[UDP]).code, 440, "IPv4 is meant when none is named");
}

#[test]
fn an_allocation_may_have_an_address_of_each_family() {
    let mut world = both_families();
    let mut who = Who::alice();
    let said = world.ask(&mut who, ALLOCATE, &[UDP, A::Additional(2)]);
    assert_eq!((said.code, said.lacking, world.open.len()), (0, None, 2));
    let (v4, v6) = (said.relayed[0], said.relayed[1]);
    assert!(v4.is_ipv4() && v6.is_ipv6());
    let peers = [A::Peer("192.0.2.9:1"), A::Peer("[2600::9]:1")];
    assert_eq!(world.ask(&mut who, PERMIT, &peers).code, 0);
    let (from, _, _) = world.sent(&who, &send("[2600::9]:1", b"six")).expect("sent");
    assert_eq!(from, v6);
    // one of them may end alone
    let said = world.ask(&mut who, REFRESH, &[A::Lifetime(0), A::Family(1)]);
    assert_eq!((said.code, world.open.len()), (0, 1));
    assert_eq!(world.sent(&who, &send("192.0.2.9:1", b"four")), None);
    assert!(world.sent(&who, &send("[2600::9]:1", b"six")).is_some());
    assert_eq!(world.ask(&mut who, REFRESH, &[A::Family(1)]).code, 443);
    assert_eq!(world.ask(&mut who, REFRESH, &[A::Family(2), A::Lifetime(0)]).code, 0);
    assert!(world.open.is_empty() && world.relay.accounts.is_empty());
}

#[test]
fn a_family_may_expire_before_the_other() {
    let mut world = both_families();
    let mut who = Who::alice();
    world.ask(&mut who, ALLOCATE, &[UDP, A::Additional(2)]);
    world.ask(&mut who, REFRESH, &[A::Family(2), A::Lifetime(1200)]);
    world.now += seconds(700);
    world.relay.expire(world.now);
    world.close();
    assert_eq!(world.open.len(), 1);
    assert!(world.open.iter().all(SocketAddr::is_ipv6));
}

#[test]
fn when_the_second_family_has_no_port_left_there_is_still_the_first() {
    let relay = vec![addr(SERVER).ip(), addr("[2001:db8::1]:0").ip()];
    let ports = PortRange::new(50_000, 50_000).expect("a range");
    let mut world = World::new(Config { relay, ports, ..config() });
    let mut first = Who::alice_at(1);
    assert_eq!(world.ask(&mut first, ALLOCATE, &[UDP, A::Family(2)]).code, 0);
    let said = world.ask(&mut Who::alice_at(2), ALLOCATE, &[UDP, A::Additional(2)]);
    assert_eq!(
        (said.code, said.relayed.len(), said.lacking),
        (0, 1, Some((AddressFamily::IPV6, 508)))
    );
}
