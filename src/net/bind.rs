//! `--bind`: which local address or interface packets leave by.

use super::{NetError, interface};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A local address or an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// A local address.
    Address(IpAddr),
    /// An interface, by name.
    Interface(String),
}

impl FromStr for Bind {
    type Err = std::convert::Infallible;

    /// What is not an address is the name of an interface.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Interface(text.to_owned()), Self::Address))
    }
}

/// What `--bind` says: by which address or interface, and from which port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindTo {
    /// The address or interface.
    pub by: Bind,
    /// The port, never 0; the system's choice where `None`.
    pub port: Option<u16>,
}

impl FromStr for BindTo {
    type Err = String;

    /// `ADDR`, `ADDR:PORT`, `[ADDR6]:PORT`, `IFACE` or `IFACE:PORT`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = |by| Ok(Self { by, port: None });
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err("write a local address or the name of an interface".to_owned());
        }
        if let Ok(ip) = text.parse() {
            return whole(Bind::Address(ip));
        }
        let bracketed = text.strip_prefix('[');
        if let Some(Ok(ip)) =
            bracketed.and_then(|t| t.strip_suffix(']')).map(str::parse::<Ipv6Addr>)
        {
            return whole(Bind::Address(ip.into()));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return whole(Bind::Interface(text.to_owned()));
        };
        let port = match port.parse::<u16>() {
            Ok(port) if port != 0 && port.to_string().len() <= 5 => port,
            _ => return Err("the port behind the last `:` must be from 1 to 65535".to_owned()),
        };
        let by = match bracketed.and_then(|_| host.strip_prefix('[')?.strip_suffix(']')) {
            Some(ip) => Bind::Address(
                ip.parse::<Ipv6Addr>().map_err(|_| format!("`{ip}` is no IPv6 address"))?.into(),
            ),
            None if host.is_empty() || host.contains([':', '[', ']']) => {
                return Err("write ADDR, ADDR:PORT, [IPV6]:PORT, IFACE or IFACE:PORT".to_owned());
            }
            None => host.parse().map_or_else(|_| Bind::Interface(host.to_owned()), Bind::Address),
        };
        Ok(Self { by, port: Some(port) })
    }
}

impl BindTo {
    /// Whether this host has it, and the port is free.
    ///
    /// # Errors
    /// As [`Bind::check`], and [`NetError::PortTaken`].
    pub fn check(&self) -> Result<(), NetError> {
        self.by.check()?;
        let Some(port) = self.port else { return Ok(()) };
        for at in addresses(Some(&self.by)).into_iter().map(|ip| SocketAddr::new(ip, port)) {
            match std::net::UdpSocket::bind(at) {
                Ok(_) => {}
                // an interface may have an address that cannot be used yet; others may do
                Err(why) if why.kind() == std::io::ErrorKind::AddrNotAvailable => {}
                Err(why) => return Err(NetError::PortTaken { at, why }),
            }
        }
        Ok(())
    }
}

impl Bind {
    /// Whether this host has it.
    ///
    /// # Errors
    /// [`NetError::NoInterface`] with the interfaces there are, [`NetError::NotOurAddress`].
    pub fn check(&self) -> Result<(), NetError> {
        match self {
            Self::Address(address) => std::net::UdpSocket::bind(SocketAddr::new(*address, 0))
                .map(drop)
                .map_err(|why| NetError::NotOurAddress { address: *address, why }),
            Self::Interface(name) => {
                let have = interface::names();
                if have.iter().any(|known| known == name) {
                    return Ok(());
                }
                let name = crate::stun::text::safe(name.as_bytes());
                Err(NetError::NoInterface { name, have: have.join(", ") })
            }
        }
    }

    /// Has what a socket of this family sends leave by it, before the socket is bound.
    ///
    /// # Errors
    /// There is no such interface, or this user may not.
    pub(super) fn hold(&self, socket: &socket2::Socket, ipv4: bool) -> std::io::Result<()> {
        match self {
            Self::Interface(name) => interface::hold(socket, name, ipv4),
            Self::Address(_) => Ok(()),
        }
    }

