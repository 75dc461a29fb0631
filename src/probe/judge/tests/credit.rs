//! Answers that count and answers that do not.

use super::*;
use crate::ground::finding::Id;
use crate::probe::judge::credit::{canonical, doubts};
use crate::probe::judge::{Standing, judge};

/// A record of plain requests: socket n to server n of `said`, with what it says.
fn record(local: &str, said: &[(&str, &str)]) -> Record {
    let mut local = address(local);
    let mut run = Run::default();
    for (n, (server, mapped)) in said.iter().enumerate() {
        let known = run.0.servers.iter().position(|s| s.address == address(server));
        let about = known.unwrap_or(run.0.servers.len());
        let run_named = if known.is_none() { run.named(server) } else { run };
        let socket = format!("s{n}");
        run =
            run_named.socket(&socket, &local.to_string()).ask(about, &socket, server, Some(mapped));
        local.set_port(local.port() + 1);
    }
    run.0
}

fn doubt(local: &str, server: &str, mapped: &str) -> Option<String> {
    let record = canonical(&record(local, &[(server, mapped)]));
    doubts(&record).remove(0).map(|doubt| doubt.id.to_string())
}

#[test]
fn addresses_that_a_nat_can_explain_count() {
    for (local, server, mapped) in [
        // no NAT
        ("198.51.100.7:5000", "203.0.113.1:3478", "198.51.100.7:5000"),
        ("127.0.0.1:5000", "127.0.0.1:3478", "127.0.0.1:5000"),
        ("127.0.0.1:5000", "127.0.0.2:3478", "[::ffff:127.0.0.1]:5000"),
        ("[::1]:5000", "[::1]:3478", "[::1]:5000"),
        ("[fe80::1]:5000", "[fe80::2]:3478", "[fe80::1]:5000"),
        ("169.254.1.1:5000", "169.254.1.2:3478", "169.254.1.1:5000"),
        // servers of the same network, or of one that it is routed to
        ("192.168.1.100:5000", "192.168.1.5:3478", "192.168.1.100:5000"),
        ("192.168.1.100:5000", "10.0.0.5:3478", "192.168.1.100:5000"),
        ("10.8.0.2:5000", "192.168.1.5:3478", "192.168.1.1:40000"),
        ("192.168.1.100:5000", "100.64.0.1:3478", "100.64.7.7:40000"),
        ("[fd00::1]:5000", "[fd01::1]:3478", "[fd02::1]:40000"),
        // NATs
        ("192.168.1.100:5000", "203.0.113.1:3478", "198.51.100.7:5000"),
        ("100.64.0.9:5000", "203.0.113.1:3478", "198.51.100.7:40000"),
        ("198.51.100.7:5000", "203.0.113.1:3478", "198.51.100.7:40000"),
        ("25.1.2.3:5000", "203.0.113.1:3478", "198.51.100.7:40000"),
        ("192.168.1.100:5000", "203.0.113.1:3478", "[::ffff:198.51.100.7]:40000"),
        ("10.0.0.2:5000", "198.18.0.9:3478", "198.51.100.7:40000"),
        ("127.0.0.1:5000", "127.0.0.1:3478", "192.0.2.1:25000"),
        ("[fd00::1]:5000", "[2001:db8::1]:3478", "[2001:db8:1::1]:5000"),
        // NAT64
        ("[2001:db8:1::1]:5000", "[64:ff9b::203.0.113.1]:3478", "198.51.100.7:40000"),
        ("[2001:db8:1::1]:5000", "[2001:db8::1]:3478", "[::ffff:198.51.100.7]:40000"),
    ] {
        assert_eq!(doubt(local, server, mapped), None, "{local} at {server}: {mapped}");
    }
}

