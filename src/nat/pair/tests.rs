use super::*;
use crate::lab::catalogue::Catalogue;
use crate::nat::{Allocation, Filtering, Mapping, Scope};

fn nat(name: &str) -> NatSpec {
    Catalogue::embedded().find(name).unwrap()
}

fn of(a: &str, b: &str) -> (Verdict, Option<End>) {
    let forward = forecast(&nat(a), &nat(b));
    let backward = forecast(&nat(b), &nat(a));
    assert_eq!(forward.verdict, backward.verdict, "{a} × {b}: the verdict has no direction");
    assert_eq!(forward.first, backward.first.map(End::other), "{a} × {b}");
    (forward.verdict, forward.first)
}

const NINE: [&str; 9] = [
    "eim-eif",
    "eim-adf",
    "eim-apdf",
    "adm-eif",
    "adm-adf",
    "adm-apdf",
    "apdm-eif",
    "apdm-adf",
    "apdm-apdf",
];

/// The matrix that `lab certify` and `lab matrix` hold against real kernels and real agents.
const MATRIX: &str = "
eim-eif    stun  stun  stun  stun  stun  stun  stun  stun  stun
eim-adf    stun  stun  stun  stun  stun  stun  stun  stun  stun
eim-apdf   stun  stun  stun  order turn  turn  order turn  turn
adm-eif    stun  stun  order stun  stun  stun  stun  stun  stun
adm-adf    stun  stun  turn  stun  turn  turn  stun  turn  turn
adm-apdf   stun  stun  turn  stun  turn  turn  stun  turn  turn
apdm-eif   stun  stun  order stun  stun  stun  stun  stun  stun
apdm-adf   stun  stun  turn  stun  turn  turn  stun  turn  turn
apdm-apdf  stun  stun  turn  stun  turn  turn  stun  turn  turn
";

#[test]
fn the_matrix_of_the_nine_is_as_certified() {
    let mut seen = [0; 3];
    for (a, row) in NINE.iter().zip(MATRIX.trim().lines()) {
        let mut cells = row.split_whitespace();
        assert_eq!(cells.next(), Some(*a));
        for (b, cell) in NINE.iter().zip(cells) {
            let (verdict, first) = of(a, b);
            let (column, name) = match verdict {
                Verdict::Stun => (0, "stun"),
                Verdict::OrderDependent => (1, "order"),
                Verdict::Turn => (2, "turn"),
                Verdict::None => unreachable!("a relay is always reached"),
            };
            assert_eq!(name, cell, "{a} × {b}");
            if verdict == Verdict::OrderDependent {
                // the port-restricted cone must be first towards a dependent mapping that filters
                // nothing
                let strict = if *a == "eim-apdf" { End::A } else { End::B };
                assert_eq!(first, Some(strict), "{a} × {b}");
            }
            seen[column] += usize::from(a <= b);
        }
    }
    assert_eq!(seen, [29, 2, 14], "unordered pairs");
}

#[test]
fn a_router_that_takes_early_packets_depends_on_the_order() {
    assert_eq!(of("leaky-home", "eim-apdf"), (Verdict::OrderDependent, Some(End::A)));
    assert_eq!(of("leaky-home", "leaky-home"), (Verdict::Turn, None));
    assert_eq!(of("leaky-home", "eim-eif"), (Verdict::Stun, None));
    assert_eq!(of("leaky-home", "eim-adf"), (Verdict::Stun, None));
    assert_eq!(of("leaky-home", "symmetric"), (Verdict::Turn, None));
    assert_eq!(of("leaky-home", "apdm-eif"), (Verdict::OrderDependent, Some(End::A)));
}

#[test]
fn hosts_without_a_nat() {
    for name in NINE {
        assert_eq!(of("open", name), (Verdict::Stun, None), "{name}");
    }
    assert_eq!(of("firewall", "symmetric"), (Verdict::Turn, None));
    assert_eq!(of("firewall", "eim-apdf"), (Verdict::Stun, None));
    assert_eq!(of("firewall", "firewall"), (Verdict::Stun, None));
    assert_eq!(of("udp-blocked", "open"), (Verdict::Turn, None));
    assert_eq!(of("udp-blocked", "udp-blocked"), (Verdict::Turn, None));
}

