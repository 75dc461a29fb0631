//! The third prediction of the 9x9: two real agents behind modelled NATs, in virtual time, come to
//! the verdict that is computed from the two descriptions, whoever sends first.

use natscope::ice::{Connection, Pace};
use natscope::lab::catalogue::Catalogue;
use natscope::nat::pair::{self, End, Verdict};
use natscope::nat::{Allocation, Filtering, Mapping, NatSpec};
use natscope::sim::link::Link;
use natscope::sim::peers::{Meeting, Met};
use std::time::Duration;

fn nine() -> Vec<NatSpec> {
    let all = Mapping::ALL.iter().flat_map(|&mapping| {
        let filtering = Filtering::ALL.iter();
        filtering.map(move |&filtering| NatSpec::new(mapping, filtering, Allocation::Random))
    });
    all.collect()
}

fn meeting(a: &NatSpec, b: &NatSpec) -> Meeting {
    Meeting {
        seed: 1,
        nats: [a.clone(), b.clone()],
        link: Link::clean(Duration::from_micros(200)),
        first: End::A,
        lag: Duration::from_millis(2),
        relay: false,
        pace: Pace::lab(),
    }
}

fn run(meeting: &Meeting) -> Met {
    let met = meeting.run();
    met.unwrap_or_else(|e| panic!("{} and {}: {e}", meeting.nats[0].name, meeting.nats[1].name))
}

/// Both sides saw the same.
fn connection(met: &Met) -> Connection {
    let [a, b] = &met.outcomes;
    assert_eq!(a.connection, b.connection, "{a:#?} {b:#?}");
    a.connection
}

/// Whether the pair connects without a relay when this side sends first.
fn expected(a: &NatSpec, b: &NatSpec, first: End) -> bool {
    let forecast = pair::forecast(a, b);
    match forecast.verdict {
        Verdict::Stun => true,
        Verdict::OrderDependent => forecast.first == Some(first),
        Verdict::Turn | Verdict::None => false,
    }
}

/// All pairs of these, in both orders.
fn all(nats: &[NatSpec], mut check: impl FnMut(&Meeting, bool)) {
    for a in nats {
        for b in nats {
            for first in End::BOTH {
                check(&Meeting { first, ..meeting(a, b) }, expected(a, b, first));
            }
        }
    }
}

fn what(meeting: &Meeting, met: &Met) -> String {
    let [a, b] = &meeting.nats;
    let [from_a, from_b] = &met.outcomes;
    format!(
        "{} and {}, {:?} first:\n{}\n{}",
        a.name, b.name, meeting.first, from_a.because, from_b.because
    )
}

#[test]
fn all_81_pairs_in_both_orders_are_as_predicted_without_a_relay() {
    let mut turn = 0;
    all(&nine(), |meeting, direct| {
        let met = run(meeting);
        assert_eq!(connection(&met).direct(), direct, "{}", what(meeting, &met));
        assert_eq!(met.relayed, 0);
        // Nobody looks at a clock that is not ours: gathering takes a few ms of it.
        let limit = if direct { 100 } else { 1500 };
        assert!(met.took < Duration::from_millis(limit), "{:?} {}", met.took, what(meeting, &met));
        turn += usize::from(!direct);
    });
    // Twice in both orders, but 4 pairs of a NAT with itself only in its one; and each of the two
    // order-dependent pairs in one order of two.
    assert_eq!(turn, 2 * (2 * (14 - 4) + 4) + 2 * 2);
}

#[test]
fn with_a_relay_all_81_pairs_connect_and_none_takes_it_without_need() {
    all(&nine(), |meeting, direct| {
        let meeting = Meeting { relay: true, ..meeting.clone() };
        let met = run(&meeting);
        let connection = connection(&met);
        assert_ne!(connection, Connection::Failed, "{}", what(&meeting, &met));
        assert_eq!(connection.direct(), direct, "{}", what(&meeting, &met));
        assert_eq!(met.relayed == 0, direct, "{} {}", met.relayed, what(&meeting, &met));
        let limit = if direct { 150 } else { 600 };
        assert!(met.took < Duration::from_millis(limit), "{:?} {}", met.took, what(&meeting, &met));
    });
}