#[test]
fn addresses_that_no_nat_explains_do_not_count() {
    let (impossible, proxy) = ("impossible-mapped-address", "proxy-before-server");
    for (local, server, mapped, id) in [
        ("192.168.1.100:5000", "203.0.113.1:3478", "0.0.0.0:5000", impossible),
        ("192.168.1.100:5000", "203.0.113.1:3478", "0.0.0.0:0", impossible),
        ("192.168.1.100:5000", "203.0.113.1:3478", "198.51.100.7:0", impossible),
        ("192.168.1.100:5000", "203.0.113.1:3478", "224.0.0.1:5000", impossible),
        ("192.168.1.100:5000", "203.0.113.1:3478", "255.255.255.255:5000", impossible),
        ("192.168.1.100:5000", "203.0.113.1:3478", "250.1.2.3:5000", impossible),
        ("[2001:db8::5]:5000", "[2001:db8::1]:3478", "[::]:5000", impossible),
        ("[2001:db8::5]:5000", "[2001:db8::1]:3478", "[ff02::1]:5000", impossible),
        ("127.0.0.1:5000", "127.0.0.1:3478", "0.0.0.0:5000", impossible),
        // proxies and load balancers
        ("127.0.0.1:5000", "127.0.0.1:3478", "10.0.0.9:5000", proxy),
        ("127.0.0.1:5000", "127.0.0.1:3478", "172.17.0.1:41000", proxy),
        ("127.0.0.1:5000", "127.0.0.1:3478", "127.0.0.1:41000", proxy),
        ("198.51.100.7:5000", "203.0.113.1:3478", "10.0.0.9:5000", proxy),
        ("198.51.100.7:5000", "203.0.113.1:3478", "127.0.0.1:5000", proxy),
        ("198.51.100.7:5000", "203.0.113.1:3478", "169.254.8.8:5000", proxy),
        ("192.168.1.100:5000", "203.0.113.1:3478", "10.0.0.9:5000", proxy),
        ("192.168.1.100:5000", "203.0.113.1:3478", "100.64.3.4:5000", proxy),
        ("192.168.1.100:5000", "203.0.113.1:3478", "[::ffff:10.0.0.9]:5000", proxy),
        ("192.168.1.100:5000", "192.168.1.5:3478", "10.244.0.1:5000", proxy),
        ("192.168.1.100:5000", "192.168.1.5:3478", "127.0.0.1:5000", proxy),
        ("198.51.100.7:5000", "10.0.0.5:3478", "10.0.0.9:5000", proxy),
        ("[2001:db8:1::1]:5000", "[2001:db8::1]:3478", "[fd00::9]:5000", proxy),
        ("[2001:db8:1::1]:5000", "[2001:db8::1]:3478", "10.0.0.9:5000", proxy),
        ("[2001:db8:1::1]:5000", "[2001:db8::1]:3478", "[::ffff:10.0.0.9]:5000", proxy),
        ("192.168.1.100:5000", "203.0.113.1:3478", "[2001:db8::9]:5000", proxy),
        ("192.168.1.100:5000", "203.0.113.1:3478", "[64:ff9b::c633:6407]:5000", proxy),
        // our own private address from the internet: an ALG, or a server that is not there
        ("192.168.1.100:5000", "203.0.113.1:3478", "192.168.1.100:5000", "server-inside"),
        ("100.64.0.9:5000", "203.0.113.1:3478", "100.64.0.9:5000", "server-inside"),
        ("198.51.100.7:5000", "203.0.113.1:3478", "203.0.113.1:41000", "server-sees-itself"),
        ("192.168.1.100:5000", "192.168.1.5:3478", "192.168.1.5:41000", "server-sees-itself"),
    ] {
        assert_eq!(
            doubt(local, server, mapped).as_deref(),
            Some(id),
            "{local} at {server}: {mapped}"
        );
    }
}

