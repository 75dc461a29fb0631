//! The model against the sentences of RFC 4787, written down by themselves: which remote endpoints
//! see which mapping, and which may send to it.

use super::*;
use rand::SeedableRng;

const NOW: Duration = Duration::ZERO;

fn at(text: &str) -> SocketAddr {
    text.parse().expect("literal")
}

fn nat(spec: NatSpec) -> NatBox {
    NatBox::new(spec, at("198.51.100.1:0").ip(), StdRng::seed_from_u64(7))
}

fn spec(mapping: Mapping, filtering: Filtering, allocation: Allocation) -> NatSpec {
    NatSpec::new(mapping, filtering, allocation)
}

/// RFC 4787 section 4.1: whether (X1':x1') is reused for (Y2:y2).
#[test]
fn mappings_are_reused_as_section_4_1_says() {
    let (inside, first) = (at("10.0.0.2:4000"), at("203.0.113.1:3478"));
    let others = [at("203.0.113.1:3478"), at("203.0.113.1:3479"), at("203.0.113.2:3479")];
    let table = [
        (Mapping::EndpointIndependent, [true, true, true]),
        (Mapping::AddressDependent, [true, true, false]),
        (Mapping::AddressAndPortDependent, [true, false, false]),
    ];
    for (mapping, reused) in table {
        for &filtering in Filtering::ALL {
            for &allocation in Allocation::ALL {
                let mut nat = nat(spec(mapping, filtering, allocation));
                let external = nat.outbound(NOW, inside, first).expect("passes");
                let seen = others.map(|o| nat.outbound(NOW, inside, o).expect("passes"));
                assert_eq!(seen.map(|s| s == external), reused, "{mapping} {allocation}");
                let preserved = external.port() == inside.port();
                assert_eq!(preserved, allocation == Allocation::Preserving, "{allocation}");
            }
        }
    }
}

/// RFC 4787 section 5: who may send to a mapping that has sent to 203.0.113.1:3478 only.
#[test]
fn filters_let_in_what_section_5_says() {
    let (inside, asked) = (at("10.0.0.2:4000"), at("203.0.113.1:3478"));
    let senders = [asked, at("203.0.113.1:9"), at("203.0.113.2:3478"), at("203.0.113.2:9")];
    let table = [
        (Filtering::EndpointIndependent, [true, true, true, true]),
        (Filtering::AddressDependent, [true, true, false, false]),
        (Filtering::AddressAndPortDependent, [true, false, false, false]),
    ];
    for (filtering, let_in) in table {
        for &mapping in Mapping::ALL {
            for translation in [Translation::Nat, Translation::None] {
                let spec = NatSpec { translation, ..spec(mapping, filtering, Allocation::Random) };
                let mut nat = nat(spec);
                let external = nat.outbound(NOW, inside, asked).expect("passes");
                let seen = senders.map(|s| nat.inbound(NOW, s, external) == Some(inside));
                assert_eq!(seen, let_in, "{mapping} {filtering} {translation:?}");
            }
        }
    }
}

#[test]
fn nothing_comes_in_where_nothing_went_out() {
    let stranger = at("203.0.113.1:3478");
    for &filtering in Filtering::ALL {
        let mut nat = nat(spec(Mapping::EndpointIndependent, filtering, Allocation::Random));
        assert_eq!(nat.inbound(NOW, stranger, at("198.51.100.1:4000")), None);
    }
}

#[test]
fn a_router_without_a_filter_is_open_and_a_firewall_is_not() {
    let (host, stranger) = (at("198.51.100.7:4000"), at("203.0.113.1:3478"));
    for &filtering in Filtering::ALL {
        let plain = spec(Mapping::EndpointIndependent, filtering, Allocation::Preserving);
        let mut router = nat(NatSpec { translation: Translation::None, ..plain });
        let open = filtering == Filtering::EndpointIndependent;
        assert_eq!(router.inbound(NOW, stranger, host), open.then_some(host));
        assert_eq!(router.outbound(NOW, host, stranger), Some(host));
        assert_eq!(router.inbound(NOW, stranger, host), Some(host));
    }
}

#[test]
fn the_scope_of_a_permission() {
    let (one, two) = (at("10.0.0.2:4000"), at("10.0.0.3:4000"));
    let (asked, other) = (at("203.0.113.1:3478"), at("203.0.113.9:3478"));
    for (scope, shared) in [(Scope::Mapping, false), (Scope::Endpoint, true)] {
        let plain =
            spec(Mapping::EndpointIndependent, Filtering::AddressDependent, Allocation::Random);
        let mut nat = nat(NatSpec { scope, ..plain });
        let external = nat.outbound(NOW, one, asked).expect("passes");
        nat.outbound(NOW, two, other).expect("passes");
        assert_eq!(nat.inbound(NOW, other, external).is_some(), shared, "{scope}");
    }
}

#[test]
fn preserving_gives_a_second_host_another_port() {
    let plain = spec(
        Mapping::EndpointIndependent,
        Filtering::AddressAndPortDependent,
        Allocation::Preserving,
    );
    let (mut nat, remote) = (nat(plain), at("203.0.113.1:3478"));
    let one = nat.outbound(NOW, at("10.0.0.2:4000"), remote).expect("passes");
    let two = nat.outbound(NOW, at("10.0.0.3:4000"), remote).expect("passes");
    assert_eq!(one.port(), 4000);
    assert_ne!(two.port(), 4000);
}

