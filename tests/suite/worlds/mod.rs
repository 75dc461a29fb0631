//! The prober in worlds drawn at random: no definite verdict that is not the truth.
//!
//! `NATSCOPE_WORLDS` and `NATSCOPE_SEED` set how many worlds and from which seed; a failing world
//! prints its seed, so that `NATSCOPE_SEED=n NATSCOPE_WORLDS=1` runs it again.

mod check;
mod draw;
mod regressions;
mod shown;
mod vantage;

use draw::{millis, server};
use natscope::nat::Facts;
use natscope::nat::{Allocation, Classic, Filtering, Mapping, NatSpec};
use natscope::probe::judge::judge;
use natscope::sim::World;
use natscope::sim::link::Link;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Worlds drawn when nothing else is asked for.
const WORLDS: u64 = 20_000;
/// The most failures that are shown in full.
const SHOWN: usize = 3;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number is wanted"))
    })
}

/// Everything that is wrong in this world, a panic included.
fn trial(world: &World) -> Vec<String> {
    let run = AssertUnwindSafe(|| match world.run() {
        Ok(outcome) => {
            let judgement = judge(&outcome.record);
            check::faults(world, &outcome, &judgement)
        }
        Err(failure) => vec![failure.to_string()],
    });
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        vec![format!("panic: {}", text.or(panic.downcast_ref().copied()).unwrap_or("?"))]
    })
}

/// Calls `work` for every number of the range, on all cores.
fn on_all_cores(range: std::ops::Range<u64>, work: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(range.start);
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= range.end {
                        break;
                    }
                    work(number);
                }
            });
        }
    });
}

#[test]
fn no_definite_verdict_that_is_not_the_truth() {
    let (first, count) = (setting("NATSCOPE_SEED", 1), setting("NATSCOPE_WORLDS", WORLDS));
    let failed = Mutex::new(Vec::new());
    on_all_cores(first..first.saturating_add(count), |seed| {
        let faults = trial(&draw::world(seed));
        if !faults.is_empty() {
            failed.lock().expect("no panic holds it").push((seed, faults));
        }
    });
    let mut failed = failed.into_inner().expect("no panic holds it");
    failed.sort();
    for (seed, faults) in failed.iter().take(200) {
        eprintln!("seed {seed}: {}", faults.join("\n    "));
    }
    for (seed, _) in failed.iter().take(SHOWN) {
        eprintln!("{:#?}", draw::world(*seed));
    }
    assert!(failed.is_empty(), "{} of {count} worlds went wrong", failed.len());
}

#[test]
fn what_went_wrong_once_does_not_again() {
    for seed in 0..20 {
        for (name, world) in regressions::all(seed) {
            assert_eq!(trial(&world), Vec::<String>::new(), "{name}, seed {seed}");
        }
    }
}

/// One honest server behind this NAT, at this round trip.
fn plain_world(seed: u64, nat: NatSpec, rtt: Duration, loss: f64) -> World {
    let way = Link { loss, ..Link::clean(rtt / 2) };
    World {
        seed,
        nat,
        lan: [Link::clean(Duration::ZERO); 2],
        alg: false,
        refuses: false,
        servers: vec![server(0, way, way)],
        relay: None,
        budget: Duration::from_secs(20),
    }
}

fn cone(filtering: Filtering) -> NatSpec {
    NatSpec::new(Mapping::EndpointIndependent, filtering, Allocation::Preserving)
}

fn run(world: &World) -> (Duration, Facts) {
    let outcome = world.run().unwrap_or_else(|failure| panic!("{failure}\n{world:#?}"));
    (outcome.took, judge(&outcome.record).facts)
}

#[test]
fn the_commonest_nats_are_known_in_time() {
    for rtt in [0.4, 1.0, 3.0, 10.0, 30.0, 60.0, 100.0, 150.0, 200.0, 250.0, 300.0] {
        for seed in 0..50 {
            let rtt_time = millis(rtt);
            let world = plain_world(seed, cone(Filtering::AddressAndPortDependent), rtt_time, 0.0);
            let (took, facts) = run(&world);
            assert_eq!(facts.classic.value(), Some(&Classic::PortRestrictedCone));
            let most = if rtt < 0.5 { millis(800.0) } else { millis(1000.0) + rtt_time * 8 };
            assert!(took <= most, "rtt {rtt} ms: {took:?}, allowed {most:?}");
        }
    }
    for seed in 0..50 {
        let world = plain_world(seed, cone(Filtering::EndpointIndependent), millis(0.4), 0.0);
        let (took, facts) = run(&world);
        assert_eq!(facts.classic.value(), Some(&Classic::FullCone));
        assert!(took <= millis(150.0), "eim-eif: {took:?}");
    }
}