#[test]
fn addresses_written_wrongly_are_told_from_translated_ones() {
    let id = Some("mangled-mapped-address".to_owned());
    // not XORed: 198.51.100.7:5000 reads as this
    let bare = "231.33.192.69:12954";
    assert_eq!(doubt("198.51.100.7:5000", "203.0.113.1:3478", bare), id);
    // the port or the address turned round
    let swapped = format!("198.51.100.7:{}", 5000_u16.swap_bytes());
    assert_eq!(doubt("198.51.100.7:5000", "203.0.113.1:3478", &swapped), id);
    assert_eq!(doubt("198.51.100.7:5000", "203.0.113.1:3478", "7.100.51.198:5000"), id);
    // behind a NAT other servers tell; one alone does not tell which of the two is right
    let said = [
        ("203.0.113.1:3478", "192.0.2.1:5000"),
        ("203.0.113.9:3478", "225.18.166.67:1"),
        ("203.0.113.5:3478", "192.0.2.1:5002"),
    ];
    let ids = |said: &[(&str, &str)]| -> Vec<_> {
        doubts(&record("192.168.1.2:5000", said))
            .into_iter()
            .map(|d| d.map(|d| d.id.to_string()))
            .collect()
    };
    assert_eq!(ids(&said), [None, id.clone(), None]);
    assert_eq!(ids(&said[..2]), [id.clone(), id]);
}

/// A server that writes both addresses alike looks like an ALG that rewrites one of them.
#[test]
fn a_forgotten_xor_is_not_an_alg() {
    // 192.0.2.1:40000
    let bare = ("203.0.113.1:3478", "225.18.166.67:48466");
    let mut record = record("192.168.1.2:5000", &[bare]);
    for t in &mut record.transactions {
        t.received.as_mut().expect("answered").mapped_plain = Some(address("192.0.2.1:40000"));
    }
    let judged = judge(&record);
    assert_eq!(judged.servers[0].findings[0].id.as_str(), "mangled-mapped-address");
    assert_eq!(judged.facts.mapped_address_rewriting.value(), None);
    assert_eq!(judged.facts.nat.value(), None);
}

#[test]
fn a_server_that_sees_all_sockets_as_one_sees_none() {
    let said = [("203.0.113.1:3478", "192.0.2.1:40000"), ("203.0.113.1:3478", "192.0.2.1:40000")];
    let judged = judge(&record("192.168.1.2:5000", &said));
    assert_eq!(judged.servers[0].standing, Standing::Unusable);
    assert!(judged.servers[0].findings.iter().any(|f| f.id == Id::OneAddressForAll));
    assert_eq!(judged.facts.nat.value(), None);
    assert_eq!(judged.seen, None);
}

#[test]
fn facts_rest_on_the_other_servers_and_say_why_there_are_none() {
    let proxied = ("203.0.113.1:3478", "10.0.0.9:5000");
    let judged = judge(&record("198.51.100.7:5000", &[proxied]));
    for because in [judged.facts.nat.because(), judged.facts.classic.because()] {
        assert!(because.contains("no server gave an answer that counts"), "{because}");
        assert!(because.contains("10.0.0.9:5000"), "{because}");
    }
    assert_eq!(judged.facts.nat.value(), None);
    let honest = ("203.0.113.9:3478", "198.51.100.7:5001");
    let judged = judge(&record("198.51.100.7:5000", &[proxied, honest]));
    assert_eq!(judged.facts.nat.value(), Some(&false));
    assert_eq!(judged.seen.map(|(_, mapped)| mapped), Some(address("198.51.100.7:5001")));
    assert_eq!(judged.servers[0].standing, Standing::Unusable);
    assert_eq!(judged.servers[1].standing, Standing::Answers);
}

/// A server on this host that sees a public address shows that addresses differ, not that a NAT
/// does it.
#[test]
fn what_stays_on_this_host_shows_no_nat() {
    let judged = judge(&record("127.0.0.1:5000", &[("127.0.0.1:3478", "192.0.2.1:25000")]));
    assert_eq!(judged.facts.nat.value(), None);
    assert_eq!(judged.facts.port_preservation.value(), None);
    assert_eq!(judged.facts.allocation.value(), None);
    assert_eq!(judged.facts.mapping.value(), None);
}
