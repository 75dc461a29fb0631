//! natscope's lab in the tests of another project, under the ordinary harness.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types)] // another project opens sockets as it likes

use foreign_crate::seen_as;
use natscope::lab::{self, TestLab};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// The ports by which two servers see one socket of a host.
async fn ports(lab: &TestLab, host: usize) -> [u16; 2] {
    let servers = [TestLab::STUN, TestLab::PLAIN_STUN].map(|uri| uri["stun:".len()..].to_owned());
    let seen = lab.host(host).run(move || async move {
        let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a socket");
        let [first, second] = servers.map(|server| server.parse::<SocketAddr>().expect("address"));
        let first = seen_as(&socket, first).await.expect("an answer");
        [first.port(), seen_as(&socket, second).await.expect("an answer").port()]
    });
    seen.await.expect("the host runs it")
}

#[test]
fn a_symmetric_nat_gives_each_destination_a_port() {
    lab::test("symmetric", async |lab: TestLab| {
        let [first, second] = ports(&lab, 0).await;
        assert_ne!(first, second);
    });
}

#[tokio::test]
async fn side_by_side_a_cone_and_a_symmetric_nat() {
    lab::test("full-cone, symmetric", async |lab: TestLab| {
        let ([a, b], [c, d]) = (ports(&lab, 0).await, ports(&lab, 1).await);
        assert_eq!(a, b);
        assert_ne!(c, d);
        assert_eq!(lab.sites().len(), 2);
    });
}

#[test]
#[should_panic(expected = "this is wrong")]
fn what_fails_inside_fails_outside() {
    lab::test("symmetric", async |_| panic!("this is wrong"));
    // where there is no lab, nothing has failed
    panic!("skipped, else this is wrong");
}

#[test]
#[should_panic(expected = "no-such-nat")]
fn a_nat_that_is_not_known_is_named() {
    lab::test("no-such-nat", async |_| {});
    panic!("skipped, no-such-nat");
}
