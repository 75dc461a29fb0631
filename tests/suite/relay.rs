//! The TURN relay on real sockets of the loopback interface. Peers there are refused, as they should
//! be, but for one kind: the relayed address of another client. So clients talk to one another.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // real sockets are the point

use crate::support;
#[cfg(target_os = "linux")]
use crate::support::netns;
use crate::support::turn;
use natscope::net::serve::{Config, RelayHandle, Server};
use natscope::stun::responder::Sites;
use natscope::turn::relay::{Config as Turn, Credentials, PortRange};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use turn::{
    BIND, BINDING, Client, Heard, Link, PERMIT, REFRESH, channel, ipv6, lifetime, peer, udp,
};

/// Nothing here takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

struct Running {
    at: SocketAddr,
    relay: RelayHandle,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(change: impl FnOnce(&mut Turn)) -> Self {
        Self::start_on([127, 0, 0, 1].into(), change)
    }

    fn start_on(ip: IpAddr, change: impl FnOnce(&mut Turn)) -> Self {
        let users = vec![("alice".to_owned(), "wonder".to_owned())];
        let mut turn = Turn::new(Credentials { users, secrets: vec![b"north".to_vec()] });
        change(&mut turn);
        let sites = Sites::One(SocketAddr::new(ip, 0));
        let config = Config { limit: None, turn: Some(turn), ..Config::new(vec![sites]) };
        let server = Server::bind(config).expect("free ports");
        let at = server.sites()[0].all()[0].1;
        let relay = server.relay().expect("it has one");
        let (stop, stopped) = oneshot::channel::<()>();
        let running = server.run(async { drop(stopped.await) });
        let task = tokio::spawn(async { running.await.expect("a clean stop") });
        Self { at, relay, stop, task }
    }

    async fn udp(&self) -> Client {
        Client::udp(self.at, "alice", "wonder").await
    }

    async fn tcp(&self) -> Client {
        Client::tcp(self.at, "alice", "wonder").await
    }

    async fn stop(self) {
        self.stop.send(()).expect("it still runs");
        self.task.await.expect("no panic");
    }