#[test]
fn every_box_of_a_stack_filters_by_its_own_mapping() {
    let strict = nat("eim-adf");
    let outer = nat("apdm-eif");
    let stack = NatSpec { layers: vec![outer], ..strict };
    // composed they are apdm-adf, which a symmetric peer does not get in at
    assert_eq!(forecast(&stack, &nat("symmetric")).verdict, Verdict::Stun);
    // an early packet of the peer's opens the session at the outer box before the inner drops it
    assert_eq!(forecast(&stack, &nat("eim-apdf")).first, Some(End::B));
    let stack = NatSpec { layers: vec![nat("eim-adf")], ..nat("apdm-eif") };
    assert_eq!(forecast(&stack, &nat("symmetric")).verdict, Verdict::Turn);
    // an outer filter keeps early packets from a leaky router
    let walled = NatSpec { layers: vec![nat("eim-adf")], ..nat("leaky-home") };
    assert_eq!(forecast(&walled, &nat("eim-apdf")).verdict, Verdict::Stun);
}

/// Measured in the lab and in the simulator: the outer box makes a session of the early packet
/// before the inner one drops it.
#[test]
fn a_session_that_an_inner_filter_dropped_still_keeps_the_port() {
    let stack = NatSpec { layers: vec![nat("apdm-eif")], ..nat("eim-adf") };
    let cone = forecast(&nat("eim-apdf"), &stack);
    assert_eq!((cone.verdict, cone.first), (Verdict::OrderDependent, Some(End::A)));
    let other_way = NatSpec { layers: vec![nat("eim-adf")], ..nat("apdm-eif") };
    assert_eq!(forecast(&nat("eim-apdf"), &other_way).verdict, Verdict::Turn);
}

#[test]
fn permissions_shared_by_the_router_let_a_symmetric_peer_in() {
    let shared = NatSpec { scope: Scope::Endpoint, ..nat("adm-adf") };
    assert_eq!(forecast(&shared, &nat("symmetric")).verdict, Verdict::Stun);
    assert_eq!(forecast(&nat("adm-adf"), &nat("symmetric")).verdict, Verdict::Turn);
}

#[test]
fn kinds_of_peer_behave_as_the_catalogue_says() {
    for &kind in PeerKind::ALL {
        let name = match kind {
            PeerKind::OpenInternet => "open",
            PeerKind::SymmetricUdpFirewall => "firewall",
            other => other.as_str(),
        };
        let described = nat(name);
        if kind != PeerKind::UdpBlocked {
            assert_eq!(Behaviour::of(&kind.spec()), Behaviour::of(&described), "{kind}");
        }
        assert_eq!(kind.spec().truth().classic, kind.classic());
        assert_eq!(described.truth().classic, kind.classic());
        for other in Catalogue::embedded().nats() {
            let (ours, theirs) = (forecast(&kind.spec(), other), forecast(&described, other));
            assert_eq!((ours.verdict, ours.first), (theirs.verdict, theirs.first), "{kind}");
        }
    }
}

/// Port allocation is known of few NATs and measured of fewer; it decides nothing.
#[test]
fn port_allocation_changes_no_verdict() {
    for a in NINE {
        for b in NINE {
            let expected = of(a, b);
            for &allocation in Allocation::ALL {
                let other = NatSpec { allocation, ..nat(a) };
                let forecast = forecast(&other, &nat(b));
                assert_eq!((forecast.verdict, forecast.first), expected, "{a} {allocation} × {b}");
            }
        }
    }
}

/// What facts show of two NATs in a row is what both come to. A forecast from that may ask for a
/// relay that is not needed, and never promises what does not connect.
#[test]
fn what_two_boxes_come_to_promises_no_more_than_they_hold() {
    for inner in NINE {
        for outer in NINE {
            let stack = NatSpec { layers: vec![nat(outer)], ..nat(inner) };
            let truth = stack.truth();
            let seen = NatSpec::new(truth.mapping, truth.filtering, Allocation::Random);
            for peer in NINE {
                let (promised, real) = (forecast(&seen, &nat(peer)), forecast(&stack, &nat(peer)));
                assert!(promised.verdict >= real.verdict, "{inner} behind {outer} × {peer}");
            }
        }
    }
}

