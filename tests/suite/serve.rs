//! The server on real sockets of the loopback interface: what goes in, what comes out and from where.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // real sockets are the point

use natscope::ground::limit::Limit;
use natscope::net::serve::{Config, Server};
use natscope::stun::responder::Sites;
use natscope::stun::{self, Change, Class, Message, Request};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Nothing here takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that runs until it is told to stop.
struct Running {
    sites: Sites,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(sites: Sites, limit: Option<Limit>) -> Self {
        let server = Server::bind(Config { limit, ..Config::new(vec![sites]) });
        let server = server.expect("the ports are free");
        let sites = server.sites()[0];
        let (stop, stopped) = oneshot::channel::<()>();
        let running = server.run(async { drop(stopped.await) });
        let task = tokio::spawn(async { running.await.expect("a clean stop") });
        Self { sites, stop, task }
    }

    fn one() -> Self {
        Self::start(Sites::One(loopback(1, 0)), None)
    }

    fn address(&self) -> SocketAddr {
        self.sites.all()[0].1
    }

    async fn stop(self) {
        self.stop.send(()).expect("it still runs");
        self.task.await.expect("no panic");
    }
}

fn loopback(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, host], port))
}

fn request(n: u8, change: Change, response_port: Option<u16>) -> Vec<u8> {
    stun::encode_request([n; 12], Request { change, response_port })
}

fn plain(n: u8) -> Vec<u8> {
    request(n, Change::NONE, None)
}

async fn receive(socket: &UdpSocket) -> (Message, SocketAddr) {
    let mut buffer = [0; 4096];
    let receiving = tokio::time::timeout(PATIENCE, socket.recv_from(&mut buffer));
    let (length, from) = receiving.await.expect("an answer").expect("no error");
    (stun::read(&buffer[..length]).expect("STUN"), from)
}

async fn answer(stream: &mut TcpStream) -> Message {
    let reading = async {
        let mut bytes = vec![0; 20];
        stream.read_exact(&mut bytes).await?;
        let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        bytes.resize(20 + length, 0);
        stream.read_exact(&mut bytes[20..]).await?;
        std::io::Result::Ok(bytes)
    };
    let bytes = tokio::time::timeout(PATIENCE, reading).await.expect("an answer").expect("open");
    stun::read(&bytes).expect("STUN")
}

