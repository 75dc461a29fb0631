//! Which addresses a relay may have, and in which special range a peer's address lies.

use crate::ground::address::{Reach, reach};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The special range (RFC 6890) that an address lies in, such as
/// `10.0.0.0/8 (private, RFC 1918)`; `None` for an address of the internet.
#[must_use]
pub fn range(ip: IpAddr) -> Option<&'static str> {
    match ip.to_canonical() {
        IpAddr::V4(v4) => range4(v4),
        IpAddr::V6(v6) => range6(v6),
    }
}

/// Whether anybody on the internet could send to it.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    reach(ip) == Reach::Global
}

/// Whether no host at all can have it.
#[must_use]
pub fn is_nowhere(address: SocketAddr) -> bool {
    address.port() == 0 || reach(address.ip()) == Reach::Nowhere
}

/// What is wrong with the relayed address of a server that was reached at `server`, one clause;
/// `None` when nothing can be said against it. Of a server that is itself private, a private relayed
/// address is right.
#[must_use]
pub fn unusable(relayed: SocketAddr, server: SocketAddr) -> Option<String> {
    let (ip, at) = (relayed.ip(), server.ip().to_canonical());
    if relayed.port() == 0 {
        return Some("nobody can send to port 0".to_owned());
    }
    if let IpAddr::V6(v6) = ip
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        return Some(format!("that is the IPv4 address {v4} written as an IPv6 address"));
    }
    let (relay, server) = (reach(ip), reach(at));
    let lies = range(ip).map_or_else(
        || format!("that is {}", relay.words()),
        |range| format!("that lies in {range}"),
    );
    let who = match relay {
        Reach::Nowhere => return Some(format!("{lies}: nobody can send there")),
        Reach::Loopback if server > relay => "only the server's own host can send there",
        Reach::Link if server > relay => "only hosts on the server's own link can send there",
        // of two networks that are not the internet neither is the wider
        Reach::Site | Reach::Carrier if server == Reach::Global => {
            "only hosts in the server's own network can send there"
        }
        _ => return None,
    };
    Some(format!("{lies}, while the server was reached at {at}: {who}"))
}

const fn range4(ip: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = ip.octets();
    Some(match (a, b, c) {
        (0, ..) => "0.0.0.0/8 (unspecified)",
        (127, ..) => "127.0.0.0/8 (loopback)",
        (169, 254, _) => "169.254.0.0/16 (link-local)",
        (10, ..) => "10.0.0.0/8 (private, RFC 1918)",
        (172, 16..=31, _) => "172.16.0.0/12 (private, RFC 1918; Docker's networks)",
        (192, 168, _) => "192.168.0.0/16 (private, RFC 1918)",
        (100, 64..=127, _) => "100.64.0.0/10 (behind a carrier's NAT, RFC 6598)",
        (224..=239, ..) => "224.0.0.0/4 (multicast)",
        (255, 255, 255) if ip.is_broadcast() => "255.255.255.255 (broadcast)",
        (240.., ..) => "240.0.0.0/4 (reserved)",
        (192, 0, 2) => "192.0.2.0/24 (documentation, RFC 5737)",
        (198, 51, 100) => "198.51.100.0/24 (documentation, RFC 5737)",
        (203, 0, 113) => "203.0.113.0/24 (documentation, RFC 5737)",
        (198, 18 | 19, _) => "198.18.0.0/15 (benchmarks, RFC 2544)",
        _ => return None,
    })
}

const fn range6(ip: Ipv6Addr) -> Option<&'static str> {
    let s = ip.segments();
    Some(match (s[0], s[1]) {
        (0, _) if ip.is_unspecified() => ":: (unspecified)",
        (0, _) if ip.is_loopback() => "::1 (loopback)",
        (0xff00.., _) => "ff00::/8 (multicast)",
        (0xfe80..=0xfebf, _) => "fe80::/10 (link-local)",
        (0xfc00..=0xfdff, _) => "fc00::/7 (unique local, RFC 4193)",
        (0xfec0..=0xfeff, _) => "fec0::/10 (site-local, RFC 3879)",
        (0x0064, 0xff9b) => "64:ff9b::/32 (NAT64)",
        (0x2001, 0x0db8) => "2001:db8::/32 (documentation, RFC 3849)",
        (0x2001, 0) => "2001::/32 (Teredo)",
        (0x2002, _) => "2002::/16 (6to4)",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(relayed: &str, server: &str) -> Option<String> {
        unusable(relayed.parse().expect("literal"), server.parse().expect("literal"))
    }

    #[test]
    fn a_relayed_address_that_cannot_work_is_told_before_anything_is_sent() {
        for (relayed, server, what) in [
            ("0.0.0.0:5000", "192.0.2.1:3478", "0.0.0.0/8 (unspecified): nobody"),
            ("[::]:5000", "[2001:db8::1]:3478", ":: (unspecified)"),
            ("224.0.0.1:5000", "192.0.2.1:3478", "multicast"),
            ("192.0.2.1:0", "192.0.2.1:3478", "port 0"),
            ("[::ffff:192.0.2.1]:5000", "192.0.2.1:3478", "IPv4 address 192.0.2.1"),
            ("127.0.0.1:5000", "192.0.2.1:3478", "127.0.0.0/8 (loopback)"),
            ("127.0.0.1:5000", "10.0.0.1:3478", "own host"),
            ("10.0.0.5:5000", "192.0.2.1:3478", "10.0.0.0/8 (private, RFC 1918)"),
            ("172.17.0.2:5000", "192.0.2.1:3478", "Docker"),
            ("100.64.0.5:5000", "192.0.2.1:3478", "RFC 6598"),
            ("169.254.3.4:5000", "192.168.1.1:3478", "own link"),
            ("[fd00::5]:5000", "[2001:db8::1]:3478", "unique local"),
        ] {
            let said = said(relayed, server).unwrap_or_else(|| panic!("{relayed}: nothing"));
            assert!(said.contains(what), "{relayed}: {said}");
        }
    }

    #[test]
    fn a_relayed_address_that_may_work_is_tried() {
        for (relayed, server) in [
            ("192.0.2.1:5000", "192.0.2.1:3478"),
            ("198.51.100.7:5000", "192.0.2.1:3478"),
            ("10.0.0.5:5000", "10.0.0.1:3478"),
            ("10.0.0.5:5000", "192.168.0.1:3478"),
            ("10.0.0.5:5000", "100.64.0.1:3478"),
            ("192.0.2.1:5000", "10.0.0.1:3478"),
            ("192.0.2.1:5000", "127.0.0.1:3478"),
            ("127.0.0.1:5000", "127.0.0.1:3478"),
            ("192.0.2.1:5000", "[2001:db8::1]:3478"),
        ] {
            assert_eq!(said(relayed, server), None, "{relayed} of {server}");
        }
    }
}
