//! `--bind`: which local address or interface packets leave by.

use super::NetError;
use std::net::{IpAddr, SocketAddr};
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
                let have = interfaces();
                if have.iter().any(|known| known == name) {
                    return Ok(());
                }
                let name = crate::stun::text::safe(name.as_bytes());
                Err(NetError::NoInterface { name, have: have.join(", ") })
            }
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
    if let Some(Bind::Address(address)) = bind {
        return vec![*address];
    }
    let only = bind.map(|bind| match bind {
        Bind::Interface(name) => name.as_str(),
        Bind::Address(_) => "",
    });
    let mut found: Vec<IpAddr> = of_interfaces(only).into_iter().filter(|ip| useful(*ip)).collect();
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

#[cfg(target_os = "linux")]
fn of_interfaces(only: Option<&str>) -> Vec<IpAddr> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    all.filter(|one| only.is_none_or(|name| name == one.interface_name))
        .filter(|one| one.flags.contains(nix::net::if_::InterfaceFlags::IFF_UP))
        .filter_map(|one| {
            let address = one.address?;
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        })
        .collect()
}

/// Where interfaces are not listed: the addresses that packets to the internet leave from.
#[cfg(not(target_os = "linux"))]
fn of_interfaces(_: Option<&str>) -> Vec<IpAddr> {
    let from = |any: &str, to: &str| -> Option<IpAddr> {
        let socket = std::net::UdpSocket::bind(any).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let v6 = from("[::]:0", "[2001:db8::1]:9");
    v6.into_iter().chain(from("0.0.0.0:0", "192.0.2.1:9")).collect()
}

#[cfg(target_os = "linux")]
fn interfaces() -> Vec<String> {
    let Ok(all) = nix::net::if_::if_nameindex() else { return Vec::new() };
    all.iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect()
}

#[cfg(not(target_os = "linux"))]
fn interfaces() -> Vec<String> {
    Vec::new()
}
