//! Which peers the relay may send to.
//!
//! A relay is a hole in a firewall by design: whoever holds a credential sends from the relay's
//! address to whatever the relay can reach. So everything that only the relay's host or its own
//! networks can reach is refused (RFC 8656 section 21.1.6 and the advice of RFC 5735 and 6890), in
//! every spelling that an address may have.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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

/// Why a peer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// 127.0.0.0/8 or `::1`.
    Loopback,
    /// 169.254.0.0/16 or `fe80::/10`: also where clouds keep their hosts' credentials.
    LinkLocal,
    /// 224.0.0.0/4 or `ff00::/8`.
    Multicast,
    /// 0.0.0.0/8 or `::`: many systems take it for themselves.
    Unspecified,
    /// 255.255.255.255.
    Broadcast,
    /// 240.0.0.0/4, `100::/64`: nobody's.
    Reserved,
    /// An address of the server itself, and not the relayed address of an allocation.
    Own,
    /// RFC 1918, 100.64.0.0/10, unique local and the like: networks that only insiders reach.
    Private,
    /// In a range that this server's operator has named.
    Denied,
    /// An IPv4 address dressed as IPv6 (`::ffff:0:0/96`): no such packet belongs on a wire.
    Mapped,
    /// Port 0.
    NoPort,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "an unspecified address",
            Self::Broadcast => "the broadcast address",
            Self::Reserved => "a reserved address",
            Self::Own => "the server's own address",
            Self::Private => "a private address",
            Self::Denied => "an address denied here",
            Self::Mapped => "an IPv4-mapped address",
            Self::NoPort => "port 0",
        })
    }
}

/// Which peers the relay may send to. The default refuses all that is not on the open internet.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether private networks may be reached.
    pub allow_private: bool,
    /// Ranges that are refused besides.
    pub deny: Vec<Net>,
    /// The server's own addresses.
    pub own: Vec<IpAddr>,
}

impl Policy {
    /// Whether packets may go to this address, by whatever port. The server's own addresses are
    /// refused here; [`Policy::is_own`] tells the caller which may be a live allocation's.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, ip: IpAddr) -> Result<(), Refusal> {
        if self.is_own(ip) {
            return Err(Refusal::Own);
        }
        self.check_foreign(ip)
    }

    /// As [`Policy::check`], of an address that is known not to be the server's own, or to be that
    /// of an allocation.
    pub(super) fn check_foreign(&self, ip: IpAddr) -> Result<(), Refusal> {
        self.one(ip)?;
        if let IpAddr::V6(v6) = ip {
            for inner in embedded(v6).into_iter().flatten() {
                if self.own.contains(&inner.into()) {
                    return Err(Refusal::Own);
                }
                self.one(inner.into())?;
            }
        }
        Ok(())
    }

    /// Whether the address is one of the server's own.
    #[must_use]
    pub fn is_own(&self, ip: IpAddr) -> bool {
        self.own.contains(&ip)
    }

    fn one(&self, ip: IpAddr) -> Result<(), Refusal> {
        let found = match ip {
            IpAddr::V4(v4) => class4(v4),
            IpAddr::V6(v6) => class6(v6),
        };
        if let Some(refusal) = found
            && !(refusal == Refusal::Private && self.allow_private)
        {
            return Err(refusal);
        }
        if self.deny.iter().any(|net| net.has(ip)) { Err(Refusal::Denied) } else { Ok(()) }
    }
}

/// A peer without a port cannot be sent to.
pub(super) const fn check_port(peer: SocketAddr) -> Result<(), Refusal> {
    if peer.port() == 0 { Err(Refusal::NoPort) } else { Ok(()) }
}

