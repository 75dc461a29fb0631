use super::*;
use crate::ground::fact::Values;
use crate::report::Traversal;
use std::fmt::Write as _;
use std::time::Duration;

fn path(nat: bool, mapping: Fact<Mapping>, filtering: Fact<Filtering>) -> Path {
    let names = |n| {
        let mut left = Vec::new();
        for m in mapping.possible() {
            left.extend(filtering.possible().into_iter().map(|f| Classic::of(n, m, f)));
        }
        left
    };
    let classic = match names(nat).as_slice() {
        [first, rest @ ..] if rest.iter().all(|c| c == first) => Fact::proven(*first, "", vec![]),
        several => Fact::narrowed(several, "", vec![]),
    };
    Path {
        family: Family::Ipv4,
        local: Some(([192, 168, 1, 2], 40_000).into()),
        mapped: Some(([198, 51, 100, 7], 40_000).into()),
        facts: Facts {
            nat: Fact::proven(nat, "", vec![]),
            mapping,
            filtering,
            classic,
            port_preservation: Fact::not_tested(""),
            allocation: Fact::not_tested(""),
            early_packet_poisoning: Fact::not_tested(""),
            mapped_address_rewriting: Fact::not_tested(""),
        },
        strays: 0,
        cut_short: false,
    }
}

fn of(paths: Vec<Path>) -> Answer {
    let started = "2026-11-25T06:40:00Z".parse().unwrap();
    let mut report = Report::new(started, Duration::from_millis(640), vec![], vec![]);
    report.traversal = Traversal::forecast(&paths);
    report.paths = paths;
    answer(&report)
}

fn known<T: Values>(value: T) -> Fact<T> {
    Fact::proven(value, "it was shown", vec![])
}

fn untold<T: Values>() -> Fact<T> {
    Fact::not_tested("no server can")
}

#[test]
fn the_answer_says_what_is_here_whether_stun_is_enough_and_for_whom_turn() {
    use Filtering as F;
    use Mapping as M;
    let dependent = || {
        let left = [M::AddressDependent, M::AddressAndPortDependent];
        Fact::narrowed(&left, "a sees 1, b sees 2", vec![])
    };
    let ports_alike = || {
        let left = [M::EndpointIndependent, M::AddressDependent];
        Fact::narrowed(&left, "two ports see the same", vec![])
    };
    let (open, strict) = (F::EndpointIndependent, F::AddressAndPortDependent);
    let (fixed, symmetric) = (M::EndpointIndependent, M::AddressAndPortDependent);
    let filters = || {
        let left = [F::AddressDependent, F::AddressAndPortDependent];
        Fact::narrowed(
            &left,
            "the other address is filtered; the other port was not tested",
            vec![],
        )
    };
    let mut nothing = path(true, untold(), untold());
    nothing.mapped = None;
    nothing.facts.nat = untold();
    nothing.facts.classic = Fact::inconclusive("no server answered over UDP or TCP", vec![]);
    let mut blocked = nothing.clone();
    blocked.facts.classic = known(Classic::UdpBlocked);
    let mut cut = path(true, known(fixed), untold());
    cut.cut_short = true;
    let table = [
        ("no NAT, no filter", path(false, known(fixed), known(open))),
        ("a firewall", path(false, known(fixed), known(strict))),
        ("no NAT, plain servers", path(false, known(fixed), untold())),
        ("full cone", path(true, known(fixed), known(open))),
        ("port-restricted cone", path(true, known(fixed), known(strict))),
        ("symmetric", path(true, known(symmetric), known(strict))),
        ("without a name", path(true, known(symmetric), known(open))),
        ("cone, two plain servers", path(true, known(fixed), untold())),
        ("symmetric, two plain servers", path(true, dependent(), untold())),
        ("symmetric, two ports of one server", path(true, known(symmetric), untold())),
        ("cone, two ports of one server", path(true, ports_alike(), untold())),
        ("one plain server", path(true, untold(), untold())),
        ("dependent, and filters somehow", path(true, dependent(), filters())),
        ("only the filtering", path(true, untold(), known(strict))),
        ("nothing answered", nothing),
        ("blocked", blocked),
        ("ended early", cut),
    ];
    let mut said = String::new();
    for (name, path) in table {
        let Answer { answer, open } = of(vec![path]);
        let _ = writeln!(said, "{name}\n  {answer}\n  {open}");
        for sentence in [answer, open] {
            assert!(sentence.ends_with('.') && !sentence.contains(".."), "{name}: {sentence}");
        }
    }
    insta::assert_snapshot!("answers", said);
}

#[test]
fn both_families_are_named_where_they_differ() {
    let cone = |family, f| Path { family, ..path(true, known(Mapping::EndpointIndependent), f) };
    let strict = || known(Filtering::AddressAndPortDependent);
    let same = of(vec![cone(Family::Ipv4, strict()), cone(Family::Ipv6, strict())]);
    assert!(same.answer.starts_with("Over IPv4 and IPv6 alike: A port-restricted"), "{same:?}");
    assert_eq!(same.open, "Nothing is left open.");
    let other = of(vec![cone(Family::Ipv4, strict()), cone(Family::Ipv6, untold())]);
    assert!(other.answer.starts_with("Over IPv4: A port-restricted-cone NAT"), "{other:?}");
    assert!(other.answer.contains("; over IPv6: A NAT with"), "{other:?}");
    assert!(other.open.starts_with("Open: over IPv6: the filtering"), "{other:?}");
}

#[test]
fn nothing_measured_is_said_to_be_so() {
    let none = of(vec![]);
    assert!(none.answer.starts_with("Nothing was measured"), "{none:?}");
    assert!(none.open.starts_with("Open: everything"), "{none:?}");
}