    /// The address to bind to, where the kernel does not choose one of this by itself.
    pub(super) fn source(&self, ipv4: bool) -> Option<IpAddr> {
        match self {
            Self::Address(ip) => (!ip.is_unspecified()).then_some(*ip),
            Self::Interface(_) if cfg!(target_os = "linux") => None,
            Self::Interface(_) => addresses(Some(self)).into_iter().find(|ip| ip.is_ipv4() == ipv4),
        }
    }

    /// Whether packets of this family can leave by it.
    #[must_use]
    pub const fn fits(&self, ipv4: bool) -> bool {
        match self {
            Self::Address(address) => address.is_ipv4() == ipv4,
            Self::Interface(_) => true,
        }
    }
}

/// This host's addresses that a peer may be able to reach: those that `bind` names, else all but
/// loopback and link-local ones. Each once, IPv6 first.
#[must_use]
pub fn addresses(bind: Option<&Bind>) -> Vec<IpAddr> {
    let family = match bind {
        Some(Bind::Address(address)) if !address.is_unspecified() => return vec![*address],
        Some(Bind::Address(any)) => Some(any.is_ipv4()),
        _ => None,
    };
    let only = bind.and_then(|bind| match bind {
        Bind::Interface(name) => Some(name.as_str()),
        Bind::Address(_) => None,
    });
    let wanted = |ip: &IpAddr| useful(*ip) && family.is_none_or(|four| four == ip.is_ipv4());
    let by = |one: &interface::Address| one.up && only.is_none_or(|name| name == one.interface);
    let all = interface::addresses().into_iter().filter(by);
    let mut found: Vec<IpAddr> = all.map(|one| one.ip).filter(wanted).collect();
    found.sort_by_key(IpAddr::is_ipv4);
    let mut seen = std::collections::HashSet::new();
    found.retain(|ip| seen.insert(*ip));
    found
}

fn useful(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(link_local || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_an_interface_with_a_port_or_without() {
        let address = |text: &str| Bind::Address(text.parse().expect("literal"));
        let interface = |text: &str| Bind::Interface(text.to_owned());
        for (text, by, port) in [
            ("192.0.2.1", address("192.0.2.1"), None),
            ("192.0.2.1:4500", address("192.0.2.1"), Some(4500)),
            ("0.0.0.0:4500", address("0.0.0.0"), Some(4500)),
            ("2001:db8::1", address("2001:db8::1"), None),
            ("[2001:db8::1]", address("2001:db8::1"), None),
            ("[2001:db8::1]:65535", address("2001:db8::1"), Some(65535)),
            ("::1", address("::1"), None),
            ("eth0", interface("eth0"), None),
            ("eth0:4500", interface("eth0"), Some(4500)),
            ("wlp2s0.100:1", interface("wlp2s0.100"), Some(1)),
        ] {
            assert_eq!(text.parse(), Ok(BindTo { by, port }), "{text}");
        }
        for text in [
            "",
            "192.0.2.1:",
            "192.0.2.1:0",
            "192.0.2.1:65536",
            "192.0.2.1:-1",
            "192.0.2.1:port",
            ":4500",
            "[2001:db8::1]:0",
            "[192.0.2.1]:4500",
            "[eth0]:4500",
            "2001:db8::g:4500",
            "eth0 eth1",
            "eth0:4500:4501",
        ] {
            assert!(text.parse::<BindTo>().is_err(), "{text}: {:?}", text.parse::<BindTo>());
        }
    }

    #[test]
    fn a_port_that_is_taken_is_said_to_be() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let at = taken.local_addr().expect("known");
        let bind: BindTo = at.to_string().parse().expect("an address and a port");
        let said = bind.check().expect_err("it is taken").to_string();
        assert!(said.contains(&at.port().to_string()) && said.contains("in use"), "{said}");
        drop(taken);
        assert!(bind.check().is_ok());
    }
}
