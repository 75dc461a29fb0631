//! Two peers and coturn: relayed candidates over UDP and TCP, and what happens when the relay dies.
#![cfg(target_os = "linux")]
// A test measures real time.
#![allow(clippy::disallowed_methods)]

use crate::support::coturn;
use coturn::Coturn;
use natscope::ice::{CheckResult, Connection, Kind, Outcome, Pace, Policy, Role};
use natscope::net::bind::Bind;
use natscope::net::ice::{self, Options, Peer, Progress};
use natscope::turn::{Failure, Over, Server};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

fn server(address: SocketAddr, over: Over, password: &str) -> Server {
    Server {
        uri: format!("turn:{address}"),
        name: "localhost".to_owned(),
        address,
        over,
        user: "lab".to_owned(),
        password: password.to_owned(),
    }
}

async fn peer(role: Role, turn: Vec<Server>, policy: Policy) -> Peer {
    let options = Options {
        bind: Some(Bind::Address(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        pace: Pace::lab(),
        turn,
        policy,
        ..Options::default()
    };
    ice::gather(options, role).await.expect("a loopback address")
}

fn introduce(a: &Peer, b: &Peer) {
    a.remote().set(&b.description());
    b.remote().set(&a.description());
}

async fn both(a: &mut Peer, b: &mut Peer) -> (Outcome, Outcome) {
    let (mut nothing, mut nothing_else) = (|_| {}, |_| {});
    tokio::join!(a.connect(&mut nothing), b.connect(&mut nothing_else))
}

#[tokio::test]
async fn two_that_may_only_use_relays_connect_by_both() {
    if !coturn::installed() {
        return;
    }
    let coturn = Coturn::start(&[], None);
    for over in [Over::Udp, Over::Tcp] {
        let turn = || vec![server(coturn.address, over, "lab")];
        let mut a = peer(Role::Controlling, turn(), Policy::RelayOnly).await;
        let mut b = peer(Role::Controlled, turn(), Policy::RelayOnly).await;
        assert_eq!(a.description().candidates.len(), 1);
        introduce(&a, &b);
        let began = Instant::now();
        let (from_a, from_b) = both(&mut a, &mut b).await;
        for outcome in [&from_a, &from_b] {
            assert_eq!(outcome.connection, Connection::RelayBoth, "{outcome:?}");
            assert!(outcome.because.contains("relay"), "{}", outcome.because);
            assert!(outcome.turn[0].relayed.is_some() && outcome.turn[0].failure.is_none());
        }
        println!("{over:?}: {:?}", began.elapsed());
        let trips = a.echo(20, Duration::from_millis(2)).await;
        assert!(trips.iter().all(Option::is_some), "{trips:?}");
        a.close().await;
        b.close().await;
    }
}

#[tokio::test]
async fn one_relay_is_enough() {
    if !coturn::installed() {
        return;
    }
    let coturn = Coturn::start(&[], None);
    let turn = vec![server(coturn.address, Over::Udp, "lab")];
    let mut a = peer(Role::Controlling, turn, Policy::RelayOnly).await;
    let mut b = peer(Role::Controlled, Vec::new(), Policy::All).await;
    introduce(&a, &b);
    let (from_a, from_b) = both(&mut a, &mut b).await;
    let selected = from_a.selected.expect("selected");
    assert_eq!((selected.local.kind, selected.remote.kind), (Kind::Relayed, Kind::Host));
    assert_eq!(from_a.connection, Connection::RelayOneSide);
    assert_eq!(from_b.connection, Connection::RelayOneSide);
    assert!(from_b.because.contains("the peer's relay"), "{}", from_b.because);
}

/// A relay answers sooner than a hole is punched; it must not win where a direct pair works.
#[tokio::test]
async fn a_direct_pair_goes_before_a_relay() {
    if !coturn::installed() {
        return;
    }
    let coturn = Coturn::start(&[], None);
    let turn = || vec![server(coturn.address, Over::Udp, "lab")];
    let mut a = peer(Role::Controlling, turn(), Policy::All).await;
    let mut b = peer(Role::Controlled, turn(), Policy::All).await;
    introduce(&a, &b);
    let (from_a, from_b) = both(&mut a, &mut b).await;
    assert!(from_a.connection.direct() && from_b.connection.direct(), "{from_a:?} {from_b:?}");
    let relayed = |kind| kind == Kind::Relayed;
    let relayed = |outcome: &Outcome| {
        outcome.checks.iter().any(|c| relayed(c.pair.local.kind) || relayed(c.pair.remote.kind))
    };
    assert!(!relayed(&from_a) && !relayed(&from_b), "{from_a:?} {from_b:?}");
    // and the two can be compared
    let every = Duration::from_millis(2);
    let (direct, by_relay) = (a.echo(5, every).await, a.echo_relayed(5, every).await);
    assert_eq!((direct.len(), by_relay.len()), (5, 5));
    assert!(direct.iter().chain(&by_relay).all(Option::is_some), "{direct:?} {by_relay:?}");
}

#[tokio::test]
async fn a_relay_that_dies_is_noticed_by_both_in_bounded_time() {
    if !coturn::installed() {
        return;
    }
    let mut coturn = Coturn::start(&[], None);
    let turn = || vec![server(coturn.address, Over::Udp, "lab")];
    let mut a = peer(Role::Controlling, turn(), Policy::RelayOnly).await;
    let mut b = peer(Role::Controlled, turn(), Policy::RelayOnly).await;
    introduce(&a, &b);
    both(&mut a, &mut b).await;
    coturn.kill();
    let began = Instant::now();
    let (from_a, from_b) = tokio::join!(a.lost(), b.lost());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    for why in [from_a, from_b] {
        assert!(why.contains("relay") || why.contains("answered none of"), "{why}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_named_in_the_outcome() {
    if !coturn::installed() {
        return;
    }
    let coturn = Coturn::start(&[], None);
    let turn = vec![server(coturn.address, Over::Udp, "wrong")];
    let mut a = peer(Role::Controlling, turn, Policy::RelayOnly).await;
    let b = peer(Role::Controlled, Vec::new(), Policy::All).await;
    introduce(&a, &b);
    let mut lost = Vec::new();
    let mut on_progress = |progress| lost.push(progress);
    let outcome = a.connect(&mut on_progress).await;
    b.close().await;
    assert_eq!(outcome.connection, Connection::Failed);
    assert!(matches!(outcome.turn[0].failure, Some(Failure::Unauthorized { .. })), "{outcome:?}");
    assert!(outcome.because.contains("401"), "{}", outcome.because);
    assert!(lost.iter().any(|progress| matches!(progress, Progress::RelayLost(..))), "{lost:?}");
}

#[tokio::test]
async fn a_peer_that_the_relay_refuses_is_named_in_the_trace() {
    if !coturn::installed() {
        return;
    }
    let coturn = Coturn::start(&["--denied-peer-ip=127.0.0.1"], None);
    let turn = vec![server(coturn.address, Over::Udp, "lab")];
    let mut a = peer(Role::Controlling, turn, Policy::RelayOnly).await;
    let mut b = peer(Role::Controlled, Vec::new(), Policy::All).await;
    introduce(&a, &b);
    let (from_a, _) = both(&mut a, &mut b).await;
    assert_eq!(from_a.connection, Connection::Failed);
    let refused = |result: &CheckResult| {
        matches!(result, CheckResult::NotRelayed { failure: Failure::Forbidden { .. } })
    };
    assert!(from_a.checks.iter().any(|check| refused(&check.result)), "{from_a:?}");
    assert!(from_a.because.contains("lets nothing through to"), "{}", from_a.because);
}