    /// Waits until so many allocations are live.
    async fn live(&self, count: usize) {
        let waiting = async {
            while self.relay.usage().iter().filter(|usage| usage.live).count() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("so many");
    }
}

/// Waits until the address can be had. A program that another test starts at this moment holds
/// copies of all our sockets for the blink of an eye, those that are closed meanwhile too.
async fn free(at: SocketAddr) {
    let waiting = async {
        while UdpSocket::bind(at).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it is free again");
}

/// An allocation when a port has just been given back; see [`free`].
async fn room(client: &mut Client) -> SocketAddr {
    let asking = async {
        loop {
            match client.allocate().await {
                Err(508) => tokio::task::yield_now().await,
                result => break result.expect("an allocation"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("room")
}

/// Two clients with allocations and permissions for each other; their relayed addresses.
async fn meet(a: &mut Client, b: &mut Client) -> (SocketAddr, SocketAddr) {
    let (at_a, at_b) = (a.allocate().await.expect("room"), b.allocate().await.expect("room"));
    a.ask(PERMIT, &[peer(at_b)]).await.expect("a live allocation");
    b.ask(PERMIT, &[peer(at_a)]).await.expect("a live allocation");
    (at_a, at_b)
}

async fn exchange(a: &mut Client, b: &mut Client) {
    let (at_a, at_b) = meet(a, b).await;
    for payload in [b"".as_slice(), b"x", b"four", &[7; 1400]] {
        a.send(&a.send_indication(at_b, payload)).await;
        assert_eq!(b.hear().await, Heard::Data(at_a, payload.to_vec()));
    }
    a.ask(BIND, &[channel(0x4000), peer(at_b)]).await.expect("bound");
    b.ask(BIND, &[channel(0x4001), peer(at_a)]).await.expect("bound");
    for payload in [b"".as_slice(), b"x", b"four", &[7; 1400]] {
        a.send(&a.channel_data(0x4000, payload)).await;
        assert_eq!(b.hear().await, Heard::Channel(0x4001, payload.to_vec()));
        b.send(&b.channel_data(0x4001, payload)).await;
        assert_eq!(a.hear().await, Heard::Channel(0x4000, payload.to_vec()));
    }
}

#[tokio::test]
async fn two_clients_talk_through_the_relay_and_it_is_counted() {
    let server = Running::start(|_| {});
    let (mut a, mut b) = (server.udp().await, server.udp().await);
    exchange(&mut a, &mut b).await;
    let usage = server.relay.usage();
    assert_eq!(usage.len(), 2);
    for (client, to_peers, to_client) in [(&a, 8, 4), (&b, 4, 8)] {
        let of = |address| usage.iter().find(|usage| usage.client.remote == address);
        let found = of(client.local()).expect("it is there");
        assert_eq!((found.traffic.to_peers, found.traffic.to_client), (to_peers, to_client));
        assert!(found.live && found.user == "alice" && found.client.local == server.at);
    }
    assert_eq!(server.relay.total().packets(), 24);
    server.stop().await;
}

#[tokio::test]
async fn over_tcp_and_between_tcp_and_udp() {
    let server = Running::start(|_| {});
    exchange(&mut server.tcp().await, &mut server.tcp().await).await;
    exchange(&mut server.tcp().await, &mut server.udp().await).await;
    exchange(&mut server.udp().await, &mut server.tcp().await).await;
    server.stop().await;
}

#[tokio::test]
async fn ipv6_is_relayed() {
    let ip = IpAddr::from(Ipv6Addr::LOCALHOST);
    if UdpSocket::bind((ip, 0)).await.is_err() {
        return support::skip("this host has no IPv6 on its loopback interface");
    }
    let server = Running::start_on(ip, |_| {});
    let (mut a, mut b) = (server.udp().await, server.tcp().await);
    assert_eq!(a.allocate().await, Err(440), "it relays from no IPv4 address");
    let at_a = a.allocate_with(&[udp(), ipv6()]).await.expect("room");
    let at_b = b.allocate_with(&[udp(), ipv6()]).await.expect("room");
    assert!(at_a.is_ipv6() && at_b.is_ipv6());
    a.ask(PERMIT, &[peer(at_b)]).await.expect("a live allocation");
    b.ask(BIND, &[channel(0x4000), peer(at_a)]).await.expect("a live allocation");
    a.send(&a.send_indication(at_b, b"six")).await;
    assert_eq!(b.hear().await, Heard::Channel(0x4000, b"six".to_vec()));
    b.send(&b.channel_data(0x4000, b"sixth")).await;
    assert_eq!(a.hear().await, Heard::Data(at_b, b"sixth".to_vec()));
    assert_eq!(a.ask(PERMIT, &[peer("[::1]:9".parse().expect("an address"))]).await, Err(403));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_may_be_cut_anywhere() {
    let server = Running::start(|_| {});
    let (mut a, mut b) = (server.tcp().await, server.udp().await);
    let (_, at_b) = meet(&mut a, &mut b).await;
    a.ask(BIND, &[channel(0x4000), peer(at_b)]).await.expect("bound");
    let parts = [
        a.channel_data(0x4000, b"first"),
        a.send_indication(at_b, b"second"),
        a.channel_data(0x4000, b""),
        a.request(REFRESH, &[]),
        a.channel_data(0x4000, b"last"),
    ];
    let stream = parts.concat();
    // byte by byte, and in two pieces cut everywhere
    let cuts = (1..stream.len()).map(|cut| vec![&stream[..cut], &stream[cut..]]);
    for pieces in std::iter::once(stream.chunks(1).collect::<Vec<_>>()).chain(cuts) {
        for piece in pieces {
            a.send(piece).await;
            // the server reads what there is so far
            tokio::task::yield_now().await;
        }
        for expected in [b"first".as_slice(), b"second", b"", b"last"] {
            let (Heard::Data(_, heard) | Heard::Channel(_, heard)) = b.hear().await;
            assert_eq!(heard, expected);
        }
        // the answer to the request in the middle
        let refreshed = a.ask(REFRESH, &[]).await;
        assert!(refreshed.is_ok(), "{refreshed:?}");
        let Link::Tcp(tcp) = &mut a.link else { unreachable!("it is TCP") };
        let mut second = vec![0; refreshed.expect("refreshed").len()];
        tcp.read_exact(&mut second).await.expect("two answers to two requests");
    }
    server.stop().await;
}

#[tokio::test]
async fn stun_is_still_answered_on_the_same_sockets() {
    let server = Running::start(|_| {});
    for mut client in [server.udp().await, server.tcp().await] {
        assert!(client.ask(BINDING, &[]).await.is_ok());
        client.allocate().await.expect("room");
        assert!(client.ask(BINDING, &[]).await.is_ok(), "and with an allocation");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_tcp_client_that_vanishes_leaves_nothing_behind() {
    let server = Running::start(|_| {});
    let mut client = server.tcp().await;
    let relayed = client.allocate().await.expect("room");
    assert!(UdpSocket::bind(relayed).await.is_err(), "the relay has it");
    server.live(1).await;
    drop(client);
    server.live(0).await;
    free(relayed).await;
    server.stop().await;
}

#[tokio::test]
async fn nonsense_in_the_stream_ends_the_connection_and_the_allocation() {
    let server = Running::start(|_| {});
    let mut client = server.tcp().await;
    client.allocate().await.expect("room");
    client.send(b"\xff\xff\xff\xff").await;
    let Link::Tcp(tcp) = &mut client.link else { unreachable!("it is TCP") };
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut rest)).await;
    closed.expect("closed").ok();
    server.live(0).await;
    server.stop().await;
}

#[tokio::test]
async fn without_an_allocation_channel_data_ends_the_connection() {
    let server = Running::start(|_| {});
    let mut client = server.tcp().await;
    client.send(&client.channel_data(0x4000, &vec![7; 65_000])).await;
    let Link::Tcp(tcp) = &mut client.link else { unreachable!("it is TCP") };
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut rest)).await;
    closed.expect("closed").ok();
    assert!(rest.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_waited_for() {
    let server = Running::start(|_| {});
    let (mut deaf, mut b, mut c) = (server.tcp().await, server.udp().await, server.udp().await);
    let (at_deaf, _) = meet(&mut deaf, &mut b).await;
    let dropped = || server.relay.total().dropped;
    let flooding = async {
        let packet = b.send_indication(at_deaf, &[7; 8000]);
        while dropped() == 0 {
            b.send(&packet).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, flooding).await.expect("the queue has an end");
    c.allocate().await.expect("others are served");
    server.stop().await;
}

#[tokio::test]
async fn the_longest_packets_pass() {
    let server = Running::start(|_| {});
    let (mut a, mut b) = (server.udp().await, server.tcp().await);
    let (at_a, at_b) = meet(&mut a, &mut b).await;
    let long = vec![7; 65_000];
    a.send(&a.send_indication(at_b, &long)).await;
    assert_eq!(b.hear().await, Heard::Data(at_a, long.clone()));
    b.ask(BIND, &[channel(0x4000), peer(at_a)]).await.expect("bound");
    b.send(&b.channel_data(0x4000, &long)).await;
    assert_eq!(a.hear().await, Heard::Data(at_b, long));
    server.stop().await;
}

#[tokio::test]
async fn ports_that_others_have_are_passed_over_and_a_full_range_is_508() {
    // below the ports that systems give out by themselves
    let range = PortRange::new(24_901, 24_902).expect("a range");
    let other = UdpSocket::bind("127.0.0.1:24902").await.expect("nobody else's");
    let server = Running::start(|turn| turn.ports = range);
    let (mut a, mut b) = (server.udp().await, server.udp().await);
    assert_eq!(a.allocate().await.map(|at| at.port()), Ok(24_901));
    assert_eq!(b.allocate().await, Err(508));
    drop(other);
    assert_eq!(room(&mut b).await.port(), 24_902);
    assert_eq!(server.udp().await.allocate().await, Err(508));
    a.ask(REFRESH, &[lifetime(0)]).await.expect("given back");
    server.live(1).await;
    assert_eq!(room(&mut server.udp().await).await.port(), 24_901);
    server.stop().await;
}

#[tokio::test]
async fn a_forbidden_peer_gets_nothing() {
    let server = Running::start(|_| {});
    let victim = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let at = victim.local_addr().expect("bound");
    let (mut a, mut b) = (server.udp().await, server.udp().await);
    // a permission for the address there is: of another client of the relay
    let (_, at_b) = meet(&mut a, &mut b).await;
    assert_eq!(a.ask(PERMIT, &[peer(at)]).await, Err(403));
    assert_eq!(a.ask(BIND, &[channel(0x4000), peer(at)]).await, Err(403));
    assert_eq!(a.ask(BIND, &[channel(0x4000), peer(server.at)]).await, Err(403));
    a.send(&a.send_indication(at, b"never")).await;
    a.send(&a.channel_data(0x4000, b"never")).await;
    a.send(&a.send_indication(at_b, b"this one")).await;
    b.hear().await;
    let mut buffer = [0; 8];
    assert!(victim.try_recv(&mut buffer).is_err(), "{buffer:?}");
    server.stop().await;
}

#[tokio::test]
async fn credentials_that_are_wrong_or_expired_are_refused() {
    let server = Running::start(|_| {});
    let password = |user: &str| natscope::turn::relay::time_limited_password(b"north", user);
    let long_ago = "1000000000:carol";
    let far_away = "9000000000:carol";
    for (user, password, expected) in [
        ("alice", "wrong".to_owned(), Err(401)),
        ("mallory", "wonder".to_owned(), Err(401)),
        (long_ago, password(long_ago), Err(401)),
        (far_away, password(long_ago), Err(401)),
        (far_away, password(far_away), Ok(())),
    ] {
        let mut client = Client::udp(server.at, user, &password).await;
        assert_eq!(client.allocate().await.map(drop), expected, "{user}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_relay_that_is_cut_is_dead_until_it_is_revived() {
    let server = Running::start(|_| {});
    let (mut a, mut b) = (server.udp().await, server.udp().await);
    let (at_a, at_b) = meet(&mut a, &mut b).await;
    server.relay.cut(true);
    a.send(&a.send_indication(at_b, b"lost")).await;
    a.send(&a.request(REFRESH, &[])).await;
    // STUN still is answered, and after what came before
    let stun = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    stun.send_to(
        &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        server.at,
    )
    .await
    .expect("sent");
    stun.recv(&mut [0; 200]).await.expect("answered");
    server.relay.cut(false);
    a.send(&a.send_indication(at_b, b"found")).await;
    assert_eq!(b.hear().await, Heard::Data(at_a, b"found".to_vec()));
    server.stop().await;
}

#[tokio::test]
async fn when_the_server_stops_all_its_ports_are_free() {
    let server = Running::start(|_| {});
    let (mut a, mut b) = (server.udp().await, server.tcp().await);
    let (at_a, at_b) = meet(&mut a, &mut b).await;
    server.stop().await;
    free(at_a).await;
    free(at_b).await;
}

/// What `natscope serve` says to arguments that it does not take.
fn refused(arguments: &[&str], code: i32) -> String {
    let serve = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
    let output = support::natscope().args(serve).output().expect("it runs");
    let said = support::stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, content.as_bytes()).expect("written");
    file
}

#[test]
fn an_open_relay_cannot_be_had_and_half_of_a_user_is_a_mistake() {
    let password = file("wonder\n");
    let path = password.path().to_str().expect("text");
    let empty = file("\n");
    let nothing = empty.path().to_str().expect("text");
    let alice = ["--turn", "--user", "alice", "--password-file", path];
    let with = |more: &[&'static str]| [&alice[..], more].concat();
    for (arguments, code, expected) in [
        (vec!["--turn"], 2, "a relay for everybody would be abused"),
        (vec!["--user", "alice", "--password-file", path], 2, "--turn"),
        (vec!["--turn", "--user", "alice"], 2, "--password-file"),
        (vec!["--turn", "--password-file", path], 2, "--user"),
        (with(&["--user", "bob"]), 2, "2 --user and 1 --password-file"),
        (vec!["--turn", "--user", "alice", "--password-file", "/nonexistent"], 1, "/nonexistent: "),
        (vec!["--turn", "--user", "alice", "--password-file", nothing], 2, "the file is empty"),
        (vec!["--turn", "--secret-file", nothing], 2, "the file is empty"),
        (vec!["--turn", "--user", "", "--password-file", path], 2, "1 to 127 characters"),
        (with(&["--realm", "a\"b"]), 2, "no quotes"),
        (with(&["--relay-ports", "2-1"]), 2, "the first and the last port"),
        (with(&["--relay-ports", "0-1"]), 2, "the first and the last port"),
        (with(&["--deny-peer", "x"]), 2, "an address or a range"),
        (with(&["--relay-address", "0.0.0.0"]), 2, "one that peers can send to"),
        (
            with(&["--relay-address", "192.0.2.1", "--relay-address", "192.0.2.2"]),
            2,
            "for each address family",
        ),
        (with(&["--listen", "0.0.0.0:0", "--relay-address", "192.0.2.1"]), 1, "192.0.2.1"),
    ] {
        let said = refused(&arguments, code);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains("wonder"), "{said}");
    }
}

#[test]
fn who_listens_everywhere_must_say_what_peers_see() {
    let password = file("wonder\n");
    let output = support::natscope()
        .args(["serve", "--listen", "0.0.0.0:0", "--turn", "--user", "alice", "--password-file"])
        .arg(password.path())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        support::stderr(&output).contains("--relay-address IP"),
        "{}",
        support::stderr(&output)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_password_file_that_others_can_read_is_warned_of_and_used() {
    use std::os::unix::fs::PermissionsExt;
    let password = file("wonder\r\nsecond line\n");
    for (mode, warned) in [(0o644, true), (0o640, true), (0o600, false), (0o400, false)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(password.path(), permissions).expect("ours");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_natscope"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--turn", "--user", "alice"]);
        command.arg("--password-file").arg(password.path());
        let server = netns::Serve::start(&mut command, 1);
        let at = server.said.rsplit("answering on ").next().expect("an address").trim();
        let at: SocketAddr = at.parse().expect("an address");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            Client::udp(at, "alice", "wonder").await.allocate().await.expect("the first line");
        });
        let (code, said) = server.terminate();
        assert_eq!((code, said.contains("can be read by others")), (Some(0), warned), "{said}");
        assert!(!said.contains("wonder"), "{said}");
        assert!(said.contains("relayed 0 packets to peers"), "{said}");
    }
}