/// Waits for the other side to close; what it still says is an error.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest));
    // A reset is as good: our bytes were not all read.
    let _reset = reading.await.expect("closed");
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn every_change_leaves_by_its_socket_and_says_so() {
    let sites = Sites::Two { primary: loopback(11, 24_810), alternate: loopback(12, 24_811) };
    let server = Running::start(sites, None);
    let client = UdpSocket::bind(loopback(1, 0)).await.expect("loopback");
    let me = client.local_addr().expect("bound");
    for (_, to) in sites.all() {
        for (ip, port) in [(false, false), (false, true), (true, false), (true, true)] {
            client.send_to(&request(1, Change { ip, port }, None), to).await.expect("sent");
            let (message, from) = receive(&client).await;
            assert_eq!((from.ip() != to.ip(), from.port() != to.port()), (ip, port));
            assert_eq!((message.origin, message.xor_mapped), (Some(from), Some(me)));
            let other = message.other.expect("OTHER-ADDRESS");
            assert!(other.ip() != to.ip() && other.port() != to.port(), "{other} from {to}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn response_port_and_change_request_together() {
    let sites = Sites::Two { primary: loopback(13, 24_820), alternate: loopback(14, 24_821) };
    let server = Running::start(sites, None);
    let client = UdpSocket::bind(loopback(1, 0)).await.expect("loopback");
    let elsewhere = UdpSocket::bind(loopback(1, 0)).await.expect("loopback");
    let port = elsewhere.local_addr().expect("bound").port();
    let bytes = request(2, Change::BOTH, Some(port));
    client.send_to(&bytes, loopback(13, 24_820)).await.expect("sent");
    let (message, from) = receive(&elsewhere).await;
    assert_eq!(from, loopback(14, 24_821));
    assert_eq!(message.xor_mapped, client.local_addr().ok());
    server.stop().await;
}

#[tokio::test]
async fn ipv6_is_served() {
    let here = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let Ok(client) = UdpSocket::bind(here).await else {
        return crate::support::skip("this host has no IPv6 on its loopback interface");
    };
    let server = Running::start(Sites::One(here), None);
    client.send_to(&plain(3), server.address()).await.expect("sent");
    let (message, from) = receive(&client).await;
    assert_eq!((from, message.reflexive()), (server.address(), client.local_addr().ok()));
    let mut stream = TcpStream::connect(server.address()).await.expect("accepted");
    stream.write_all(&plain(4)).await.expect("sent");
    assert_eq!(answer(&mut stream).await.reflexive(), stream.local_addr().ok());
    server.stop().await;
}

#[tokio::test]
async fn a_thousand_at_once_are_all_answered_in_batches() {
    let server = Running::one();
    let client = UdpSocket::bind(loopback(1, 0)).await.expect("loopback");
    let mut answered = 0;
    // In portions that every system's receive buffer holds, or it would be the kernel that drops.
    for _ in 0..10 {
        for n in 0..100 {
            client.send_to(&plain(n), server.address()).await.expect("sent");
        }
        for n in 0..100 {
            let (message, _) = receive(&client).await;
            assert_eq!((message.class, message.id), (Class::Success, [n; 12]));
            answered += 1;
        }
    }
    assert_eq!(answered, 1000);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_request_is_not_answered_and_harms_nobody() {
    let server = Running::one();
    let client = UdpSocket::bind(loopback(1, 0)).await.expect("loopback");
    let mut response = plain(5);
    response[0] = 1;
    for bad in [b"".as_slice(), b"hello", &[0; 20], &[0xff; 2000], &plain(5)[..19], &response] {
        client.send_to(bad, server.address()).await.expect("sent");
    }
    client.send_to(&plain(6), server.address()).await.expect("sent");
    // One socket's answers come in order: had one of the others been answered, it came first.
    assert_eq!(receive(&client).await.0.id, [6; 12]);
    server.stop().await;
}

#[tokio::test]
async fn one_source_is_limited_and_another_is_not() {
    let limit = Limit { per_second: 1, burst: 5 };
    let server = Running::start(Sites::One(loopback(1, 0)), Some(limit));
    let greedy = UdpSocket::bind(loopback(21, 0)).await.expect("loopback");
    let modest = UdpSocket::bind(loopback(22, 0)).await.expect("loopback");
    for n in 0..50 {
        greedy.send_to(&plain(n), server.address()).await.expect("sent");
    }
    modest.send_to(&plain(99), server.address()).await.expect("sent");
    assert_eq!(receive(&modest).await.0.id, [99; 12]);
    // All that will be answered has been: the other came last.
    let mut buffer = [0; 2048];
    greedy.readable().await.expect("some are there");
    let answers = std::iter::from_fn(|| greedy.try_recv(&mut buffer).ok()).count();
    assert!((5..=6).contains(&answers), "{answers} of 50");
    server.stop().await;
}

#[tokio::test]
async fn tcp_messages_are_framed_by_their_length() {
    let server = Running::one();
    let mut stream = TcpStream::connect(server.address()).await.expect("accepted");
    // Two in one piece, and then one in two.
    let two = [plain(7), plain(8)].concat();
    stream.write_all(&two).await.expect("sent");
    assert_eq!(answer(&mut stream).await.id, [7; 12]);
    assert_eq!(answer(&mut stream).await.id, [8; 12]);
    let (head, tail) = two.split_at(9);
    stream.set_nodelay(true).expect("a TCP socket");
    stream.write_all(head).await.expect("sent");
    tokio::task::yield_now().await;
    stream.write_all(&tail[..plain(7).len() - 9]).await.expect("sent");
    let message = answer(&mut stream).await;
    assert_eq!((message.id, message.xor_mapped), ([7; 12], stream.local_addr().ok()));
    server.stop().await;
}

#[tokio::test]
async fn over_tcp_no_other_socket_can_answer() {
    let server = Running::one();
    let mut stream = TcpStream::connect(server.address()).await.expect("accepted");
    stream.write_all(&request(9, Change::BOTH, None)).await.expect("sent");
    let message = answer(&mut stream).await;
    assert_eq!(message.error.map(|(code, _)| code), Some(420));
    assert_eq!(message.unknown_attributes, [3]);
    server.stop().await;
}

#[tokio::test]
async fn a_tcp_client_that_speaks_something_else_is_hung_up_on() {
    let server = Running::one();
    for other in
        [&b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"[..], &[0xff; 20], &[0, 1, 0xff, 0xfc]]
    {
        let mut stream = TcpStream::connect(server.address()).await.expect("accepted");
        stream.write_all(other).await.expect("sent");
        if other.len() < 20 {
            stream.write_all(&[0; 20]).await.expect("sent");
        }
        closed(stream).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn one_address_cannot_hold_all_tcp_connections() {
    let server = Running::one();
    let mut held = Vec::new();
    for n in 0..64 {
        let mut stream = TcpStream::connect(server.address()).await.expect("accepted");
        stream.write_all(&plain(n)).await.expect("sent");
        assert_eq!(answer(&mut stream).await.id, [n; 12]);
        held.push(stream);
    }
    closed(TcpStream::connect(server.address()).await.expect("accepted by the kernel")).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(loopback(2, 0)).expect("loopback");
    let mut other = socket.connect(server.address()).await.expect("accepted");
    other.write_all(&plain(77)).await.expect("sent");
    let message = answer(&mut other).await;
    assert_eq!(message.reflexive().map(|a| a.ip()), Some(IpAddr::from([127, 0, 0, 2])));
    server.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let server = Running::one();
    let taken = server.address();
    let error = Server::bind(Config::new(vec![Sites::One(taken)])).expect_err("it is taken");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    server.stop().await;
    Server::bind(Config::new(vec![Sites::One(taken)])).expect("everything was closed");
}

#[tokio::test]
async fn any_free_port_is_one_that_is_free_for_tcp_too() {
    // with half of the ports that the system gives out taken for TCP, some try must meet one
    let mut taken = Vec::new();
    let mut servers = Vec::new();
    for _ in 0..200 {
        taken.push(std::net::TcpListener::bind(loopback(1, 0)).expect("a port"));
    }
    for _ in 0..200 {
        let config = Config::new(vec![Sites::One(loopback(1, 0))]);
        servers.push(Server::bind(config).expect("another port is free"));
    }
}
