//! The third prediction of the 9x9: two real agents behind modelled NATs, in virtual time, come to
//! the verdict that is computed from the two descriptions, whoever sends first.

use natscope::ice::{Connection, Pace};
use natscope::nat::pair::{self, Verdict};
use natscope::nat::{Allocation, Filtering, Mapping, NatSpec};
use natscope::sim::link::Link;
use natscope::sim::peers::{Meeting, Met, Side};
use std::time::Duration;

fn nine() -> Vec<NatSpec> {
    let all = Mapping::ALL.iter().flat_map(|&mapping| {
        let filtering = Filtering::ALL.iter();
        filtering.map(move |&filtering| NatSpec::new(mapping, filtering, Allocation::Random))
    });
    all.collect()
}

fn side(spec: &NatSpec) -> pair::Side {
    let truth = spec.truth();
    pair::Side { mapping: truth.mapping, filtering: truth.filtering }
}

fn meeting(a: &NatSpec, b: &NatSpec) -> Meeting {
    Meeting {
        seed: 1,
        nats: [a.clone(), b.clone()],
        link: Link::clean(Duration::from_micros(200)),
        first: Side::A,
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
fn expected(a: &NatSpec, b: &NatSpec, first: Side) -> bool {
    let (a, b) = (side(a), side(b));
    let predicted = pair::predict(a, b) == Verdict::Stun;
    match first {
        Side::A => predicted && !must_be_first(b, a),
        Side::B => predicted && !must_be_first(a, b),
    }
}

/// Whether `from` must send before `to` does. Only its checks get in, and they come from the very
/// endpoint that `to` checks; where `to` sends there first, by another mapping, its answers leave by
/// that one too, which `from` does not expect.
fn must_be_first(from: pair::Side, to: pair::Side) -> bool {
    let keeps = |side: pair::Side| side.mapping == Mapping::EndpointIndependent;
    pair::reaches(from, to) && !pair::reaches(to, from) && keeps(from) && !keeps(to)
}

/// All pairs of the nine, in both orders.
fn all(mut check: impl FnMut(&Meeting, bool)) {
    let nine = nine();
    for a in &nine {
        for b in &nine {
            for first in [Side::A, Side::B] {
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
    all(|meeting, direct| {
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
    all(|meeting, direct| {
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

/// Names of NATs that are written in the catalogue's way.
fn nat(mapping: Mapping, filtering: Filtering) -> NatSpec {
    NatSpec::new(mapping, filtering, Allocation::Random)
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
            for first in [Side::A, Side::B] {
                let meeting = Meeting { seed, link, first, relay, ..meeting(a, b) };
                let met = run(&meeting);
                let [from_a, from_b] = &met.outcomes;
                if [from_a, from_b].iter().any(|o| o.connection == Connection::Failed) {
                    undecided.push((seed, a.name.clone(), b.name.clone(), relay, first));
                }
            }
        }
    }
    assert!(undecided.is_empty(), "{} {:?}", undecided.len(), &undecided[..undecided.len().min(6)]);
}
