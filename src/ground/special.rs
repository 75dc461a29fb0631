//! Addresses that are not just anybody's: the special-purpose registries of IANA (RFC 6890), for
//! IPv4 and IPv6, as one table.
//!
//! Outside of the table an IPv4 address is an ordinary one, and so is an IPv6 address in `2000::/3`;
//! all other IPv6 addresses are nobody's yet ([`Class::Reserved`]).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses, such as `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    ip: IpAddr,
    bits: u8,
}

impl Net {
    /// The addresses that share the first `bits` bits with `ip`; `None` when there are not so many.
    #[must_use]
    pub const fn new(ip: IpAddr, bits: u8) -> Option<Self> {
        let most = if ip.is_ipv4() { 32 } else { 128 };
        if bits > most { None } else { Some(Self { ip, bits }) }
    }

    /// The address, when it is the only one.
    #[must_use]
    pub const fn single(&self) -> Option<IpAddr> {
        let most = if self.ip.is_ipv4() { 32 } else { 128 };
        if self.bits == most { Some(self.ip) } else { None }
    }

    /// Whether the address is in it.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                let apart = u32::from(own) ^ u32::from(ip);
                apart.checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                let apart = u128::from(own) ^ u128::from(ip);
                apart.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.bits)
    }
}

impl std::str::FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write an address or a range, such as 192.0.2.7 or 2001:db8::/32".to_owned();
        let (ip, bits) = match text.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let bits = bits.unwrap_or(if ip.is_ipv4() { 32 } else { 128 });
        Self::new(ip, bits).ok_or_else(wrong)
    }
}

/// What a special-purpose address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// 0.0.0.0/8, `::`: no address yet; many systems take it for themselves.
    Unspecified,
    /// This host alone.
    Loopback,
    /// This link alone.
    LinkLocal,
    /// A private network (RFC 1918, RFC 4193, and site-local).
    Private,
    /// Between a provider and its customers (RFC 6598).
    Shared,
    /// Benchmarks of network devices (RFC 2544, RFC 5180).
    Benchmarking,
    /// IETF protocol assignments that no router on the internet carries.
    Protocol,
    /// Documentation (RFC 5737, RFC 3849, RFC 9637).
    Documentation,
    /// Groups of hosts.
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// Nobody's.
    Reserved,
    /// An IPv4 address in the clothes of IPv6, where no translator stands: never on a wire.
    Mapped,
    /// IPv6 by way of IPv4, or the reverse (NAT64, 6to4): what is inside counts, see [`embedded`].
    Transition,
    /// In the registry, and reachable by everybody all the same.
    Global,
}

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Special {
    /// Which addresses.
    pub net: Net,
    /// What they are for.
    pub class: Class,
    /// What the registry calls them, with the document.
    pub name: &'static str,
}

const fn v4(octets: [u8; 4], bits: u8, class: Class, name: &'static str) -> Special {
    let [a, b, c, d] = octets;
    Special { net: Net { ip: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }, class, name }
}

const fn v6(s: [u16; 8], bits: u8, class: Class, name: &'static str) -> Special {
    let ip = Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
    Special { net: Net { ip: IpAddr::V6(ip), bits }, class, name }
}

/// Of IPv4: the longest prefix counts.
static V4: [Special; 27] = {
    use Class::{
        Benchmarking, Broadcast, Documentation, Global, LinkLocal, Loopback, Multicast, Private,
        Protocol, Reserved, Shared, Unspecified,
    };
    [
        v4([0, 0, 0, 0], 8, Unspecified, "\"this network\" (RFC 791)"),
        v4([10, 0, 0, 0], 8, Private, "private use (RFC 1918)"),
        v4([100, 64, 0, 0], 10, Shared, "shared between provider and customers (RFC 6598)"),
        v4([127, 0, 0, 0], 8, Loopback, "loopback (RFC 1122)"),
        v4([169, 254, 0, 0], 16, LinkLocal, "link-local (RFC 3927)"),
        v4([172, 16, 0, 0], 12, Private, "private use (RFC 1918)"),
        v4([192, 0, 0, 0], 24, Protocol, "IETF protocol assignments (RFC 6890)"),
        v4([192, 0, 0, 0], 29, Protocol, "IPv4 service continuity, DS-Lite (RFC 7335)"),
        v4([192, 0, 0, 8], 32, Protocol, "the IPv4 dummy address (RFC 7600)"),
        v4([192, 0, 0, 9], 32, Global, "Port Control Protocol anycast (RFC 7723)"),
        v4([192, 0, 0, 10], 32, Global, "TURN anycast (RFC 8155)"),
        v4([192, 0, 0, 170], 31, Protocol, "NAT64/DNS64 discovery (RFC 7050)"),
        v4([192, 0, 2, 0], 24, Documentation, "documentation, TEST-NET-1 (RFC 5737)"),
        v4([192, 31, 196, 0], 24, Global, "AS112-v4 (RFC 7535)"),
        v4([192, 52, 193, 0], 24, Global, "AMT (RFC 7450)"),
        v4([192, 88, 99, 0], 24, Protocol, "the former 6to4 relay anycast (RFC 7526)"),
        v4([192, 168, 0, 0], 16, Private, "private use (RFC 1918)"),
        v4([192, 175, 48, 0], 24, Global, "direct delegation AS112 (RFC 7534)"),
        v4([198, 18, 0, 0], 15, Benchmarking, "benchmarking (RFC 2544)"),
        v4([198, 51, 100, 0], 24, Documentation, "documentation, TEST-NET-2 (RFC 5737)"),
        v4([203, 0, 113, 0], 24, Documentation, "documentation, TEST-NET-3 (RFC 5737)"),
        v4([224, 0, 0, 0], 4, Multicast, "multicast (RFC 5771)"),
        v4([232, 0, 0, 0], 8, Multicast, "source-specific multicast (RFC 4607)"),
        v4([233, 252, 0, 0], 24, Multicast, "multicast, documentation (RFC 6676)"),
        v4([239, 0, 0, 0], 8, Multicast, "multicast, administratively scoped (RFC 2365)"),
        v4([240, 0, 0, 0], 4, Reserved, "reserved (RFC 1112)"),
        v4([255, 255, 255, 255], 32, Broadcast, "limited broadcast (RFC 919)"),
    ]
};