fn class4(ip: Ipv4Addr) -> Option<Refusal> {
    let [a, b, c, _] = ip.octets();
    Some(match (a, b, c) {
        (0, ..) => Refusal::Unspecified,
        (127, ..) => Refusal::Loopback,
        (169, 254, _) => Refusal::LinkLocal,
        (224..=239, ..) => Refusal::Multicast,
        _ if ip.is_broadcast() => Refusal::Broadcast,
        (240.., ..) => Refusal::Reserved,
        // RFC 1918, RFC 6598, RFC 6890 (192.0.0.0/24), RFC 2544, RFC 7526 (192.88.99.0/24)
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Refusal::Private,
        (192, 0, 0) | (198, 18 | 19, _) | (192, 88, 99) => Refusal::Private,
        _ => return None,
    })
}

fn class6(ip: Ipv6Addr) -> Option<Refusal> {
    let s = ip.segments();
    Some(match (s[0], s[1]) {
        _ if ip.is_unspecified() => Refusal::Unspecified,
        _ if ip.is_loopback() => Refusal::Loopback,
        (0xff00.., _) => Refusal::Multicast,
        (0xfe80..=0xfebf, _) => Refusal::LinkLocal,
        // unique local (RFC 4193), site-local (RFC 3879)
        (0xfc00..=0xfdff | 0xfec0..=0xfeff, _) => Refusal::Private,
        // discard-only (RFC 6666)
        (0x0100, 0) if s[2] == 0 && s[3] == 0 => Refusal::Reserved,
        // NAT64 prefixes of a network's own choice (RFC 8215)
        (0x0064, 0xff9b) if s[2] == 1 => Refusal::Private,
        _ if ip.to_ipv4_mapped().is_some() => Refusal::Mapped,
        // ::a.b.c.d (RFC 4291 section 2.5.5.1) and ::ffff:0:a.b.c.d (RFC 2765): long gone
        _ if s[..4] == [0; 4] && (s[4], s[5]) == (0, 0) => Refusal::Mapped,
        _ if s[..4] == [0; 4] && (s[4], s[5]) == (0xffff, 0) => Refusal::Mapped,
        _ => return None,
    })
}