#[test]
fn sequential_ports_follow_one_another() {
    let plain = spec(
        Mapping::AddressAndPortDependent,
        Filtering::AddressAndPortDependent,
        Allocation::Sequential,
    );
    let mut nat = nat(plain);
    let ports = [1, 2, 3].map(|n| {
        let remote = SocketAddr::new(at("203.0.113.1:0").ip(), n);
        nat.outbound(NOW, at("10.0.0.2:4000"), remote).expect("passes").port()
    });
    assert_eq!(ports, [ports[0], ports[0] + 1, ports[0] + 2]);
}

#[test]
fn an_early_packet_takes_the_tuple() {
    for (bugs, poisoned) in [(vec![], false), (vec![Bug::EarlyPacket], true)] {
        let plain = spec(
            Mapping::EndpointIndependent,
            Filtering::AddressAndPortDependent,
            Allocation::Preserving,
        );
        let mut nat = nat(NatSpec { bugs, ..plain });
        let (inside, server, peer) =
            (at("10.0.0.2:4000"), at("203.0.113.1:3478"), at("203.0.113.2:5"));
        let external = nat.outbound(NOW, inside, server).expect("passes");
        assert_eq!(nat.inbound(NOW, peer, external), None);
        let own = nat.outbound(NOW, inside, peer).expect("passes");
        assert_eq!(own != external, poisoned);
        assert_eq!(nat.inbound(NOW, peer, own), Some(inside), "the flow itself works");
        assert_eq!(nat.inbound(NOW, peer, external).is_some(), !poisoned);
        let third = nat.outbound(NOW, inside, at("203.0.113.3:5")).expect("passes");
        assert_eq!(third, external, "other peers see the old mapping");
    }
}

#[test]
fn an_answer_leaves_by_the_session_that_let_the_packet_in() {
    let plain =
        spec(Mapping::AddressAndPortDependent, Filtering::EndpointIndependent, Allocation::Random);
    let mut nat = nat(plain);
    let (inside, peer) = (at("10.0.0.2:4000"), at("203.0.113.2:5"));
    let external = nat.outbound(NOW, inside, at("203.0.113.1:3478")).expect("passes");
    assert_eq!(nat.inbound(NOW, peer, external), Some(inside));
    assert_eq!(nat.outbound(NOW, inside, peer), Some(external));
}

#[test]
fn mappings_die_of_silence_and_streams_later() {
    let plain =
        spec(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent, Allocation::Random);
    let (inside, remote) = (at("10.0.0.2:4000"), at("203.0.113.1:3478"));
    let seconds = Duration::from_secs;
    let mut short = nat(plain.clone());
    let first = short.outbound(NOW, inside, remote).expect("passes");
    assert_eq!(short.inbound(seconds(30), remote, first), Some(inside), "30 s: still there");
    assert_eq!(short.inbound(seconds(61), remote, first), None, "31 s later: gone");
    assert_ne!(short.outbound(seconds(62), inside, remote), Some(first));

    let mut stream = nat(plain);
    let first = stream.outbound(NOW, inside, remote).expect("passes");
    assert_eq!(stream.inbound(seconds(1), remote, first), Some(inside));
    assert_eq!(stream.outbound(seconds(3), inside, remote), Some(first));
    assert_eq!(stream.inbound(seconds(120), remote, first), Some(inside), "a stream: 120 s");
}

/// RFC 4787 section 6, REQ-9: the external source is shown, and filters hold.
#[test]
fn inside_hosts_meet_outside_where_hairpinning_works() {
    for (hairpin, filtering, gets_in) in [
        (false, Filtering::EndpointIndependent, false),
        (true, Filtering::EndpointIndependent, true),
        (true, Filtering::AddressAndPortDependent, false),
    ] {
        let plain = spec(Mapping::EndpointIndependent, filtering, Allocation::Random);
        let mut nat = nat(NatSpec { hairpin, ..plain });
        let (one, two, server) = (at("10.0.0.2:4000"), at("10.0.0.3:4000"), at("203.0.113.1:3478"));
        let ext_one = nat.outbound(NOW, one, server).expect("passes");
        let ext_two = nat.outbound(NOW, two, server).expect("passes");
        assert_eq!(nat.hairpin(NOW, one, ext_two), gets_in.then_some((ext_one, two)));
        // Both have sent to one another now: a hole is punched.
        assert_eq!(nat.hairpin(NOW, two, ext_one), hairpin.then_some((ext_two, one)));
    }
}

#[test]
fn blocked_is_blocked() {
    let plain =
        spec(Mapping::EndpointIndependent, Filtering::EndpointIndependent, Allocation::Random);
    let mut nat = nat(NatSpec { bugs: vec![Bug::UdpBlocked], ..plain });
    assert_eq!(nat.outbound(NOW, at("10.0.0.2:4000"), at("203.0.113.1:3478")), None);
}