/// Of IPv6: the longest prefix counts.
static V6: [Special; 30] = {
    use Class::{
        Benchmarking, Documentation, Global, LinkLocal, Loopback, Mapped, Multicast, Private,
        Protocol, Reserved, Transition, Unspecified,
    };
    [
        v6([0; 8], 0, Reserved, "outside of global unicast, 2000::/3 (RFC 4291)"),
        v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, Global, "global unicast (RFC 4291)"),
        v6([0; 8], 96, Mapped, "IPv4-compatible, deprecated (RFC 4291)"),
        v6([0; 8], 128, Unspecified, "unspecified (RFC 4291)"),
        v6([0, 0, 0, 0, 0, 0, 0, 1], 128, Loopback, "loopback (RFC 4291)"),
        v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, Mapped, "IPv4-mapped (RFC 4291)"),
        v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, Mapped, "IPv4-translated (RFC 2765)"),
        v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, Transition, "NAT64 (RFC 6052)"),
        v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, Private, "NAT64 of a local network (RFC 8215)"),
        v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64, Reserved, "discard-only (RFC 6666)"),
        v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64, Reserved, "the IPv6 dummy prefix (RFC 9780)"),
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Protocol, "IETF protocol assignments (RFC 2928)"),
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, Protocol, "Teredo (RFC 4380)"),
        v6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128, Global, "Port Control Protocol anycast (RFC 7723)"),
        v6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128, Global, "TURN anycast (RFC 8155)"),
        v6([0x2001, 1, 0, 0, 0, 0, 0, 3], 128, Global, "DNS-SD SRP anycast (RFC 9665)"),
        v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, Benchmarking, "benchmarking (RFC 5180)"),
        v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32, Global, "AMT (RFC 7450)"),
        v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48, Global, "AS112-v6 (RFC 7535)"),
        v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28, Protocol, "ORCHID, deprecated (RFC 4843)"),
        v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28, Global, "ORCHIDv2 (RFC 7343)"),
        v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28, Global, "drone remote identification (RFC 9374)"),
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, Documentation, "documentation (RFC 3849)"),
        v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, Transition, "6to4 (RFC 3056)"),
        v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, Global, "AS112 (RFC 7534)"),
        v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Documentation, "documentation (RFC 9637)"),
        v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Private, "unique local (RFC 4193)"),
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, LinkLocal, "link-local (RFC 4291)"),
        v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Private, "site-local, deprecated (RFC 3879)"),
        v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Multicast, "multicast (RFC 4291)"),
    ]
};

/// The line of the table that says most about an address; `None` for an ordinary one.
///
/// `5f00::/16` (segment identifiers, RFC 9602) needs no line: it lies outside of `2000::/3`.
#[must_use]
pub fn special(ip: IpAddr) -> Option<&'static Special> {
    let table: &[Special] = if ip.is_ipv4() { &V4 } else { &V6 };
    let found = table.iter().filter(|special| special.net.has(ip));
    found.max_by_key(|special| special.net.bits).filter(|special| special.net.bits != 3)
}

/// What an address is for; [`Class::Global`] for an ordinary one.
#[must_use]
pub fn class(ip: IpAddr) -> Class {
    special(ip).map_or(Class::Global, |special| special.class)
}

