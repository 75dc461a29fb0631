//! A TURN account as vantage point, in virtual time: what it proves beside plain servers, what it
//! leaves open, and that nothing it does wrong becomes a wrong verdict.

use super::draw::{millis, server};
use super::{check, plain_world, run};
use natscope::ground::fact::{Fact, Grade};
use natscope::nat::{Allocation, Bug, Facts, Filtering, Mapping, NatSpec, Scope};
use natscope::probe::judge::judge;
use natscope::sim::World;
use natscope::sim::link::Link;
use natscope::sim::server::Fault;
use natscope::sim::vantage::{RelayFault, RelaySpec};
use std::net::{Ipv4Addr, SocketAddr};

fn all_nine() -> impl Iterator<Item = NatSpec> {
    let filters = |m: &'static Mapping| Filtering::ALL.iter().map(move |f| (*m, *f));
    let pairs = Mapping::ALL.iter().flat_map(filters);
    pairs.map(|(m, f)| NatSpec::new(m, f, Allocation::Preserving))
}

/// A relay at 203.0.113.`host`.
fn relay(host: u8, way: Link) -> RelaySpec {
    let at = |port| SocketAddr::new(Ipv4Addr::new(203, 0, 113, host).into(), port);
    let (server, relayed) = (at(3478), vec![at(50_001), at(50_007)]);
    RelaySpec { server, relayed, up: way, down: way, udp: false, fault: None }
}

/// One plain server and a TURN account at another address.
fn world(seed: u64, nat: NatSpec, loss: f64) -> World {
    let mut world = plain_world(seed, nat, millis(0.4), loss);
    world.servers[0].faults.push(Fault::Plain);
    world.relay = Some(relay(90, world.servers[0].up));
    world
}

fn is_proven<T>(fact: &Fact<T>, truth: &T) -> bool
where
    T: PartialEq,
{
    matches!(fact, Fact::Known { value, grade: Grade::Proven, .. } if value == truth)
}

fn assert_proven(world: &World, facts: &Facts) {
    let (mapping, filtering) = (&facts.mapping, &facts.filtering);
    assert!(is_proven(mapping, &world.nat.mapping), "{}: {mapping:#?}", world.nat.name);
    assert!(is_proven(filtering, &world.nat.filtering), "{}: {filtering:#?}", world.nat.name);
}

#[test]
fn a_turn_account_and_a_plain_server_prove_all_nine() {
    for seed in 0..10 {
        for nat in all_nine() {
            let world = world(seed, nat, 0.0);
            let (took, facts) = run(&world);
            assert_proven(&world, &facts);
            assert!(took <= millis(2500.0), "{}: {took:?}", world.nat.name);
        }
    }
}

#[test]
fn a_router_that_early_packets_spoil_is_told_from_a_symmetric_one() {
    for mut nat in all_nine().filter(|nat| nat.mapping == Mapping::EndpointIndependent) {
        nat.bugs.push(Bug::EarlyPacket);
        let world = world(3, nat, 0.0);
        let (_, facts) = run(&world);
        assert_proven(&world, &facts);
        let spoiled = world.nat.filtering != Filtering::EndpointIndependent;
        assert!(is_proven(&facts.early_packet_poisoning, &spoiled), "{facts:#?}");
    }
}

#[test]
fn ten_percent_loss_makes_no_verdict_wrong() {
    let mut definite = 0;
    for seed in 0..40 {
        for nat in all_nine() {
            let world = world(seed, nat, 0.1);
            let (_, facts) = run(&world);
            assert_eq!(check::lies(&world, &facts), Vec::<String>::new(), "seed {seed}");
            definite += usize::from(facts.filtering.value().is_some());
        }
    }
    assert!(definite * 100 >= 360 * 90, "{definite} of 360 filterings are definite");
}

/// With no second address nobody can tell endpoint-independent from address-dependent.
#[test]
fn a_relay_at_the_only_servers_address_leaves_two_possible() {
    for nat in all_nine() {
        let mut world = world(5, nat, 0.0);
        world.relay = Some(relay(1, world.servers[0].up));
        let (_, facts) = run(&world);
        assert_eq!(check::lies(&world, &facts), Vec::<String>::new());
        let open = |dependent: bool| if dependent { 1 } else { 2 };
        let (m, f) = (world.nat.mapping, world.nat.filtering);
        let mapping = open(m == Mapping::AddressAndPortDependent);
        let filtering = open(f == Filtering::AddressAndPortDependent);
        assert_eq!(facts.mapping.possible().len(), mapping, "{:#?}", facts.mapping);
        assert_eq!(facts.filtering.possible().len(), filtering, "{:#?}", facts.filtering);
        if filtering == 2 {
            let because = facts.filtering.because();
            assert!(because.contains("give one more --server"), "{because}");
        }
    }
}

/// Where the TURN client itself had to use UDP, a filter of the whole host knows the relay.
#[test]
fn a_relay_over_udp_does_not_prove_what_a_shared_filter_would_do_too() {
    for nat in all_nine() {
        for scope in [Scope::Mapping, Scope::Endpoint] {
            let mut world = world(6, NatSpec { scope, ..nat.clone() }, 0.0);
            world.relay.as_mut().unwrap().udp = true;
            let (_, facts) = run(&world);
            assert_eq!(check::lies(&world, &facts), Vec::<String>::new(), "{scope:?}");
            assert!(is_proven(&facts.mapping, &nat.mapping), "{facts:#?}");
            assert!(facts.filtering.possible().len() <= 2, "{:#?}", facts.filtering);
        }
    }
}

#[test]
fn what_a_relay_does_wrong_is_told_and_never_a_fact() {
    let stranger = (Ipv4Addr::new(203, 0, 113, 92), 50_001).into();
    let faults = [
        (RelayFault::NoAllocation, "relay-unusable"),
        (RelayFault::Refuses, "relay-unusable"),
        (RelayFault::Deaf, "relay-observes"),
        (RelayFault::Mute, "relay-observes"),
        (RelayFault::SendsFrom(stranger), "wrong-source"),
        (RelayFault::Sees(stranger), "one-address-for-all"),
    ];
    for (fault, id) in faults {
        for nat in all_nine() {
            // what a filter keeps out is not seen
            let open = nat.filtering == Filtering::EndpointIndependent;
            let seen = open || !matches!(fault, RelayFault::SendsFrom(_));
            let mut world = world(7, nat, 0.0);
            world.relay.as_mut().unwrap().fault = Some(fault);
            let judged = judge(&world.run().unwrap().record);
            let lies = check::lies(&world, &judged.facts);
            assert_eq!(lies, Vec::<String>::new(), "{fault:?}");
            let ids: Vec<&str> =
                judged.servers[1].findings.iter().map(|finding| finding.id.as_str()).collect();
            // a balancer is found out by the second socket that it sees at the same place
            assert!(!seen || ids.contains(&id), "{fault:?} behind {}: {ids:?}", world.nat.name);
        }
    }
}

/// What the servers have proven needs no relay: quotas and time are not spent.
#[test]
fn a_server_with_two_addresses_leaves_the_relay_alone() {
    let mut world = world(8, all_nine().last().unwrap(), 0.0);
    world.servers = vec![server(0, world.servers[0].up, world.servers[0].down)];
    let outcome = world.run().unwrap();
    assert_eq!(outcome.record.servers.len(), 1, "{:#?}", outcome.record.servers);
}