fn left(mapping: &[Mapping], filtering: &[Filtering]) -> Possible {
    Possible {
        udp: vec![true],
        mapping: mapping.to_vec(),
        filtering: filtering.to_vec(),
        ..Possible::anything()
    }
}

/// Every set of mappings and of filterings that facts may leave, at both ends.
#[test]
fn what_is_left_open_gives_exactly_the_union_of_its_values() {
    fn subsets<T: Copy>(all: &[T]) -> Vec<Vec<T>> {
        let chosen = |mask: u32| {
            let with = all.iter().enumerate().filter(move |(at, _)| mask & (1 << at) != 0);
            with.map(|(_, value)| *value).collect()
        };
        (1..1 << all.len()).map(chosen).collect()
    }
    let of = |m: Mapping, f: Filtering| NatSpec::new(m, f, Allocation::Random);
    let mut checked = 0;
    for mapping in subsets(Mapping::ALL) {
        for filtering in subsets(Filtering::ALL) {
            let open =
                Standing::of(&left(&mapping, &filtering)).expect("they do not exclude each other");
            for peer in NINE {
                let mut union: Vec<(Verdict, Option<End>)> = Vec::new();
                for &m in &mapping {
                    for &f in &filtering {
                        let one = forecast(&of(m, f), &nat(peer));
                        union.push((one.verdict, one.first));
                    }
                }
                let mut verdicts: Vec<Verdict> = union.iter().map(|one| one.0).collect();
                verdicts.sort_unstable();
                verdicts.dedup();
                let first = union[0].1.filter(|first| union.iter().all(|o| o.1 == Some(*first)));
                let peer = Standing::described(&nat(peer));
                let forth = outlook(&open, &peer);
                assert_eq!((&forth.possible, forth.first), (&verdicts, first));
                let back = outlook(&peer, &open);
                assert_eq!((&back.possible, back.first), (&verdicts, first.map(End::other)));
                assert_eq!(forth.verdict().is_none(), !forth.hinges.is_empty(), "{forth:?}");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 7 * 7 * 9);
}

#[test]
fn two_ends_that_are_both_open_give_the_union_of_all_pairs() {
    let all = || Standing::of(&left(Mapping::ALL, Filtering::ALL)).unwrap();
    let outlook = outlook(&all(), &all());
    assert_eq!(outlook.possible, [Verdict::Stun, Verdict::OrderDependent, Verdict::Turn]);
    assert_eq!(outlook.first, None);
    let axes: Vec<(End, Open)> = outlook.hinges.iter().map(|h| (h.end, h.axis)).collect();
    let both = |end| [(end, Open::Mapping), (end, Open::Filtering)];
    assert_eq!(axes, [both(End::A), both(End::B)].concat());
}

#[test]
fn a_hinge_says_what_follows_from_which_value() {
    use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    let dependent = [Mapping::AddressDependent, Mapping::AddressAndPortDependent];
    let open = Standing::of(&left(&dependent, Filtering::ALL)).unwrap();
    let outlook = outlook(&open, &Standing::described(&nat("eim-apdf")));
    let [hinge] = outlook.hinges.as_slice() else { panic!("{outlook:?}") };
    assert_eq!((hinge.end, hinge.axis), (End::A, Open::Filtering), "the mapping decides nothing");
    let by = |f: Filtering, verdict| (f.as_str(), vec![verdict]);
    assert_eq!(
        hinge.by,
        [
            by(EndpointIndependent, Verdict::OrderDependent),
            by(AddressDependent, Verdict::Turn),
            by(AddressAndPortDependent, Verdict::Turn)
        ]
    );
}

#[test]
fn values_that_exclude_one_another_leave_nothing() {
    let plain = Possible { nat: vec![false], ..left(&[Mapping::AddressDependent], Filtering::ALL) };
    assert_eq!(Standing::of(&plain), None);
}