/// The IPv4 addresses that an IPv6 address stands for, where a gateway would translate or unpack
/// it: NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo (RFC 4380), ISATAP (RFC 5214).
fn embedded(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match (s[0], s[1]) {
        (0x0064, 0xff9b) if s[2..6] == [0; 4] => [v4(s[6], s[7]), None],
        (0x2002, _) => [v4(s[1], s[2]), None],
        (0x2001, 0) => [v4(s[2], s[3]), v4(!s[6], !s[7])],
        _ if matches!(s[4], 0 | 0x0200) && s[5] == 0x5efe => [v4(s[6], s[7]), None],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("a literal address")
    }

    fn refusal(policy: &Policy, text: &str) -> Option<Refusal> {
        policy.check(ip(text)).err()
    }

    #[test]
    fn the_open_internet_is_allowed_and_nothing_else_is() {
        let policy = Policy { own: vec![ip("203.0.113.1")], ..Policy::default() };
        for fine in ["8.8.8.8", "192.0.2.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2600::1"] {
            assert_eq!(refusal(&policy, fine), None, "{fine}");
        }
        for (bad, why) in [
            ("127.0.0.1", Refusal::Loopback),
            ("127.255.255.254", Refusal::Loopback),
            ("::1", Refusal::Loopback),
            ("169.254.169.254", Refusal::LinkLocal),
            ("fe80::1", Refusal::LinkLocal),
            ("febf::1", Refusal::LinkLocal),
            ("224.0.0.1", Refusal::Multicast),
            ("239.255.255.255", Refusal::Multicast),
            ("ff02::1", Refusal::Multicast),
            ("0.0.0.0", Refusal::Unspecified),
            ("0.1.2.3", Refusal::Unspecified),
            ("::", Refusal::Unspecified),
            ("255.255.255.255", Refusal::Broadcast),
            ("240.0.0.1", Refusal::Reserved),
            ("100::1", Refusal::Reserved),
            ("10.0.0.1", Refusal::Private),
            ("172.16.0.1", Refusal::Private),
            ("172.31.255.255", Refusal::Private),
            ("192.168.1.1", Refusal::Private),
            ("100.64.0.1", Refusal::Private),
            ("100.127.255.255", Refusal::Private),
            ("192.0.0.1", Refusal::Private),
            ("198.18.0.1", Refusal::Private),
            ("fc00::1", Refusal::Private),
            ("fdff::1", Refusal::Private),
            ("fec0::1", Refusal::Private),
            ("64:ff9b:1::a00:1", Refusal::Private),
            ("203.0.113.1", Refusal::Own),
        ] {
            assert_eq!(refusal(&policy, bad), Some(why), "{bad}");
        }
    }

    #[test]
    fn a_forbidden_address_is_forbidden_in_every_dress() {
        let policy = Policy { own: vec![ip("203.0.113.1")], ..Policy::default() };
        for v4 in
            ["127.0.0.1", "169.254.169.254", "10.1.2.3", "224.0.0.1", "0.0.0.0", "203.0.113.1"]
        {
            let Ok(IpAddr::V4(v4)) = v4.parse() else { panic!("{v4}") };
            let [a, b, c, d] = v4.octets();
            for dress in [
                format!("::ffff:{v4}"),
                format!("::{v4}"),
                format!("::ffff:0:{v4}"),
                format!("64:ff9b::{v4}"),
                format!("64:ff9b:1::{v4}"),
                format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
                format!("2001:0:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
                format!("2001:0:808:808::{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d),
                format!("2600::5efe:{v4}"),
                format!("2600::200:5efe:{v4}"),
            ] {
                assert!(refusal(&policy, &dress).is_some(), "{dress} is let through");
            }
        }
        assert_eq!(refusal(&policy, "64:ff9b::8.8.8.8"), None);
        assert_eq!(refusal(&policy, "2002:808:808::1"), None);
        assert_eq!(
            refusal(&policy, "::ffff:8.8.8.8"),
            Some(Refusal::Mapped),
            "not even a good one"
        );
    }

    #[test]
    fn private_networks_may_be_allowed_and_nothing_else_with_them() {
        let policy = Policy { allow_private: true, ..Policy::default() };
        for fine in ["10.0.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "64:ff9b::10.0.0.1"] {
            assert_eq!(refusal(&policy, fine), None, "{fine}");
        }
        for bad in ["127.0.0.1", "169.254.1.1", "::1", "64:ff9b::127.0.0.1", "::ffff:10.0.0.1"] {
            assert!(refusal(&policy, bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_denied_range_is_refused_to_its_last_address_and_no_further() {
        let deny = ["198.51.100.0/25", "2001:db8::/33", "192.0.2.7", "0.0.0.0/0"];
        let nets: Vec<Net> = deny.iter().map(|net| net.parse().expect("a range")).collect();
        let policy = |index: usize| Policy { deny: vec![nets[index]], ..Policy::default() };
        assert_eq!(refusal(&policy(0), "198.51.100.127"), Some(Refusal::Denied));
        assert_eq!(refusal(&policy(0), "198.51.100.128"), None);
        assert_eq!(refusal(&policy(1), "2001:db8:7fff::1"), Some(Refusal::Denied));
        assert_eq!(refusal(&policy(1), "2001:db8:8000::1"), None);
        assert_eq!(refusal(&policy(2), "192.0.2.7"), Some(Refusal::Denied));
        assert_eq!(refusal(&policy(2), "192.0.2.8"), None);
        assert_eq!(refusal(&policy(3), "8.8.8.8"), Some(Refusal::Denied));
        assert_eq!(refusal(&policy(3), "2600::1"), None);
        for bad in ["", "1.2.3", "1.2.3.4/33", "::/129", "::1/x", "1.2.3.4/"] {
            assert!(bad.parse::<Net>().is_err(), "{bad}");
        }
    }
}
