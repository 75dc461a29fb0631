//! How far an address reaches: the one classification of IP addresses.

use super::special::{Class, class};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches, nearest first (the IANA special-purpose address registries,
/// RFC 6890). Addresses for documentation count as global: examples and labs are full of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// No host has it: unspecified, multicast, broadcast, reserved, not assigned to anything.
    Nowhere,
    /// Only this host.
    Loopback,
    /// Only one link (RFC 3927, RFC 4291 section 2.5.6).
    Link,
    /// A private network (RFC 1918, RFC 4193), or a range that is as good as private.
    Site,
    /// A carrier's network between its NAT and its customers' (RFC 6598).
    Carrier,
    /// The internet.
    Global,
}

impl Reach {
    /// For people, with an article.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Nowhere => "an address that no host can have",
            Self::Loopback => "a loopback address",
            Self::Link => "a link-local address",
            Self::Site => "a private address",
            Self::Carrier => "a carrier-grade NAT's inside address (100.64.0.0/10)",
            Self::Global => "a public address",
        }
    }
}

/// How far this address reaches. IPv4-mapped ones count as the IPv4 address, and so do those of
/// the well-known NAT64 prefix `64:ff9b::/96` (RFC 6052).
#[must_use]
pub fn reach(ip: IpAddr) -> Reach {
    match ip.to_canonical() {
        IpAddr::V4(ip) => reach4(ip),
        IpAddr::V6(ip) => nat64(ip).map_or_else(|| reach6(ip), reach4),
    }
}

/// The IPv4 address behind the well-known NAT64 prefix (RFC 6052 section 2.1).
#[must_use]
pub fn nat64(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.segments() {
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

fn reach4(ip: Ipv4Addr) -> Reach {
    match class(ip.into()) {
        Class::Loopback => Reach::Loopback,
        Class::LinkLocal => Reach::Link,
        Class::Private => Reach::Site,
        // DS-Lite and 464XLAT (RFC 6333, RFC 7335); benchmarks (RFC 2544), which proxies for whole
        // machines give out as stand-ins for names
        Class::Protocol | Class::Benchmarking => Reach::Site,
        Class::Shared => Reach::Carrier,
        Class::Global | Class::Documentation | Class::Transition => Reach::Global,
        Class::Unspecified
        | Class::Multicast
        | Class::Broadcast
        | Class::Reserved
        | Class::Mapped => Reach::Nowhere,
    }
}

fn reach6(ip: Ipv6Addr) -> Reach {
    match (class(ip.into()), ip.segments()[0]) {
        // assigned to nobody and used by overlay networks
        (_, 0x0200..=0x03ff) => Reach::Site,
        (Class::Loopback, _) => Reach::Loopback,
        (Class::LinkLocal, _) => Reach::Link,
        // unique local; site-local (RFC 3879); NAT64 prefixes of a network's own choice (RFC 8215)
        (Class::Private, _) => Reach::Site,
        (_, 0x2000..=0x3fff) => Reach::Global,
        _ => Reach::Nowhere,
    }
}

/// Whether two addresses that are not public may lie in one network: they are of one range that a
/// network takes its addresses from (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, …).
#[must_use]
pub fn same_range(a: IpAddr, b: IpAddr) -> bool {
    let range = |ip: IpAddr| match ip.to_canonical() {
        IpAddr::V4(ip) if reach4(ip) == Reach::Site => Some(ip.octets()[0]),
        _ => None,
    };
    let (a, b) = (a.to_canonical(), b.to_canonical());
    a.is_ipv4() == b.is_ipv4() && reach(a) == reach(b) && range(a) == range(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_has_its_reach() {
        for (text, expected) in [
            ("0.0.0.0", Reach::Nowhere),
            ("0.1.2.3", Reach::Nowhere),
            ("224.0.0.251", Reach::Nowhere),
            ("240.0.0.1", Reach::Nowhere),
            ("255.255.255.255", Reach::Nowhere),
            ("127.0.0.53", Reach::Loopback),
            ("169.254.1.1", Reach::Link),
            ("10.0.0.9", Reach::Site),
            ("172.31.255.255", Reach::Site),
            ("172.32.0.1", Reach::Global),
            ("192.168.1.100", Reach::Site),
            ("192.0.0.4", Reach::Site),
            ("198.18.0.1", Reach::Site),
            ("100.64.0.1", Reach::Carrier),
            ("100.128.0.1", Reach::Global),
            ("192.0.2.1", Reach::Global),
            ("203.0.113.7", Reach::Global),
            ("::", Reach::Nowhere),
            ("::1", Reach::Loopback),
            ("::2", Reach::Nowhere),
            ("::192.0.2.1", Reach::Nowhere),
            ("::ffff:10.0.0.9", Reach::Site),
            ("::ffff:192.0.2.1", Reach::Global),
            ("64:ff9b::203.0.113.7", Reach::Global),
            ("64:ff9b::10.0.0.9", Reach::Site),
            ("64:ff9b:1::1", Reach::Site),
            ("100::1", Reach::Nowhere),
            ("200::1", Reach::Site),
            ("fd00::1", Reach::Site),
            ("fec0::1", Reach::Site),
            ("fe80::1", Reach::Link),
            ("ff02::1", Reach::Nowhere),
            ("4000::1", Reach::Nowhere),
            ("2001:db8::1", Reach::Global),
            ("2606:4700::1", Reach::Global),
        ] {
            assert_eq!(reach(text.parse().expect(text)), expected, "{text}");
        }
    }

    #[test]
    fn private_ranges_are_networks_of_their_own() {
        let same = |a: &str, b: &str| same_range(a.parse().expect(a), b.parse().expect(b));
        assert!(same("192.168.1.5", "192.168.1.100"));
        assert!(same("100.64.0.1", "100.127.0.1"));
        assert!(same("fd00::1", "fd12::1"));
        assert!(!same("192.168.1.5", "10.0.0.9"));
        assert!(!same("10.0.0.9", "100.64.0.1"));
        assert!(!same("fd00::1", "10.0.0.9"));
    }
}