/// The IPv4 address that an IPv6 address stands for, where a translator or tunnel would unpack it:
/// IPv4-mapped and its older kin, NAT64 (RFC 6052), 6to4 (RFC 3056), ISATAP (RFC 5214).
#[must_use]
pub fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    let isatap = matches!(s[4], 0 | 0x0200) && s[5] == 0x5efe;
    match (class(ip.into()), s[0], s[1]) {
        (Class::Mapped, ..) | (Class::Transition, 0x64, _) => Some(v4(s[6], s[7])),
        (Class::Transition, ..) => Some(v4(s[1], s[2])),
        // a network of its own choice within 64:ff9b:1::/48: commonly a /96, else the /48 itself
        (Class::Private, 0x64, 0xff9b) if s[4..6] == [0, 0] => Some(v4(s[6], s[7])),
        (Class::Private, 0x64, 0xff9b) => Some(v4(s[3], s[4] << 8 | s[5] >> 8)),
        _ if isatap => Some(v4(s[6], s[7])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Class {
        class(text.parse().expect("a literal address"))
    }

    #[test]
    fn the_registries_are_in_the_table_to_their_edges() {
        for (text, expected) in [
            ("0.255.255.255", Class::Unspecified),
            ("1.0.0.0", Class::Global),
            ("9.255.255.255", Class::Global),
            ("10.0.0.0", Class::Private),
            ("11.0.0.0", Class::Global),
            ("100.63.255.255", Class::Global),
            ("100.64.0.0", Class::Shared),
            ("100.127.255.255", Class::Shared),
            ("100.128.0.0", Class::Global),
            ("172.15.255.255", Class::Global),
            ("172.31.255.255", Class::Private),
            ("172.32.0.0", Class::Global),
            ("192.0.0.8", Class::Protocol),
            ("192.0.0.9", Class::Global),
            ("192.0.0.11", Class::Protocol),
            ("192.0.1.0", Class::Global),
            ("192.0.2.255", Class::Documentation),
            ("192.88.99.1", Class::Protocol),
            ("198.17.255.255", Class::Global),
            ("198.19.255.255", Class::Benchmarking),
            ("198.20.0.0", Class::Global),
            ("223.255.255.255", Class::Global),
            ("224.0.0.0", Class::Multicast),
            ("239.255.255.255", Class::Multicast),
            ("255.255.255.254", Class::Reserved),
            ("255.255.255.255", Class::Broadcast),
            ("::", Class::Unspecified),
            ("::1", Class::Loopback),
            ("::2", Class::Mapped),
            ("::1:0:0", Class::Reserved),
            ("::ffff:8.8.8.8", Class::Mapped),
            ("64:ff9b::8.8.8.8", Class::Transition),
            ("64:ff9b:0:1::1", Class::Reserved),
            ("64:ff9b:1:2::1", Class::Private),
            ("100::1", Class::Reserved),
            ("100:0:0:1::", Class::Reserved),
            ("100:0:0:2::", Class::Reserved),
            ("200::1", Class::Reserved),
            ("1fff:ffff::", Class::Reserved),
            ("2000::1", Class::Global),
            ("2001::1", Class::Protocol),
            ("2001:1::2", Class::Global),
            ("2001:1::4", Class::Protocol),
            ("2001:2::1", Class::Benchmarking),
            ("2001:2:1::1", Class::Protocol),
            ("2001:3::1", Class::Global),
            ("2001:10::1", Class::Protocol),
            ("2001:20::1", Class::Global),
            ("2001:1ff:ffff::", Class::Protocol),
            ("2001:200::1", Class::Global),
            ("2001:db8::1", Class::Documentation),
            ("2001:db9::1", Class::Global),
            ("2002:808:808::1", Class::Transition),
            ("2600::1", Class::Global),
            ("3ffe::1", Class::Global),
            ("3fff:fff::1", Class::Documentation),
            ("3fff:1000::1", Class::Global),
            ("4000::1", Class::Reserved),
            ("5f00::1", Class::Reserved),
            ("fbff::1", Class::Reserved),
            ("fdff::1", Class::Private),
            ("fe00::1", Class::Reserved),
            ("febf::1", Class::LinkLocal),
            ("feff::1", Class::Private),
            ("ff02::1", Class::Multicast),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        for special in V4.iter().chain(&V6) {
            assert!(special.net.has(special.net.ip), "{}", special.net);
        }
    }

    #[test]
    fn what_is_inside_is_found() {
        for (outside, inside) in [
            ("::ffff:10.1.2.3", Some("10.1.2.3")),
            ("64:ff9b::10.1.2.3", Some("10.1.2.3")),
            ("64:ff9b:1::10.1.2.3", Some("10.1.2.3")),
            ("64:ff9b:1:a01:2:300::", Some("10.1.2.3")),
            ("2002:a01:203::1", Some("10.1.2.3")),
            ("2600::5efe:10.1.2.3", Some("10.1.2.3")),
            ("2600::200:5efe:10.1.2.3", Some("10.1.2.3")),
            ("2600::1", None),
        ] {
            let found = embedded(outside.parse().expect("a literal address"));
            assert_eq!(found.map(|ip| ip.to_string()).as_deref(), inside, "{outside}");
        }
    }
}
