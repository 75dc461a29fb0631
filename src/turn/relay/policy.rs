//! Which peers the relay may send to.
//!
//! A relay is a hole in a firewall by design: whoever holds a credential sends from the relay's
//! address to whatever the relay can reach. So everything that only the relay's host or its own
//! networks can reach is refused (RFC 8656 section 21.1.6 and the advice of RFC 5735 and 6890), in
//! every spelling that an address may have.

use crate::ground::special::{self, Class};
use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub use crate::ground::special::Net;

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
    /// 240.0.0.0/4, all of IPv6 outside of `2000::/3`, and what IETF protocols have within: nobody's.
    Reserved,
    /// `2001:db8::/32` or `3fff::/20`.
    Documentation,
    /// An address of the server's host, and not the relayed address of an allocation.
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
            Self::Documentation => "a documentation address",
            Self::Own => "the server's own address",
            Self::Private => "a private address",
            Self::Denied => "an address denied here",
            Self::Mapped => "an IPv4-mapped address",
            Self::NoPort => "port 0",
        })
    }
}

/// What the relay's host takes for itself, as its kernel says: single addresses, and ranges such as
/// those of `ip route add local`.
#[derive(Debug, Clone, Default)]
pub struct Host {
    addresses: HashSet<IpAddr>,
    ranges: Vec<Net>,
}

impl Host {
    /// Whether packets to this address end on the host.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        self.addresses.contains(&ip) || self.ranges.iter().any(|net| net.has(ip))
    }
}

impl FromIterator<Net> for Host {
    fn from_iter<T: IntoIterator<Item = Net>>(nets: T) -> Self {
        let mut host = Self::default();
        for net in nets {
            match net.single() {
                Some(ip) => drop(host.addresses.insert(ip)),
                None if host.ranges.contains(&net) => {}
                None => host.ranges.push(net),
            }
        }
        host
    }
}

/// Which peers the relay may send to. The default refuses all that is not on the open internet.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether private networks may be reached.
    pub allow_private: bool,
    /// Ranges that are refused besides.
    pub deny: Vec<Net>,
    /// Ranges that are allowed although they are private, nobody's, or this host's own; what is
    /// never a peer (loopback, link-local, multicast, …) is not.
    pub allow: Vec<Net>,
    /// The server's own addresses: what it listens on and relays from.
    pub own: Vec<IpAddr>,
    /// All that its host has, of late.
    pub host: Host,
}

impl Policy {
    /// Whether packets may go to this address, by whatever port. The server's own addresses are
    /// refused here; [`Policy::is_own`] tells the caller which may be a live allocation's.
    ///
    /// # Errors
    /// Why packets may not go there.
    pub fn check(&self, ip: IpAddr) -> Result<(), Refusal> {
        if self.is_own(ip) {
            return Err(Refusal::Own);
        }
        self.check_foreign(ip)
    }

    /// As [`Policy::check`], of an address that is known not to be the server's own, or to be that
    /// of an allocation.
    pub(super) fn check_foreign(&self, ip: IpAddr) -> Result<(), Refusal> {
        let inner = if let IpAddr::V6(v6) = ip { special::embedded(v6) } else { None };
        if let Some(inner) = inner.map(IpAddr::V4) {
            if self.is_own(inner) {
                return Err(Refusal::Own);
            }
            self.one(inner)?;
        }
        self.one(ip)
    }

    /// Whether the address is one of the server's own, or of its host, and not allowed by name.
    #[must_use]
    pub fn is_own(&self, ip: IpAddr) -> bool {
        (self.own.contains(&ip) || self.host.has(ip)) && !self.is_allowed(ip)
    }

    fn is_allowed(&self, ip: IpAddr) -> bool {
        self.allow.iter().any(|net| net.has(ip))
    }

    fn one(&self, ip: IpAddr) -> Result<(), Refusal> {
        if let Some(refusal) = of_class(special::class(ip), ip.is_ipv4()) {
            let private = matches!(refusal, Refusal::Private | Refusal::Documentation);
            let lifted = private && (self.allow_private || self.is_allowed(ip))
                || refusal == Refusal::Reserved && self.is_allowed(ip);
            if !lifted {
                return Err(refusal);
            }
        }
        if self.deny.iter().any(|net| net.has(ip)) { Err(Refusal::Denied) } else { Ok(()) }
    }
}

/// A peer without a port cannot be sent to.
pub(super) const fn check_port(peer: SocketAddr) -> Result<(), Refusal> {
    if peer.port() == 0 { Err(Refusal::NoPort) } else { Ok(()) }
}

