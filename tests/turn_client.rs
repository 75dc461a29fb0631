//! The TURN client against coturn, over every transport, and how each failure is named.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types)] // peers are sockets

#[path = "support/coturn.rs"]
mod coturn;

use coturn::Coturn;
use natscope::net::tls::Tls;
use natscope::net::turn::Session;
use natscope::stun::Patience;
use natscope::turn::client::Event;
use natscope::turn::{Failure, Over, Server};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

fn server(address: SocketAddr, over: Over) -> Server {
    Server {
        uri: format!("turn:{address}"),
        name: "localhost".to_owned(),
        address,
        over,
        user: "lab".to_owned(),
        password: "lab".to_owned(),
    }
}

fn run<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(30), body).await.expect("in time")
    })
}

async fn open(server: Server) -> Result<Session, Failure> {
    Session::open(server, None, &Tls::default(), Patience::lab()).await
}

/// The first event of an attempt, or why there is not even a link.
async fn first(server: Server) -> Result<(Session, Event), Failure> {
    let mut session = open(server).await?;
    let event = session.event().await;
    Ok((session, event))
}

async fn failure(server: Server) -> Failure {
    match first(server).await {
        Err(failure) | Ok((_, Event::Failed(failure))) => failure,
        Ok((_, event)) => panic!("expected a failure, not {event:?}"),
    }
}

/// Packets of every length pass both ways, as indications and through a channel.
async fn exchange(server: Server, tls: &Tls) {
    let mut session = Session::open(server, None, tls, Patience::lab()).await.expect("a link");
    let Event::Allocated { relayed, mapped } = session.event().await else { panic!() };
    assert_eq!(mapped, Some(session.link().local()), "there is no NAT on loopback");
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = peer.local_addr().unwrap();
    let mut buffer = [0; 2048];
    session.send(address, b"held until permitted");
    assert_eq!(session.event().await, Event::Permitted(address.ip()));
    let (length, from) = peer.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..length], from), (&b"held until permitted"[..], relayed));
    for channel in [false, true] {
        if channel {
            session.bind_channel(address);
            assert_eq!(session.event().await, Event::Bound(address));
        }
        for length in [1, 2, 3, 4, 5, 100, 1199, 1200] {
            let payload: Vec<u8> = (0..=250).cycle().take(length).collect();
            session.send(address, &payload);
            let (got, from) = peer.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..got], from), (&payload[..], relayed), "channel: {channel}");
            peer.send_to(&payload, relayed).await.unwrap();
            let event = session.event().await;
            assert_eq!(event, Event::Data { peer: address, payload }, "channel: {channel}");
        }
    }
    session.close().await;
}

#[test]
fn coturn_relays_over_udp() {
    if coturn::installed() {
        let coturn = Coturn::start(&[], None);
        run(exchange(server(coturn.address, Over::Udp), &Tls::default()));
    }
}

#[test]
fn coturn_relays_over_tcp() {
    if coturn::installed() {
        let coturn = Coturn::start(&[], None);
        run(exchange(server(coturn.address, Over::Tcp), &Tls::default()));
    }
}

#[test]
fn a_wrong_password_is_told_from_everything_else() {
    if coturn::installed() {
        let coturn = Coturn::start(&[], None);
        let wrong = Server { password: "wrong".to_owned(), ..server(coturn.address, Over::Udp) };
        let realm = "natscope.test".to_owned();
        assert_eq!(run(failure(wrong)), Failure::Unauthorized { realm });
    }
}

#[test]
fn a_server_that_dies_is_lost() {
    if coturn::installed() {
        let mut coturn = Coturn::start(&[], None);
        run(async {
            let (mut session, event) = first(server(coturn.address, Over::Udp)).await.unwrap();
            assert!(matches!(event, Event::Allocated { .. }), "{event:?}");
            coturn.kill();
            assert_eq!(session.event().await, Event::Failed(Failure::Lost));
        });
    }
}
