//! Two peers on the loopback: they connect, measure, notice each other's end, and say why not.

// A test measures real time, and finds a free port.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
use natscope::ice::{Connection, Description, Kind, Outcome, Pace, Role};
use natscope::net::bind::Bind;
use natscope::net::ice::{self, Options, Peer, Progress};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

fn options() -> Options {
    Options {
        bind: Some(Bind::Address(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        pace: Pace::lab(),
        ..Options::default()
    }
}

async fn peer(role: Role) -> Peer {
    ice::gather(options(), role).await.expect("a loopback address")
}

async fn introduced() -> (Peer, Peer) {
    let (a, b) = (peer(Role::Controlling).await, peer(Role::Controlled).await);
    a.remote().set(&b.description());
    b.remote().set(&a.description());
    (a, b)
}

async fn both(a: &mut Peer, b: &mut Peer) -> (Outcome, Outcome) {
    let (mut nothing, mut nothing_else) = (|_| {}, |_| {});
    tokio::join!(a.connect(&mut nothing), b.connect(&mut nothing_else))
}

#[tokio::test]
async fn two_peers_connect_and_measure() {
    let (mut a, mut b) = introduced().await;
    let began = Instant::now();
    let (from_a, from_b) = both(&mut a, &mut b).await;
    assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    for outcome in [&from_a, &from_b] {
        assert_eq!(outcome.connection, Connection::DirectHost, "{outcome:?}");
        assert!(outcome.because.contains("by their own addresses"), "{}", outcome.because);
        assert!(outcome.checks.iter().any(|check| check.nominated), "{outcome:?}");
    }
    assert_eq!((from_a.role, from_b.role), (Role::Controlling, Role::Controlled));
    let (there, back) =
        (from_a.selected.expect("selected"), from_b.selected.expect("selected too"));
    assert_eq!(there.local.address, back.remote.address);
    assert_eq!(there.remote.kind, Kind::Host);
    let trips = a.echo(10, Duration::from_millis(2)).await;
    assert_eq!(trips.len(), 10);
    assert!(trips.iter().all(|trip| trip.is_some_and(|t| t < Duration::from_millis(100))));
    a.send(b"hello");
    assert_eq!(b.receive().await.as_deref(), Some(b"hello".as_slice()));
}

#[tokio::test]
async fn two_peers_connect_over_ipv6() {
    let loopback = Bind::Address(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST));
    if loopback.check().is_err() {
        return crate::support::skip("this host has no IPv6");
    }
    let with = || Options { bind: Some(loopback.clone()), ..options() };
    let mut a = ice::gather(with(), Role::Controlling).await.expect("a socket");
    let mut b = ice::gather(with(), Role::Controlled).await.expect("a socket");
    a.remote().set(&b.description());
    b.remote().set(&a.description());
    let (from_a, from_b) = both(&mut a, &mut b).await;
    assert!(from_a.connection.direct() && from_b.connection.direct(), "{from_a:?} {from_b:?}");
    assert!(from_a.selected.is_some_and(|pair| pair.remote.address.is_ipv6()));
}

/// A static-port rule or a forward is for one port.
#[tokio::test]
async fn host_candidates_have_the_port_of_the_users_choice() {
    let free = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
    let port = free.local_addr().expect("known").port();
    drop(free);
    let with = || Options { port: Some(port), ..options() };
    let mut a = ice::gather(with(), Role::Controlling).await.expect("the port is free");
    let hosts: Vec<u16> = a.description().candidates.iter().map(|c| c.address.port()).collect();
    assert_eq!(hosts, [port]);
    assert!(ice::gather(with(), Role::Controlled).await.is_err(), "it is taken now");
    let mut b = peer(Role::Controlled).await;
    a.remote().set(&b.description());
    b.remote().set(&a.description());
    let (from_a, from_b) = both(&mut a, &mut b).await;
    assert!(from_a.connection.direct() && from_b.connection.direct(), "{from_a:?} {from_b:?}");
    assert_eq!(from_a.selected.expect("selected").local.address.port(), port);
}

/// The caller decides who sends first: the other side waits for the first check to have left.
#[tokio::test]
async fn a_peer_that_starts_late_is_waited_for() {
    let (mut a, mut b) = introduced().await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let mut on_progress = |progress| {
        if progress == Progress::FirstCheck {
            tell.take().map(|tell| tell.send(()));
        }
    };
    let first = a.connect(&mut on_progress);
    let second = async {
        told.await.expect("a first check");
        b.connect(&mut |_| {}).await
    };
    let (from_a, from_b) = tokio::join!(first, second);
    assert!(from_a.connection.direct() && from_b.connection.direct(), "{from_a:?} {from_b:?}");
}

#[tokio::test]
async fn candidates_may_trickle() {
    let (mut a, mut b) = (peer(Role::Controlling).await, peer(Role::Controlled).await);
    let bare =
        |peer: &Peer| Description { candidates: Vec::new(), complete: false, ..peer.description() };
    a.remote().set(&bare(&b));
    b.remote().set(&bare(&a));
    let (to_a, to_b) = (a.remote(), b.remote());
    let (mut of_a, mut of_b) = (a.local(), b.local());
    let trickle = async {
        while let Some(candidate) = of_a.next().await {
            to_b.add(candidate);
        }
        while let Some(candidate) = of_b.next().await {
            to_a.add(candidate);
        }
    };
    let ((from_a, from_b), ()) = tokio::join!(both(&mut a, &mut b), trickle);
    assert!(from_a.connection.direct() && from_b.connection.direct(), "{from_a:?} {from_b:?}");
}

#[tokio::test]
async fn two_that_both_want_to_control_agree() {
    let (mut a, mut b) = (peer(Role::Controlling).await, peer(Role::Controlling).await);
    a.remote().set(&b.description());
    b.remote().set(&a.description());
    let (from_a, from_b) = both(&mut a, &mut b).await;
    assert!(from_a.connection.direct() && from_b.connection.direct(), "{from_a:?} {from_b:?}");
    assert_ne!(from_a.role, from_b.role);
}

#[tokio::test]
async fn an_end_is_noticed_in_bounded_time() {
    let (mut a, mut b) = introduced().await;
    both(&mut a, &mut b).await;
    b.close().await;
    let began = Instant::now();
    let why = tokio::time::timeout(Duration::from_secs(3), a.lost()).await.expect("noticed");
    assert!(began.elapsed() < Duration::from_millis(1800), "{:?}", began.elapsed());
    assert!(why.contains("answered none of"), "{why}");
    assert_eq!(a.outcome().lost, Some(why));
}

#[tokio::test]
async fn nobody_there_is_a_failure_in_bounded_time() {
    let (mut a, b) = introduced().await;
    let began = Instant::now();
    let outcome = a.connect(&mut |_| {}).await;
    let took = began.elapsed();
    drop(b);
    assert_eq!(outcome.connection, Connection::Failed);
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(outcome.because.contains("checks"), "{}", outcome.because);
    assert_eq!(outcome.checks[0].sent_ms.len(), 5, "{outcome:?}");
}

#[tokio::test]
async fn an_answer_to_another_offer_is_named() {
    let (mut a, mut b) = introduced().await;
    drop((a, b));
    (a, b) = (peer(Role::Controlling).await, peer(Role::Controlled).await);
    let stale = Description { pwd: "0123456789abcdef01234567".to_owned(), ..b.description() };
    a.remote().set(&stale);
    b.remote().set(&a.description());
    let (from_a, from_b) = both(&mut a, &mut b).await;
    assert_eq!(from_a.connection, Connection::Failed, "{from_a:?}");
    assert_eq!(from_b.connection, Connection::Failed, "{from_b:?}");
    for outcome in [from_a, from_b] {
        assert!(outcome.because.contains("another offer"), "{}", outcome.because);
    }
}

#[tokio::test]
async fn a_signaller_that_dies_ends_in_bounded_time() {
    let mut a = peer(Role::Controlling).await;
    let began = Instant::now();
    let outcome = a.connect(&mut |_| {}).await;
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(outcome.because, "the peer's description never came");
}