/// Faults, routers without translation, other allocations: whatever the catalogue has.
#[test]
fn all_pairs_of_the_catalogue_in_both_orders_are_as_forecast() {
    let nats: Vec<NatSpec> = Catalogue::embedded()
        .nats()
        .iter()
        .cloned()
        .chain([
            double("apdm-eif", "eim-adf"),
            double("eim-adf", "apdm-eif"),
            double("eim-apdf", "adm-eif"),
            double("leaky-home", "eim-adf"),
            double("firewall", "eim-eif"),
        ])
        .collect();
    let mut wrong = Vec::new();
    all(&nats, |meeting, direct| {
        let met = run(meeting);
        let [a, b] = &meeting.nats;
        if connection(&met).direct() != direct {
            let because = pair::forecast(a, b).because;
            wrong.push(format!("{}\nforecast: {direct}: {because}", what(meeting, &met)));
        }
    });
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n"));
}

/// One NAT behind another.
fn double(inner: &str, outer: &str) -> NatSpec {
    let find = |name: &str| {
        let catalogue = Catalogue::embedded();
        catalogue.find(name).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    NatSpec { name: format!("{inner} behind {outer}"), layers: vec![find(outer)], ..find(inner) }
}

fn nat(mapping: Mapping, filtering: Filtering) -> NatSpec {
    NatSpec::new(mapping, filtering, Allocation::Random)
}

/// Signalling by hand: one side begins minutes before the other has pasted its line.
#[test]
fn a_peer_that_begins_minutes_later_is_waited_for() {
    let cone = nat(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    let symmetric = nat(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent);
    let within = Duration::from_secs(300);
    let pace = Pace { peer_within: within, ..Pace::internet() };
    for lag in [40, 170].map(Duration::from_secs) {
        let late = |a: &NatSpec, b: &NatSpec| Meeting { pace, lag, ..meeting(a, b) };
        let met = run(&late(&cone, &cone));
        assert!(connection(&met).direct(), "{}", what(&late(&cone, &cone), &met));
        assert!(met.took < lag + Duration::from_secs(4), "{:?}", met.took);
        let met = run(&late(&symmetric, &symmetric));
        assert_eq!(connection(&met), Connection::Failed);
        assert!(met.took < lag + within + Duration::from_secs(12), "{:?}", met.took);
    }
}

#[test]
fn lost_and_late_packets_change_no_verdict() {
    use Filtering as F;
    use Mapping as M;
    let cone = nat(M::EndpointIndependent, F::AddressAndPortDependent);
    let symmetric = nat(M::AddressAndPortDependent, F::AddressAndPortDependent);
    let open = nat(M::EndpointIndependent, F::EndpointIndependent);
    let link = Link {
        jitter: Duration::from_millis(4),
        loss: 0.08,
        duplicate: 0.02,
        reorder: 0.02,
        ..Link::clean(Duration::from_millis(5))
    };
    let mut undecided = Vec::new();
    for seed in 0..60 {
        for (a, b, relay) in [
            (&cone, &cone, false),
            (&cone, &open, false),
            (&symmetric, &open, false),
            (&open, &symmetric, true),
            (&symmetric, &symmetric, true),
            (&symmetric, &cone, true),
        ] {
            for first in End::BOTH {
                let meeting = Meeting { seed, link, first, relay, ..meeting(a, b) };
                let met = run(&meeting);
                let [from_a, from_b] = &met.outcomes;
                if [from_a, from_b].iter().any(|o| o.connection == Connection::Failed) {
                    undecided.push((seed, a.name.clone(), b.name.clone(), relay, first, met.took));
                    println!("{seed} {from_a:?}\n{from_b:?}");
                }
            }
        }
    }
    assert!(undecided.is_empty(), "{} {:?}", undecided.len(), &undecided[..undecided.len().min(6)]);
}