/// Only the usual port passes on the way to the server: what its other address can show at that port
/// is shown.
#[test]
fn a_port_that_is_closed_on_the_way_costs_nothing_that_the_other_address_can_show() {
    use natscope::sim::server::{DeadPart, Fault};
    use {Filtering as F, Mapping as M};
    let strict = [F::AddressDependent, F::AddressAndPortDependent];
    let dependent = [M::AddressDependent, M::AddressAndPortDependent];
    for (icmp, seed) in [false, true].into_iter().flat_map(|icmp| (0..20).map(move |s| (icmp, s))) {
        for (mapping, filtering) in M::ALL.iter().flat_map(|&m| F::ALL.iter().map(move |&f| (m, f)))
        {
            let nat = NatSpec::new(mapping, filtering, Allocation::Preserving);
            let mut world = plain_world(seed, nat, millis(20.0), 0.0);
            let part = DeadPart::OtherPort;
            world.servers[0].faults = vec![Fault::Dead { part, sends: false, icmp }];
            let facts = run(&world).1;
            let (mappings, filterings): (&[M], &[F]) = (
                if mapping == M::EndpointIndependent {
                    &[M::EndpointIndependent]
                } else {
                    &dependent
                },
                if filtering == F::EndpointIndependent {
                    &[F::EndpointIndependent]
                } else {
                    &strict
                },
            );
            assert_eq!(facts.mapping.possible(), mappings, "{world:#?}\n{facts:#?}");
            assert_eq!(facts.filtering.possible(), filterings, "{world:#?}\n{facts:#?}");
        }
    }
}

#[test]
fn ten_percent_loss_each_way_leaves_95_percent_definite() {
    const RUNS: u64 = 400;
    let nats = [
        cone(Filtering::EndpointIndependent),
        cone(Filtering::AddressDependent),
        cone(Filtering::AddressAndPortDependent),
        NatSpec::new(
            Mapping::AddressAndPortDependent,
            Filtering::AddressAndPortDependent,
            Allocation::Random,
        ),
        NatSpec::new(Mapping::AddressDependent, Filtering::AddressDependent, Allocation::Random),
    ];
    for nat in nats {
        for rtt in [0.4, 40.0] {
            let definite = AtomicU64::new(0);
            on_all_cores(0..RUNS, |seed| {
                let world = plain_world(seed, nat.clone(), millis(rtt), 0.1);
                let (_, facts) = run(&world);
                assert_eq!(check::lies(&world, &facts), Vec::<String>::new(), "{world:#?}");
                let known = facts.nat.value().is_some()
                    && facts.mapping.value().is_some()
                    && facts.filtering.value().is_some()
                    && facts.classic.value().is_some();
                definite.fetch_add(known.into(), Ordering::Relaxed);
            });
            let share = definite.into_inner() * 100 / RUNS;
            eprintln!("{} at {rtt} ms: {share} % definite", nat.name);
            assert!(share >= 95, "{} at {rtt} ms: {share} % definite", nat.name);
        }
    }
}

#[test]
fn a_world_is_the_same_each_time() {
    for seed in 0..200 {
        let world = draw::world(seed);
        let [a, b] = [(); 2].map(|()| world.run().map(|o| (o.record, o.took)));
        assert_eq!(a, b, "seed {seed}");
    }
}

/// Prints what one world showed: `NATSCOPE_SEED=n cargo test --test suite worlds::show -- --ignored`.
#[test]
#[ignore = "shows one world, asserts nothing"]
fn show() {
    let world = draw::world(setting("NATSCOPE_SEED", 1));
    println!("{world:#?}");
    let outcome = world.run().unwrap_or_else(|failure| panic!("{failure}"));
    for s in &outcome.record.sockets {
        println!("{} {}", s.id, s.local);
    }
    for t in &outcome.record.transactions {
        println!(
            "{} {} about {} {:?} to {} change {:?} port {:?} expects {} sent {:?} closed {} {:?}\n   got {:?}\n   again {:?} rejected {:?} icmp {:?}",
            t.id,
            t.socket,
            t.about,
            t.via,
            t.server,
            t.change,
            t.response_port,
            t.expected_from,
            t.sent,
            t.closed,
            t.outcome,
            t.received.as_ref().map(|r| (r.at, r.from, r.mapped, r.other)),
            t.again,
            t.rejected,
            t.icmp
        );
    }
    println!("took {:?}\n{:#?}", outcome.took, judge(&outcome.record));
}
