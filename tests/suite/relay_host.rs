//! A relay sends to no address of its own host: neither to those that it does not listen on, nor to
//! those that come while it runs. In a network namespace, where addresses may come and go.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // real sockets are the point

use crate::support::netns;
use crate::support::turn;
use netns::Serve;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};
use turn::{BIND, Client, PERMIT, channel, ipv6, peer, udp};

const SERVER: &str = "203.0.113.1";
const OTHER: &str = "203.0.113.77";

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().expect("iproute2 is installed");
    assert!(status.success(), "ip {arguments:?}");
}

fn relay(more: &[&str]) -> (Serve, SocketAddr) {
    let mut password = tempfile::NamedTempFile::new().expect("a file");
    writeln!(password, "wonder").expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_natscope"));
    command.args(["serve", "--turn", "--user", "alice", "--password-file"]).arg(password.path());
    let serve = Serve::start(command.args(more), 1);
    (serve, format!("{SERVER}:3478").parse().expect("an address"))
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Until the peer is refused, or not; the kernel tells of a change, so this is soon.
async fn until(client: &mut Client, to: SocketAddr, expected: Result<(), u16>) {
    let start = Instant::now();
    loop {
        let answer = client.ask(PERMIT, &[peer(to)]).await.map(drop);
        if answer == expected {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{to}: {answer:?}");
        tokio::task::yield_now().await;
    }
}

fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future);
}

fn in_namespace(test: &str, body: impl FnOnce()) {
    let test = format!("{}::{test}", module_path!());
    netns::in_namespace_with(&test, || Ok(()), &[SERVER, OTHER], body);
}

#[test]
fn no_address_of_its_own_host_is_relayed_to() {
    in_namespace("no_address_of_its_own_host_is_relayed_to", || {
        ip(&["address", "add", "2600::1/128", "dev", "lo"]);
        ip(&["address", "add", "2600::77/128", "dev", "lo"]);
        ip(&["route", "add", "local", "198.51.100.64/28", "dev", "lo"]);
        let (_serve, server) =
            relay(&["--listen", SERVER, "--relay-address", SERVER, "--relay-address", "2600::1"]);
        run(async {
            let mut client = Client::udp(server, "alice", "wonder").await;
            client.allocate_with(&[udp()]).await.expect("room");
            let other = at("203.0.113.77:9");
            assert_eq!(client.ask(PERMIT, &[peer(other)]).await.map(drop), Err(403));
            assert_eq!(client.ask(BIND, &[channel(0x4000), peer(other)]).await.map(drop), Err(403));
            assert_eq!(client.ask(PERMIT, &[peer(at("203.0.113.78:9"))]).await.map(drop), Ok(()));
            until(&mut client, at("198.51.100.65:9"), Err(403)).await;
            // what was permitted before the address came is not sent to either: see `may_send`
            ip(&["address", "add", "203.0.113.78/32", "dev", "lo"]);
            until(&mut client, at("203.0.113.78:9"), Err(403)).await;
            let victim = std::net::UdpSocket::bind("203.0.113.78:0").expect("a port");
            victim.set_nonblocking(true).expect("a socket");
            let to = victim.local_addr().expect("bound");
            client.send(&client.send_indication(to, b"never")).await;
            client.ask(PERMIT, &[peer(at("192.0.2.1:9"))]).await.expect("it is behind that");
            assert!(victim.recv(&mut [0; 16]).is_err(), "it was relayed to its own host");
            ip(&["address", "del", "203.0.113.78/32", "dev", "lo"]);
            until(&mut client, at("203.0.113.78:9"), Ok(())).await;

            let mut client = Client::udp(server, "alice", "wonder").await;
            client.allocate_with(&[udp(), ipv6()]).await.expect("room");
            for own in ["[2600::77]:9", "[2002:cb00:714d::1]:9", "[64:ff9b::203.0.113.77]:9"] {
                assert_eq!(client.ask(PERMIT, &[peer(at(own))]).await.map(drop), Err(403), "{own}");
            }
            for nobody in ["[200::1]:9", "[3fff::1]:9", "[2001:db8::1]:9", "[::1:0:0]:9"] {
                let answer = client.ask(PERMIT, &[peer(at(nobody))]).await.map(drop);
                assert_eq!(answer, Err(403), "{nobody}");
            }
            assert_eq!(client.ask(PERMIT, &[peer(at("[2600::78]:9"))]).await.map(drop), Ok(()));
            ip(&["address", "add", "2600::78/128", "dev", "lo", "nodad"]);
            until(&mut client, at("[2600::78]:9"), Err(403)).await;
        });
    });
}

#[test]
fn one_of_the_hosts_own_addresses_may_be_allowed_by_name() {
    let name = "one_of_the_hosts_own_addresses_may_be_allowed_by_name";
    in_namespace(name, || {
        let (_serve, server) = relay(&["--listen", SERVER, "--allow-peer", OTHER]);
        run(async {
            let mut client = Client::udp(server, "alice", "wonder").await;
            client.allocate().await.expect("room");
            let victim = std::net::UdpSocket::bind("203.0.113.77:0").expect("a port");
            let to = victim.local_addr().expect("bound");
            client.ask(PERMIT, &[peer(to)]).await.expect("allowed");
            client.send(&client.send_indication(to, b"wanted")).await;
            victim.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
            assert_eq!(victim.recv(&mut [0; 16]).expect("relayed"), 6);
            assert_eq!(client.ask(PERMIT, &[peer(server)]).await.map(drop), Err(403));
        });
    });
}