/// Why addresses of this class are not sent to.
///
/// Documentation ranges of IPv4 are let through: nothing is ever behind them but a test network,
/// which is built with them, and routers drop what is for them.
const fn of_class(class: Class, ipv4: bool) -> Option<Refusal> {
    Some(match class {
        Class::Unspecified => Refusal::Unspecified,
        Class::Loopback => Refusal::Loopback,
        Class::LinkLocal => Refusal::LinkLocal,
        Class::Private | Class::Shared | Class::Benchmarking => Refusal::Private,
        Class::Protocol if ipv4 => Refusal::Private,
        Class::Documentation if ipv4 => return None,
        Class::Documentation => Refusal::Documentation,
        Class::Multicast => Refusal::Multicast,
        Class::Broadcast => Refusal::Broadcast,
        Class::Reserved | Class::Protocol => Refusal::Reserved,
        Class::Mapped => Refusal::Mapped,
        Class::Transition | Class::Global => return None,
    })
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
        for fine in [
            "8.8.8.8",
            "192.0.2.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "2600::1",
            "192.0.0.9",
            "192.31.196.1",
            "2001:200::1",
            "2001:1::2",
            "2001:4:112::1",
            "3ffe::1",
        ] {
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
            ("64:ff9b:1::808:808", Refusal::Private),
            ("200::1", Refusal::Reserved),
            ("400::1", Refusal::Reserved),
            ("4000::1", Refusal::Reserved),
            ("5f00::1", Refusal::Reserved),
            ("100:0:0:1::1", Refusal::Reserved),
            ("::1:0:0", Refusal::Reserved),
            ("fe00::1", Refusal::Reserved),
            ("2001::1", Refusal::Reserved),
            ("2001:0:808:808::f7f7:f7f7", Refusal::Reserved),
            ("2001:2::1", Refusal::Private),
            ("2001:10::1", Refusal::Reserved),
            ("2001:100::1", Refusal::Reserved),
            ("2001:db8::1", Refusal::Documentation),
            ("3fff::1", Refusal::Documentation),
            ("192.88.99.1", Refusal::Private),
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
    fn the_hosts_other_addresses_and_local_ranges_are_its_own() {
        let nets = ["198.51.100.7", "2600::7", "198.51.100.64/28", "127.0.0.0/8"];
        let host = nets.iter().map(|net| net.parse::<Net>().expect("a range")).collect();
        let policy = Policy { host, allow_private: true, ..Policy::default() };
        for own in [
            "198.51.100.7",
            "2600::7",
            "198.51.100.79",
            "64:ff9b::198.51.100.7",
            "2002:c633:6407::",
        ] {
            assert_eq!(refusal(&policy, own), Some(Refusal::Own), "{own}");
        }
        for fine in ["198.51.100.8", "198.51.100.80", "2600::8"] {
            assert_eq!(refusal(&policy, fine), None, "{fine}");
        }
    }

    #[test]
    fn what_is_allowed_by_name_is_allowed_but_never_what_is_no_peer() {
        let allow = ["10.1.0.0/16", "198.51.100.7", "127.0.0.0/8", "169.254.0.0/16", "::/0"];
        let allow = allow.iter().map(|net| net.parse().expect("a range")).collect();
        let host = ["198.51.100.7", "198.51.100.8"].iter();
        let host = host.map(|net| net.parse::<Net>().expect("a range")).collect();
        let deny = vec!["10.1.2.0/24".parse().expect("a range")];
        let policy = Policy { deny, allow, host, ..Policy::default() };
        for fine in ["10.1.1.1", "198.51.100.7", "fd00::1", "2001:db8::1"] {
            assert_eq!(refusal(&policy, fine), None, "{fine}");
        }
        for (bad, why) in [
            ("10.2.0.1", Refusal::Private),
            ("10.1.2.3", Refusal::Denied),
            ("198.51.100.8", Refusal::Own),
            ("127.0.0.1", Refusal::Loopback),
            ("169.254.169.254", Refusal::LinkLocal),
            ("::1", Refusal::Loopback),
            ("64:ff9b::10.2.0.1", Refusal::Private),
            ("64:ff9b::169.254.169.254", Refusal::LinkLocal),
        ] {
            assert_eq!(refusal(&policy, bad), Some(why), "{bad}");
        }
    }

    #[test]
    fn private_networks_may_be_allowed_and_nothing_else_with_them() {
        let policy = Policy { allow_private: true, ..Policy::default() };
        for fine in [
            "10.0.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd00::1",
            "64:ff9b::10.0.0.1",
            "2001:db8::1",
            "64:ff9b:1::10.0.0.1",
        ] {
            assert_eq!(refusal(&policy, fine), None, "{fine}");
        }
        for bad in [
            "127.0.0.1",
            "169.254.1.1",
            "::1",
            "64:ff9b::127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b:1::127.0.0.1",
            "2001::1",
        ] {
            assert!(refusal(&policy, bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_denied_range_is_refused_to_its_last_address_and_no_further() {
        let deny = ["198.51.100.0/25", "2001:db8::/33", "192.0.2.7", "0.0.0.0/0"];
        let nets: Vec<Net> = deny.iter().map(|net| net.parse().expect("a range")).collect();
        let policy = |index: usize| Policy {
            deny: vec![nets[index]],
            allow_private: true,
            ..Policy::default()
        };
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
