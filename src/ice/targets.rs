//! Where checks may go. A peer names the addresses, and it may be anyone who learnt a room's name:
//! it must not be able to point this host at services that are none of its.
//!
//! Not sent to, whatever the peer says:
//!
//! - addresses that no host has: 0.0.0.0/8, multicast, broadcast, 240.0.0.0/4, the IPv6 ranges that
//!   are not assigned;
//! - loopback addresses, unless this side is on loopback itself (`--bind 127.0.0.1`);
//! - link-local addresses (169.254.0.0/16, where clouds keep credentials; `fe80::/10`), unless this
//!   side has one of that family;
//! - ports below 1024 but for 80 and 443 of public addresses, as libwebrtc has it: no peer's socket
//!   is there, and NATs keep user ports above (RFC 4787 section 4.2.2). Of the ports above, those of
//!   services that answer anyone with much more than they were asked, on addresses that are not
//!   public: a NAT that takes ports at random gives them to its hosts as well.
//!
//! The directed broadcast of a network cannot be told from a host; the kernel refuses it without
//! `SO_BROADCAST`, which is not set. The same holds for what a check came from.

use super::Avoided;
use super::agent::Agent;
use crate::ground::address::{Reach, reach};
use std::net::{IpAddr, SocketAddr};

/// UDP services above 1023 that amplify (US-CERT alert TA14-017A) or announce themselves: SSDP, WS-Discovery,
/// mDNS, LLMNR, memcached.
const SERVICES: [u16; 5] = [1900, 3702, 5353, 5355, 11211];

/// Why no check goes to this address, from a side with these addresses of its own.
fn unfit(to: SocketAddr, own: impl Iterator<Item = IpAddr>) -> Option<String> {
    let range = reach(to.ip());
    let mut of_family = own.filter(|own| own.is_ipv4() == to.is_ipv4());
    let here = of_family.any(|own| reach(own) == range);
    match range {
        Reach::Nowhere => return Some(format!("it is {}", range.words())),
        Reach::Loopback if !here => {
            return Some("it is a loopback address, and this side is not on loopback".to_owned());
        }
        Reach::Link if !here => {
            return Some("it is a link-local address, and this side has none".to_owned());
        }
        _ => {}
    }
    let port = to.port();
    let web = matches!(port, 80 | 443);
    match (port, range) {
        (0, _) => Some("port 0 is none".to_owned()),
        (1..1024, Reach::Global) if web => None,
        (1..1024, _) => Some(format!("port {port} is one of a service, not of a peer")),
        (_, Reach::Global) => None,
        _ if SERVICES.contains(&port) => {
            Some(format!("port {port} is one of a service that would answer with more"))
        }
        _ => None,
    }
}

impl Agent {
    /// Why no check goes there.
    pub(super) fn unfit(&self, to: SocketAddr) -> Option<String> {
        unfit(to, self.locals.all().iter().map(|own| own.base.ip()))
    }

    /// What the peer named, or sent from, that was not checked, and why.
    pub(super) fn avoided(&self) -> Vec<Avoided> {
        let why = |address| Some(Avoided { address, why: self.unfit(address)? });
        self.remotes.addresses().filter_map(why).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::unfit;
    use std::net::{IpAddr, SocketAddr};

    fn why(to: &str, own: &[&str]) -> Option<String> {
        let to: SocketAddr = to.parse().expect(to);
        let own: Vec<IpAddr> = own.iter().map(|own| own.parse().expect(own)).collect();
        unfit(to, own.into_iter())
    }

    #[test]
    fn a_peer_does_not_point_checks_at_services() {
        let own = ["192.168.1.5", "2001:db8::5"];
        for to in [
            "127.0.0.1:5000",
            "127.53.0.1:50000",
            "[::1]:5000",
            "[::ffff:127.0.0.1]:5000",
            "0.0.0.0:5000",
            "0.1.2.3:5000",
            "[::]:5000",
            "224.0.0.251:50000",
            "239.255.255.250:50000",
            "240.0.0.1:50000",
            "255.255.255.255:50000",
            "[ff02::1]:50000",
            "[ff0e::fb]:50000",
            "169.254.169.254:50000",
            "[fe80::1]:50000",
            "[64:ff9b::7f00:1]:50000",
            "198.51.100.1:0",
            "198.51.100.1:53",
            "198.51.100.1:123",
            "198.51.100.1:161",
            "198.51.100.1:1023",
            "192.168.1.1:1900",
            "192.168.1.1:11211",
            "192.168.1.1:53",
            "192.168.1.1:80",
            "192.168.1.1:443",
            "[2001:db8::53]:53",
        ] {
            assert!(why(to, &own).is_some(), "{to}");
        }
        for to in [
            "198.51.100.1:1024",
            "198.51.100.1:443",
            "198.51.100.1:80",
            "198.51.100.1:50000",
            "192.168.1.7:50000",
            "100.64.0.9:50000",
            "[2001:db8::7]:50000",
            "[fd00::7]:50000",
        ] {
            assert_eq!(why(to, &own), None, "{to}");
        }
    }

    #[test]
    fn a_peer_whose_nat_gave_it_the_port_of_a_service_was_not_checked() {
        for port in super::SERVICES {
            assert_eq!(why(&format!("198.51.100.1:{port}"), &["192.168.1.5"]), None);
        }
    }

    #[test]
    fn hosts_on_loopback_and_on_a_link_reach_their_like() {
        assert_eq!(why("127.0.0.1:50000", &["127.0.0.2"]), None);
        assert_eq!(why("[::1]:50000", &["::1"]), None);
        assert!(why("[::1]:50000", &["127.0.0.1"]).is_some(), "another family");
        assert_eq!(why("169.254.3.4:50000", &["169.254.1.2"]), None);
        assert_eq!(why("[fe80::2]:50000", &["fe80::1"]), None);
        assert!(why("127.0.0.1:53", &["127.0.0.1"]).is_some(), "a service all the same");
    }
}
